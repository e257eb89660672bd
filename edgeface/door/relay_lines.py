"""GPIO lines by the names that people give them, and inputs with their edges, through gpiod."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any

from edgeface.errors import ActuatorError

CHIP = {
    "type": "string",
    "minLength": 1,
    "description": "GPIO chip: its label ('gpiodetect' lists them), or a path such as "
    "/dev/gpiochip0. Labels stay the same when chips are numbered otherwise.",
}
LINE = {
    "type": ["integer", "string"],
    "minimum": 0,
    "minLength": 1,
    "description": "line of the chip: its offset, or its name where the board names it",
}
_BIASES = ("as_is", "disabled", "pull_up", "pull_down")
_WATCH_S = 0.06  # three periods of 50 Hz: what a loose wire picks up
_MOST_EDGES = 64
_LOOSE = 3  # changes of a line in that time which no contact makes
_DEVICES = "/dev"


def input_schema(what: str, *, active: str, active_low: bool) -> dict[str, Any]:
    """Return the settings of an input: what it is, what "active" means, which level that is."""
    level = "low" if active_low else "high"
    return {
        "type": "object",
        "description": f"input of {what}",
        "required": ["line"],
        "additionalProperties": False,
        "properties": {
            "chip": {**CHIP, "description": CHIP["description"] + " Default: the relay's."},
            "line": LINE,
            "active_low": {
                "type": "boolean",
                "description": f"the line is low when {active}; default {str(active_low).lower()}: "
                f"{level}",
            },
            "bias": {
                "enum": list(_BIASES),
                "description": 'resistor inside the chip; default "pull_up"',
            },
            "debounce_s": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "seconds for which a level must hold to count; default 0.02",
            },
        },
    }


@dataclass(frozen=True)
class InputLine:
    """Where an input is and how it is read; fields as in `input_schema`."""

    chip: str
    line: int | str
    active_low: bool
    bias: str = "pull_up"
    debounce_s: float = 0.02

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, chip: str, active_low: bool) -> InputLine:
        """Return it from its table; ``chip`` and ``active_low`` where the table has none."""
        return cls(**{"chip": chip, "active_low": active_low, **table})


def load_gpiod() -> ModuleType:
    """Return the gpiod package.

    Raises
    ------
    ActuatorError
        It is not installed.
    """
    try:
        import gpiod
    except ImportError as error:
        raise ActuatorError(
            f"gpiod cannot be imported ({error}): pip install 'edgeface[door]'"
        ) from error
    return gpiod


def find_line(chip: str, line: int | str) -> tuple[str, int]:
    """Return a chip's path and a line's offset in it.

    Raises
    ------
    ActuatorError
        There is no such chip or line, two chips have this label, or it may not be opened.
    """
    gpiod = load_gpiod()
    path = _chip_path(chip)
    try:
        with gpiod.Chip(path) as opened:
            return path, opened.line_offset_from_id(line)
    except (OSError, ValueError) as error:
        raise ActuatorError(
            f"GPIO chip {chip} ({path}), line {line!r}: {error}; 'gpioinfo' lists lines, and "
            "70-edgeface.rules gives chips to group dialout"
        ) from error


def _chip_path(chip: str) -> str:
    gpiod = load_gpiod()
    if chip.startswith("/"):
        return chip
    found, labels = [], []
    names = sorted(name for name in os.listdir(_DEVICES) if name.startswith("gpiochip"))
    for path in (os.path.join(_DEVICES, name) for name in names):
        try:
            with gpiod.Chip(path) as opened:
                info = opened.get_info()
        except OSError as error:
            labels.append(f"{path} ({error.strerror})")
            continue
        labels.append(info.label)
        if chip in (info.label, info.name):
            found.append(path)
    if len(found) != 1:
        raise ActuatorError(
            f"{len(found)} GPIO chips are called {chip!r}, expected one; there are: "
            f"{', '.join(labels) or 'none'}; name one of these, or a path"
        )
    return found[0]


class Input:
    """One input line. Opened by its constructor; `close` it.

    Parameters
    ----------
    settings
        Where it is.
    consumer
        What the kernel shows as the line's user.

    Raises
    ------
    ActuatorError
        The line cannot be had.
    """

    def __init__(self, settings: InputLine, *, consumer: str) -> None:
        self._settings, self._consumer = settings, consumer
        self._path, self._line = find_line(settings.chip, settings.line)
        self._last = False
        self.problem = self._loose()
        self._request = self._open(timedelta(seconds=settings.debounce_s))

    def _open(self, debounce: timedelta) -> Any:
        gpiod = load_gpiod()
        wanted = gpiod.LineSettings(
            direction=gpiod.line.Direction.INPUT,
            edge_detection=gpiod.line.Edge.BOTH,
            bias=gpiod.line.Bias[self._settings.bias.upper()],
            active_low=self._settings.active_low,
            debounce_period=debounce,
        )
        try:
            return gpiod.request_lines(
                self._path, config={self._line: wanted}, consumer=self._consumer
            )
        except OSError as error:
            raise ActuatorError(
                f"{self._consumer}: line {self._settings.line!r} of {self._path} cannot be used "
                f"as an input: {error}; 'gpioinfo' says who uses it"
            ) from error

    def _loose(self) -> str | None:
        """Watch the bare line for a moment: a wire that hangs in the air does not keep still."""
        with self._open(timedelta()) as request:
            time.sleep(_WATCH_S)
            changes = len(_edges(request))
        if changes < _LOOSE:
            return None
        return f"changed {changes} times in {_WATCH_S} s when nobody touched it: is a wire loose?"

    def changes(self) -> list[bool]:
        """Return the states since the last call, without repeats; the last one is the state now.

        Before the first call the state counts as inactive. Edges that the kernel dropped show in
        the last state.

        Raises
        ------
        OSError
            The chip is gone.
        """
        states = _edges(self._request)
        states.append(bool(self._request.get_value(self._line).value))
        before = [self._last, *states[:-1]]
        self._last = states[-1]
        return [state for earlier, state in zip(before, states) if state != earlier]

    def close(self) -> None:
        """Release the line. Closing twice is harmless."""
        self._request.release()


def _edges(request: Any) -> list[bool]:
    """Return the edges that wait, True for one that became active; bounded, they may pour in."""
    rising = load_gpiod().EdgeEvent.Type.RISING_EDGE
    states: list[bool] = []
    while len(states) < _MOST_EDGES and request.wait_edge_events(0):
        events = request.read_edge_events()
        if not events:
            raise OSError("the chip was removed")
        states.extend(event.event_type is rising for event in events)
    return states
