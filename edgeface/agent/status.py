"""How a door is, for its site: `edgeface.site.wire.STATUS`."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import edgeface
from edgeface.board_sensors import Sensors
from edgeface.bundle import Bundle
from edgeface.door.clock import Clock
from edgeface.errors import BoardError, SiteError
from edgeface.schema import JsonError, parse_json

_SLOT = Path("/opt/edgeface/current")
_ANSWER_LIMIT_BYTES = 1 << 16
_TIMEOUT_S = 2.0
_TEXT_LIMIT = 500
_FIGURES = ("frames_per_s", "latency_p50_ms", "latency_p95_ms", "memory_mb")


def ask_window(path: Path) -> dict[str, Any]:
    """Return what the running door says of itself by its local socket.

    Raises
    ------
    SiteError
        It does not answer: the door is not running, or is busy opening its models.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(_TIMEOUT_S)
            door.connect(str(path))
            door.sendall(json.dumps({"want": "status"}).encode("ascii") + b"\n")
            with door.makefile("rb") as answer:
                line = answer.readline(_ANSWER_LIMIT_BYTES)
        found = parse_json(line)
    except (OSError, JsonError) as error:
        raise SiteError(f"the door does not answer at {path}: {error}") from error
    if not isinstance(found, dict):
        raise SiteError(f"the door's answer at {path} is no status")
    return found


class DoorStatus:
    """Gathers how the door is. For one thread.

    Parameters
    ----------
    bundle
        The door's.
    clock
        By the door's settings.
    window
        Where the running door answers; None: it is not asked.
    """

    def __init__(self, bundle: Bundle, *, clock: Clock, window: Path | None) -> None:
        self._bundle, self._clock, self._window = bundle, clock, window
        self._sensors = _sensors()

    def tell(
        self,
        *,
        config: str,
        rules: int | None,
        people: int,
        faults: Mapping[str, str],
        more: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the status now.

        Parameters
        ----------
        config
            Digest of the door's settings.
        rules
            Number of the site's rules that were handed to the door.
        faults
            What the agent knows of, by part.
        more
            Other fields of the status.
        """
        door, said = self._door()
        version, clock = door.get("rules", rules), door.get("clock")
        status = {
            "edgeface": edgeface.__version__,
            "bundle": f"{self._bundle.name} {self._bundle.version}"[:_TEXT_LIMIT],
            "model_id": self._bundle.model_id,
            "config": config,
            "rules": version if version is None or isinstance(version, int) else rules,
            "people": people,
            "clock": clock if isinstance(clock, str) else self._clock.quality(),
            "faults": {**_texts(door.get("faults")), **said, **faults},
            "temperature_c": self._temperature(),
            **{name: door[name] for name in _FIGURES if name in door and _is_figure(door[name])},
            **more,
        }
        slot = _slot()
        return {**status, "slot": slot} if slot else status

    def _door(self) -> tuple[dict[str, Any], dict[str, str]]:
        if self._window is None:
            return {}, {}
        try:
            return ask_window(self._window), {}
        except SiteError as error:
            return {}, {"door": str(error)}

    def _temperature(self) -> float | None:
        if self._sensors is None:
            return None
        return max(self._sensors.sample().temperatures_c.values(), default=None)


def _sensors() -> Sensors | None:
    try:
        return Sensors()
    except BoardError:
        return None


def _is_figure(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _texts(faults: object) -> dict[str, str]:
    if not isinstance(faults, dict):
        return {}
    return {part: str(text)[:_TEXT_LIMIT] for part, text in faults.items()}


def _slot() -> str:
    try:
        return os.path.basename(os.readlink(_SLOT))
    except OSError:
        return ""
