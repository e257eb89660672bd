"""One session with a panel, by libosdp; only the thread that made it may use it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeface.door.event import Card
from edgeface.door.wiegand_frame import frame
from edgeface.errors import ActuatorError, DoorError

INSTALL = "pip install 'edgeface[door]'"
_OK = 0  # libosdp's completion status: the reply that carries the event was written
_COLOURS = ("black", "red", "green", "amber", "blue", "magenta", "cyan", "white")
_SILENT = (0, 1)  # buzzer control codes: none, off


@dataclass(frozen=True)
class PanelSignal:
    """What the panel wants shown to the person at the door.

    Attributes
    ----------
    colour
        Of the lamp: "black" (off), "red", "green", "amber", "blue", "magenta", "cyan", "white".
    buzzer
        Whether the buzzer is to sound.
    """

    colour: str = "black"
    buzzer: bool = False


class PanelSession:
    """A peripheral device on an open line: it answers the panel's polls.

    Parameters
    ----------
    line
        What libosdp reads frames from and writes answers to: `read`, `write`, `flush`, `id`. An
        exception in those would end the process.
    address
        Ours on the bus, 0 to 126.
    key
        The secure channel base key, 16 bytes; with it, nothing but the handshake is answered in
        the clear. None is an open line, or install mode.
    take_key
        Called with a key that the panel sets; says whether it is taken. None refuses.
    on_signal
        Called with what the panel wants shown.
    on_sent
        Called once for each card, in order: whether the panel got it.

    Raises
    ------
    DoorError
        libosdp is not installed.
    """

    def __init__(
        self,
        line: Any,
        *,
        address: int,
        key: bytes | None,
        take_key: Callable[[bytes], bool] | None,
        on_signal: Callable[[PanelSignal], None],
        on_sent: Callable[[bool], None],
    ) -> None:
        self._osdp = libosdp()
        self._take_key, self._on_signal, self._on_sent = take_key, on_signal, on_sent
        self._signal, self._tampered = PanelSignal(), False
        # As it is called back from C: an answer that is kept, because libosdp up to 3.2.9 gives
        # back a reference to its second part that it never took. See decision 0031.
        self._accepted, self._refused = (0, None), (-1, None)
        self._status = (0, {"command": self._osdp.Command.Status, "type": 0})
        self._device = self._opened(line, address, key)

    @property
    def secure(self) -> bool:
        """Whether the secure channel stands."""
        return bool(self._device.is_sc_active())

    def refresh(self) -> None:
        """Read what came, and answer it."""
        try:
            self._device.refresh()
        except SystemError as error:  # a message whose values libosdp's binding cannot convert
            raise ActuatorError(f"libosdp could not read a message: {error.__cause__}") from error

    def send_card(self, card: Card, *, bits: int) -> None:
        """Queue a card read for the panel's next poll; a ValueError when it does not fit."""
        text = frame(card, bits=bits)
        size = (bits + 7) // 8
        data = int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")
        event = {
            "event": self._osdp.Event.CardRead,
            "reader_no": 0,
            "direction": 0,
            "format": self._osdp.CardFormat.Wiegand,
            "length": bits,
            "data": data,
        }
        self._submit(event)

    def send_tamper(self, active: bool) -> None:
        """Queue a report that the housing is open, or closed again."""
        self._tampered = active
        report = bytes([active, 0])  # tamper, power failure
        kind = self._osdp.StatusReportType.Local
        self._submit({"event": self._osdp.Event.Status, "type": kind, "report": report})

    def forget(self) -> None:
        """Drop what the panel did not fetch; cards among it count as not sent."""
        self._device.flush_events()

    def _submit(self, event: dict[str, Any]) -> None:
        if not self._device.submit_event(event):
            raise ActuatorError("libosdp refused an event")

    def _opened(self, line: Any, address: int, key: bytes | None) -> Any:
        import osdp_sys

        osdp = self._osdp
        osdp_sys.set_loglevel(osdp.LogLevel.Emergency)
        flags = [osdp.LibFlag.EnforceSecure] if key else []
        if self._take_key is not None:
            flags.append(osdp.LibFlag.InstallMode)
        information = osdp.PDInfo(address, line, scbk=key, name="edgeface", flags=flags)
        one = {"compliance_level": 1, "num_items": 1}
        capability = osdp.Capability
        able = (capability.CardDataFormat, capability.LEDControl, capability.AudibleControl)
        device = osdp_sys.PeripheralDevice(
            information.get(), capabilities=[{"function_code": code, **one} for code in able]
        )
        device.set_command_callback(self._command)
        device.set_event_completion_callback(self._completed)
        return device

    def _command(self, command: dict[str, Any]) -> tuple[int, object]:
        """Answer a command; an exception in here would end the process."""
        try:
            answer = self._obey(command)
        except (KeyError, TypeError, ValueError, IndexError, OSError):
            answer = self._refused
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(answer[1]))
        return answer

    def _obey(self, command: dict[str, Any]) -> tuple[int, Any]:
        kinds, kind = self._osdp.Command, command["command"]
        if kind == kinds.LED:
            self._show(PanelSignal(_COLOURS[command["on_color"]], self._signal.buzzer))
        elif kind == kinds.Buzzer:
            self._show(PanelSignal(self._signal.colour, command["control_code"] not in _SILENT))
        elif kind == kinds.Status and command["type"] == self._osdp.StatusReportType.Local:
            return self._local_status(command["type"])
        elif kind == kinds.Keyset and self._take_key is not None:
            if not self._take_key(bytes(command["data"])):
                return self._refused
        else:  # outputs, texts, other addresses or speeds: not from here
            return self._refused
        return self._accepted

    def _local_status(self, kind: int) -> tuple[int, Any]:
        # The binding cannot carry the report, and answers "no tamper": then rather no answer.
        self._status[1]["type"] = kind
        return self._refused if self._tampered else self._status

    def _show(self, signal: PanelSignal) -> None:
        self._signal = signal
        self._on_signal(signal)

    def _completed(self, event: dict[str, Any], status: int) -> None:
        if event.get("event") == self._osdp.Event.CardRead:
            self._on_sent(status == _OK)


def libosdp() -> Any:
    """Return the module `osdp`; a DoorError with the install line where there is none."""
    try:
        import osdp
    except ImportError as error:
        raise DoorError(f"libosdp is not installed; run: {INSTALL}") from error
    return osdp
