"""A relay on a GPIO line, and inputs beside it: contact, exit, tamper, duress, maintenance.

docs/relay.md says how to wire them, and which failure leaves the door how.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeface.door.actuator import Actuator
from edgeface.door.event import (
    Alarm,
    Decision,
    DoorContact,
    Duress,
    Event,
    ExitRequest,
    Maintenance,
    Moment,
    Tamper,
)
from edgeface.door.relay_lines import CHIP, LINE, Input, InputLine, find_line, input_schema
from edgeface.door.relay_link import Guard
from edgeface.errors import ActuatorError

# Of each input: which level is "active" unless its table says otherwise. Contacts that are closed
# to ground in peace, so that a cut wire reads as open; buttons close to ground when pressed.
_ACTIVE_LOW = {
    **{"contact": False, "exit": True, "tamper": False, "duress": True},
    "maintenance": True,
}
_MEANING = {
    "contact": ("the door's contact", "the door is open"),
    "exit": ("the exit button (request to exit)", "it is pressed"),
    "tamper": ("the housing's contact", "the housing is open"),
    "duress": ("a silent alarm button", "it is pressed"),
    "maintenance": ("a key switch: while it is turned no face opens", "it is turned"),
}

SETTINGS: dict[str, Any] = {
    "type": "object",
    "description": "relay on a GPIO line",
    "required": ["kind", "name", "chip", "line", "fail"],
    "additionalProperties": False,
    "properties": {
        "kind": {"const": "relay", "description": "which actuator this is"},
        "name": {"type": "string", "minLength": 1, "maxLength": 24, "description": "for logs"},
        "chip": CHIP,
        "line": LINE,
        "active_low": {
            "type": "boolean",
            "description": "the relay is energised by a low level; default false",
        },
        "drive": {
            "enum": ["push_pull", "open_drain", "open_source"],
            "description": 'how the pin drives; default "push_pull"',
        },
        "fail": {
            "enum": ["secure", "safe"],
            "description": "secure: the relay is energised to open, and the door is locked without "
            "power. safe: it is energised to hold the door locked, and the door is open without "
            "power.",
        },
        "max_pulse_s": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 600,
            "description": "seconds after which the door is locked again, whatever was decided "
            "meanwhile; default 10",
        },
        "watchdog_s": {
            "type": "number",
            "minimum": 0.2,
            "maximum": 60,
            "description": "seconds without a sign of the door's loop after which an open door is "
            "locked; default 2",
        },
        "must_work": {
            "type": "boolean",
            "description": "the door is not used while this relay fails; default true",
        },
        **{
            name: input_schema(what, active=active, active_low=_ACTIVE_LOW[name])
            for name, (what, active) in _MEANING.items()
        },
    },
}


class Relay(Actuator):
    """A relay that a guard process drives; opened by its constructor, which locks the door.

    Parameters
    ----------
    name
        For logs; what the kernel shows as the lines' user begins with it.
    chip, line, active_low, drive, fail, max_pulse_s, watchdog_s, must_work
        As in `SETTINGS`.
    inputs
        "contact", "exit", "tamper", "duress", "maintenance": those there are.

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
        line: int | str,
        fail: str,
        active_low: bool = False,
        drive: str = "push_pull",
        max_pulse_s: float = 10.0,
        watchdog_s: float = 2.0,
        must_work: bool = True,
        inputs: Mapping[str, InputLine] | None = None,
    ) -> None:
        self.name, self.must_work = name, must_work
        self._max_pulse_s = max_pulse_s
        self._inputs: dict[str, Input] = {}
        self._input_faults: dict[str, str] = {}
        path, offset = find_line(chip, line)
        settings = {
            "job": "relay",
            "chip": path,
            "lines": [offset],
            "active_low": active_low,
            "drive": drive,
            "locked": {"secure": 0, "safe": 1}[fail],
            "max_pulse_s": max_pulse_s,
            "consumer": f"{name} relay",
        }
        self._guard = Guard(settings, name=name, watchdog_s=watchdog_s)
        try:
            for part, where in (inputs or {}).items():
                self._inputs[part] = Input(where, consumer=f"{name} {part}")
        except ActuatorError:
            self.close()
            raise
        self._polled: set[str] = set()

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> Relay:
        """Open it as its table of door.toml says.

        Raises
        ------
        ActuatorError
            A line cannot be had.
        """
        inputs = {
            part: InputLine.from_settings(table[part], chip=table["chip"], active_low=low)
            for part, low in _ACTIVE_LOW.items()
            if part in table
        }
        own = {key: value for key, value in table.items() if key not in {"kind", *_ACTIVE_LOW}}
        return cls(**own, inputs=inputs)

    def handle(self, output: Decision | Alarm) -> None:
        """Release the door for `pulse_s` of a decision that opens, at most for `max_pulse_s`.

        Raises
        ------
        ActuatorError
            The guard did not confirm that the line changed; the door was locked.
        """
        if not isinstance(output, Decision) or not output.opens:
            return
        if not output.pulse_s > 0:
            raise ActuatorError(
                f"{self.name}: a decision that opens for {output.pulse_s} s, expected more than 0; "
                "the door stays locked"
            )
        seconds = min(output.pulse_s, self._max_pulse_s)
        self._guard.command("open", repr(float(seconds)), ends_s=seconds)

    def lock(self) -> None:
        """End the pulse now.

        Raises
        ------
        ActuatorError
            The guard did not confirm; it was ended, and another one locks the door.
        """
        self._guard.command("lock", "")

    def poll(self, moment: Moment) -> tuple[Event, ...]:
        """Return what the inputs did since the last call; the first time, how the door stands.

        It is also the sign that the door's loop runs: call it at least four times per
        `watchdog_s`.
        """
        self._guard.beat()
        events: list[Event] = []
        for part, line in self._inputs.items():
            try:
                changes = line.changes()
            except OSError as error:
                self._input_faults[part] = f"{part}: cannot be read: {error}"
                continue
            self._input_faults.pop(part, None)
            if part not in self._polled:
                self._polled.add(part)
                changes = _first_changes(part, changes)
            events.extend(_events(part, changes, moment, by=self.name))
        return tuple(events)

    def fault(self) -> str | None:
        """Return what is wrong: the guard, an input that cannot be read, a loose wire."""
        loose = [f"{part}: {line.problem}" for part, line in self._inputs.items() if line.problem]
        faults = [self._guard.fault(), *self._input_faults.values(), *loose]
        return "; ".join(fault for fault in faults if fault) or None

    def close(self) -> None:
        """Lock the door and free the lines."""
        self._guard.close()
        for line in self._inputs.values():
            line.close()


def _first_changes(part: str, changes: list[bool]) -> list[bool]:
    if part == "exit":
        return []  # held, or its wire is shorted, since before we looked: nobody asks now
    return changes or [False] if part == "contact" else changes


def _events(part: str, changes: list[bool], moment: Moment, *, by: str) -> list[Event]:
    if part == "contact":
        return [DoorContact(moment, open=state) for state in changes]
    if part == "tamper":
        return [Tamper(moment, active=state) for state in changes]
    if part == "maintenance":
        return [Maintenance(moment, on=state, by=f"switch of {by}") for state in changes]
    # A button that is held or bounces is one request.
    kind = ExitRequest if part == "exit" else Duress
    return [kind(moment)] if any(changes) else []
