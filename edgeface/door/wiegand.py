"""Wiegand output: the door shows a recognised person's card to an access panel, which decides.

docs/relay.md says how to wire D0 and D1. The frames are in `wiegand_frame`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeface.door.actuator import Actuator
from edgeface.door.event import Alarm, Decision, Event, Moment, Reason
from edgeface.door.relay_lines import CHIP, LINE, find_line
from edgeface.door.relay_link import Guard
from edgeface.door.wiegand_frame import frame
from edgeface.errors import ActuatorError

_LOG = logging.getLogger(__name__)
_WATCHDOG_S = 2.0

SETTINGS: dict[str, Any] = {
    "type": "object",
    "description": "Wiegand output to an access panel",
    "required": ["kind", "name", "chip", "d0", "d1"],
    "additionalProperties": False,
    "properties": {
        "kind": {"const": "wiegand", "description": "which actuator this is"},
        "name": {"type": "string", "minLength": 1, "maxLength": 24, "description": "for logs"},
        "chip": CHIP,
        "d0": {**LINE, "description": "D0, pulsed for a 0: " + LINE["description"]},
        "d1": {**LINE, "description": "D1, pulsed for a 1: " + LINE["description"]},
        "bits": {"enum": [26, 34], "description": "bits of a frame; default 26"},
        "active_low": {
            "type": "boolean",
            "description": "a pulse is a low level; default true. false behind a transistor, "
            "which turns it round.",
        },
        "drive": {
            "enum": ["push_pull", "open_drain", "open_source"],
            "description": 'how the pins drive; default "open_drain": the panel pulls up',
        },
        "pulse_us": {
            "type": "integer",
            "minimum": 50,
            "maximum": 100,
            "description": "length of a pulse, microseconds; default 70",
        },
        "interval_us": {
            "type": "integer",
            "minimum": 1000,
            "maximum": 2000,
            "description": "from one pulse's begin to the next one's, microseconds; default 2000",
        },
        "must_work": {
            "type": "boolean",
            "description": "the door is not used while this line fails; default true",
        },
    },
}


class Wiegand(Actuator):
    """Two lines that a guard process drives; opened by its constructor, which leaves them idle.

    Nobody is let in by a person without a card number, or with one that the format cannot carry:
    nothing is sent, `unsent` counts it and the log says so. It is no fault of this actuator's:
    one person's entry must not stop the door for everybody.

    Parameters
    ----------
    name
        For logs; the lines' user as the kernel shows it.
    chip, d0, d1, bits, active_low, drive, pulse_us, interval_us, must_work
        As in `SETTINGS`.

    Attributes
    ----------
    unsent
        How many decisions that open had no card to show.

    Raises
    ------
    ActuatorError
        A line cannot be had.
    """

    def __init__(
        self,
        name: str,
        *,
        chip: str,
        d0: int | str,
        d1: int | str,
        bits: int = 26,
        active_low: bool = True,
        drive: str = "open_drain",
        pulse_us: int = 70,
        interval_us: int = 2000,
        must_work: bool = True,
    ) -> None:
        self.name, self.must_work, self.unsent, self._bits = name, must_work, 0, bits
        path, offset0 = find_line(chip, d0)
        offset1 = find_line(chip, d1)[1]
        if offset0 == offset1:
            raise ActuatorError(f"{name}: d0 and d1 are both line {offset0}, expected two lines")
        settings = {
            "job": "wiegand",
            "chip": path,
            "lines": [offset0, offset1],
            "active_low": active_low,
            "drive": drive,
            "pulse_us": pulse_us,
            "interval_us": interval_us,
            "consumer": f"{name} wiegand",
        }
        self._guard = Guard(settings, name=name, watchdog_s=_WATCHDOG_S)
        if not self._guard.real_time:
            _LOG.warning(
                "%s: no real-time priority (SCHED_FIFO): on a busy board pulses may be longer than "
                "%d µs; systemd: LimitRTPRIO=50, RestrictRealtime=no",
                name,
                pulse_us,
            )

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> Wiegand:
        """Open it as its table of door.toml says.

        Raises
        ------
        ActuatorError
            A line cannot be had.
        """
        return cls(**{key: value for key, value in table.items() if key != "kind"})

    def handle(self, output: Decision | Alarm) -> None:
        """Send the card of a decision that opens.

        Returns when the guard has taken the frame, which then takes 26 or 34 intervals.

        Raises
        ------
        ActuatorError
            The guard did not take it.
        """
        if not isinstance(output, Decision) or not output.opens:
            return
        if output.reason is Reason.EXIT_REQUEST:  # nobody's card: the button is the panel's, too
            return
        if output.card is None:
            self._not_sent("no card number is set for who was let in")
            return
        try:
            bits = frame(output.card, bits=self._bits)
        except ValueError as error:
            self._not_sent(str(error))
            return
        self._guard.command("send", bits)

    def _not_sent(self, why: str) -> None:
        self.unsent += 1
        _LOG.warning("%s: %s: nothing was sent, the panel keeps the door shut", self.name, why)

    def poll(self, moment: Moment) -> tuple[Event, ...]:
        """Watch the guard; a panel reports nothing."""
        self._guard.beat()
        return ()

    @property
    def last_frame_us(self) -> tuple[int, int] | None:
        """Widest pulse and longest interval of the last frame, microseconds; None before one."""
        return self._guard.sent

    def fault(self) -> str | None:
        """Return what is wrong with the guard or its lines."""
        return self._guard.fault()

    def close(self) -> None:
        """Leave both lines idle and free them."""
        self._guard.close()
