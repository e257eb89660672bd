"""The agent's side of roll-outs: it may change nothing on this board but the gallery.

So it hands on what the site asks for, in a file, to a process of the machine's owner
(``edgeface agent --rollouts``), and tells the site what that one's state file says.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeface.agent.fleet_state import read_state, same_step
from edgeface.agent.part import Part
from edgeface.container import replacing
from edgeface.errors import SiteError
from edgeface.schema import JsonError, first_problem, parse_json
from edgeface.site.wire import checked
from edgeface.site.wire_task import TASK

_LIMIT_BYTES = 65536
_NOBODY = "nobody here has begun: is edgeface-rollouts.service running?"
_NONE = "this door takes no roll-outs: its agent.toml has no [fleet]"


class FleetDesk(Part):
    """The part of an agent that hands roll-outs on, and tells what becomes of them.

    Parameters
    ----------
    order
        The file in which what the site asks for is handed on.
    state
        The state file of who does it; None where this door takes no roll-outs.
    """

    name = "fleet"

    def __init__(self, order: Path, *, state: Path | None) -> None:
        self._order, self._state = order, state
        self._asked: Mapping[str, Any] | None = None
        self._written: str | None = None

    def start(self) -> None:
        """Nothing: it has no thread."""

    def take(self, answer: Mapping[str, Any]) -> None:
        """Hand ``task`` on, where it is another one than before.

        Raises
        ------
        SiteError
            It is no task, or cannot be written down.
        """
        task = answer["task"]
        if task is not None:
            checked(task, TASK, what="task")
        self._asked = task
        text = json.dumps(task)
        if self._state is None or text == self._written:
            return
        try:
            with replacing(self._order, mode=0o600) as temporary:
                temporary.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SiteError(f"{self._order} cannot be written: {error.strerror}") from error
        self._written = text

    def status(self) -> dict[str, Any]:
        """Return ``task``: what becomes of the step that is asked for, else of the last one."""
        asked = self._asked
        state = None if self._state is None else read_state(self._state)
        if state is not None and (asked is None or same_step(asked, state.task)):
            return {"task": state.report()}
        if asked is None:
            return {}
        told = {name: asked[name] for name in ("rollout", "action")}
        if self._state is None:
            return {"task": {**told, "state": "failed", "text": _NONE}}
        return {"task": {**told, "state": "working", "text": _NOBODY}}

    def close(self) -> None:
        """Nothing: it has no thread."""


def read_order(path: Path) -> dict[str, Any] | None:
    """Return what is handed on in a file: a task, or None; also where it is no such file.

    Whoever writes it has fewer rights than who reads it: no link is followed, nothing blocks.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            found = parse_json(stream.read(_LIMIT_BYTES))
    except (OSError, JsonError):
        return None
    return None if first_problem(found, TASK) else found
