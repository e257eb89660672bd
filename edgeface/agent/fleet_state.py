"""What is being done of a roll-out: a file, so that it goes on after a process's end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgeface.container import replacing
from edgeface.schema import first_problem
from edgeface.site.wire_task import TASK

_TEXT_LIMIT = 500
_TEXT = {"type": "string"}
_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["task", "phase", "text", "before", "notes", "why", "result", "tries", "life"],
    "properties": {
        "task": TASK,
        "phase": {"enum": ["fetch", "apply", "settle", "renew", "back", "done", "failed"]},
        "text": _TEXT,
        "before": {"type": ["object", "null"]},
        "notes": {"type": ["object", "null"]},
        "why": _TEXT,
        "result": _TEXT,
        "tries": {"type": "integer"},
        "life": _TEXT,
    },
}


@dataclass(frozen=True)
class FleetState:
    """A task and how far it is.

    Attributes
    ----------
    task
        As `edgeface.site.wire_task.TASK`.
    phase
        What is to be done next; "done" and "failed": nothing.
    text
        What people are told of it.
    before
        The door's status before anything changed.
    notes
        What the way back needs; of the kind's own.
    why
        Why it goes back, or what is said at the end.
    result
        "done" or "failed" after the phase "renew".
    tries
        How often the present phase was begun.
    life
        The process that began the phase "renew".
    """

    task: Mapping[str, Any]
    phase: str = "fetch"
    text: str = ""
    before: Mapping[str, Any] | None = None
    notes: Mapping[str, Any] | None = None
    why: str = ""
    result: str = ""
    tries: int = 0
    life: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.phase in ("done", "failed")

    def to(self, phase: str, text: str, **changes: Any) -> FleetState:
        """Return the state in its next phase, or in the same one with another text."""
        tries = self.tries if phase == self.phase else 0
        return replace(self, phase=phase, text=text[:_TEXT_LIMIT], **{"tries": tries, **changes})

    def report(self) -> dict[str, Any]:
        """Return it as `edgeface.site.wire_task.TASK_REPORT`."""
        told = {name: self.task[name] for name in ("rollout", "action")}
        return {**told, "state": self.phase if self.ended else "working", "text": self.text}


def same_step(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two tasks are the same step of the same roll-out.

    A site that was put back from a backup gives a number again, to another file.
    """
    return all(one[name] == other[name] for name in ("rollout", "action", "sha256"))


def read_state(path: Path) -> FleetState | None:
    """Return the state in a file, or None: there is none, or it is damaged.

    A damaged one reads as nothing: the site asks for its step again.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return None if first_problem(found, _SCHEMA) else FleetState(**found)


def write_state(path: Path, state: FleetState) -> None:
    """Write the state, for the agent to read; it is on the disk when this returns."""
    with replacing(path, mode=0o644) as temporary:
        temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")
