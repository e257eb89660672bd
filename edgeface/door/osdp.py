"""Shows a panel the card of who was recognised, over OSDP with its secure channel.

The panel decides and opens: to it, the door is a card reader (OSDP: a peripheral device).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgeface.container import replacing
from edgeface.door import sender_settings
from edgeface.door.actuator import Actuator
from edgeface.door.event import Alarm, Decision, Reason
from edgeface.door.osdp_line import BAUD_RATES
from edgeface.door.osdp_panel import Bus, PanelThread
from edgeface.door.osdp_session import PanelSignal, libosdp
from edgeface.door.wiegand_frame import frame
from edgeface.errors import ActuatorError, DoorError
from edgeface.secret_file import secret_path

SETTINGS = sender_settings.table(
    "osdp",
    {
        "device": sender_settings.path("serial device of the RS-485 line, like /dev/ttyS4"),
        "baud": {"enum": list(BAUD_RATES), "description": "bits a second; 9600"},
        "address": {
            "type": "integer",
            "minimum": 0,
            "maximum": 126,
            "description": "ours on the bus; 0",
        },
        "key_file": sender_settings.path(
            "file with the secure channel base key (SCBK), 32 hex digits; a path or credential:NAME"
        ),
        "secure_channel": {
            "type": "boolean",
            "description": "false sends cards in the clear to whoever polls: for panels that know "
            "no secure channel, on a line that nobody can reach; true",
        },
        "install": {
            "type": "boolean",
            "description": "true lets the panel set the key while key_file does not exist: whoever "
            "is on the line then may; false",
        },
        "card_bits": {
            "enum": [26, 34],
            "description": "Wiegand format that the panel expects cards in; 26",
        },
        "card_age_s": sender_settings.seconds(
            0.2, 10, "a card that the panel does not fetch in this time is dropped; 2"
        ),
        "offline_s": sender_settings.seconds(
            1, 600, "without a poll, after which the panel counts as gone; 5"
        ),
        "must_work": {
            "type": "boolean",
            "description": "whether no face opens while the panel is gone; true",
        },
    },
    required=("device",),
)
_KEY = re.compile(rb"\s*([0-9a-fA-F]{32})\s*")
# In the standard, so everybody's: the key that panels use before they set one.
_DEFAULT_KEY = bytes(range(0x30, 0x40))


class Osdp(Actuator):
    """A card reader to a panel. Opening decisions become card reads, nothing else does.

    A card that the panel does not fetch within `Bus.card_age_s` is dropped: a panel that comes back
    after an hour never opens for who stood there then.

    Parameters
    ----------
    bus
        Where the panel is.
    key
        The secure channel base key, 16 bytes. None is install mode when there is `key_file`, else
        a line without a secure channel.
    key_file
        Where a key that the panel sets is stored, with mode 0600.
    name
        Of this actuator in logs.
    must_work
        Whether the door is not to be used while the panel is gone.
    clock
        Seconds of the monotonic clock that decisions carry.

    Raises
    ------
    DoorError
        The key is no key, or everybody's; or libosdp is not installed.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        key: bytes | None,
        key_file: Path | None = None,
        name: str = "osdp",
        must_work: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        libosdp()  # missing, it is to be said here and not by a thread
        if key is not None:
            _require_key(key, name=name)
        self.name, self.must_work = name, must_work
        self._bus, self._clock, self._set_key, self._key_file = bus, clock, key, key_file
        installs = key is None and key_file is not None
        self._panel = PanelThread(
            bus,
            key=lambda: self._set_key,
            secure=installs or key is not None,
            take_key=self._store_key if installs else None,
            clock=clock,
        )

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> Osdp:
        """Open what an ``[[actuators]]`` table of kind "osdp" says.

        Raises
        ------
        DoorError
            No key and neither `install` nor `secure_channel = false`, or a key file that cannot be
            used.
        """
        name = table.get("name", "osdp")
        key, key_file = _key_settings(table, base=base, name=name)
        bus = Bus(
            device=base / table["device"],
            baud=table.get("baud", 9600),
            address=table.get("address", 0),
            card_bits=table.get("card_bits", 26),
            card_age_s=table.get("card_age_s", 2.0),
            offline_s=table.get("offline_s", 5.0),
        )
        return cls(
            bus, key=key, key_file=key_file, name=name, must_work=table.get("must_work", True)
        )

    @property
    def signal(self) -> PanelSignal:
        """What the panel wants shown to the person: lamp and buzzer."""
        return self._panel.signal

    def handle(self, output: Decision | Alarm) -> None:
        """Show the panel the card of an opening decision, and the tamper contact's state.

        Raises
        ------
        ActuatorError
            The panel is gone, or the person has no card that fits its format. Nothing was sent.
        """
        if isinstance(output, Alarm):
            if output.kind == "tamper":
                self._panel.report_tamper(output.active)
            return
        # The exit button is wired to the panel where a panel opens: it is not a card.
        if not output.opens or output.reason is Reason.EXIT_REQUEST:
            return
        if output.card is None:
            raise ActuatorError(
                f"{self.name}: the person has no card number, so the panel was told nothing; set "
                "one in the gallery"
            )
        problem = self.fault()
        if problem:
            raise ActuatorError(f"{problem}; the panel was told nothing")
        try:
            frame(output.card, bits=self._bus.card_bits)
        except ValueError as error:
            raise ActuatorError(f"{self.name}: {error}; the panel was told nothing") from error
        self._panel.send_card(output.card, decided_at=self._clock())

    def fault(self) -> str | None:
        """Return why the panel would not get a card now, or None."""
        problem = self._panel.fault()
        return problem and f"{self.name}: {problem}"

    def delays_s(self) -> tuple[float, ...]:
        """Return how long each of the last cards took from `handle` to the panel, seconds."""
        return self._panel.delays_s()

    @property
    def expired(self) -> int:
        """How many cards were dropped because the panel did not fetch them in time."""
        return self._panel.expired

    def close(self) -> None:
        """Drop cards that wait, and give the line back."""
        self._panel.close()

    def _store_key(self, key: bytes) -> bool:
        """Keep a key that the panel sets, if it is one."""
        if key == _DEFAULT_KEY or len(set(key)) == 1 or self._key_file is None:
            return False
        try:
            with replacing(self._key_file, mode=0o600) as temporary:
                temporary.write_text(key.hex() + "\n", encoding="ascii")
        except OSError:  # the panel is not told that we have it
            return False
        self._set_key = key
        return True


def _key_settings(
    table: Mapping[str, Any], *, base: Path, name: str
) -> tuple[bytes | None, Path | None]:
    """Return the key, and where one that the panel sets goes."""
    if not table.get("secure_channel", True):
        if "key_file" in table:
            raise DoorError(f"{name}: key_file and secure_channel = false exclude each other")
        return None, None
    if "key_file" not in table:
        raise DoorError(
            f"{name}: without key_file there is no secure channel; give the panel's key (SCBK), or "
            "say secure_channel = false where nobody can reach the line"
        )
    if table.get("install", False):
        place = _writable_place(table["key_file"], base=base, name=name)
        if not place.exists():
            return None, place
    found = _KEY.fullmatch(sender_settings.secret_setting(table, "key_file", base=base))
    if not found:
        raise DoorError(f"key_file of {name}: expected 32 hex digits, 16 bytes")
    return bytes.fromhex(found[1].decode("ascii")), None


def _writable_place(text: str, *, base: Path, name: str) -> Path:
    try:
        return secret_path(text, base=base)
    except ValueError as error:
        raise DoorError(f"key_file of {name}: {error}") from error


def _require_key(key: bytes, *, name: str) -> None:
    if len(key) != 16:
        raise DoorError(f"key of {name}: found {len(key)} bytes, expected 16")
    if key == _DEFAULT_KEY or len(set(key)) == 1:
        raise DoorError(
            f"key of {name} is one that everybody knows; make one: openssl rand -hex 16, and set "
            "it in the panel"
        )
