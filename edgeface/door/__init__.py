"""The door: camera → track → liveness → decision → relay, and a log of it all.

`edgeface door --config door.toml` runs it; `docs/door.md` says how it is configured. A script needs
the names below; each is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeface.door.actuator import Actuator
    from edgeface.door.assemble import open_door
    from edgeface.door.callback import Callback
    from edgeface.door.config import read_config
    from edgeface.door.event import Alarm, Decision, Reason
    from edgeface.door.replay import simulate

__all__ = [
    "Actuator",
    "Alarm",
    "Callback",
    "Decision",
    "Reason",
    "open_door",
    "read_config",
    "simulate",
]

_HOME = {
    "Actuator": "actuator",
    "Alarm": "event",
    "Callback": "callback",
    "Decision": "event",
    "Reason": "event",
    "open_door": "assemble",
    "read_config": "config",
    "simulate": "replay",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'edgeface.door' has no attribute {name!r}")
    return getattr(importlib.import_module(f"edgeface.door.{_HOME[name]}"), name)
