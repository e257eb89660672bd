"""A running door as a process: real models, gallery, rules and log; the camera is a stage.

It reads commands from its standard input, a JSON object a line, and says what happens on its
standard output in the same way.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.door.assemble import open_log, open_models, open_people, perceive_and_decide
from edgeface.door.camera_frame import Frame, NoFrameYet
from edgeface.door.clock import Clock, Network
from edgeface.door.config import read_config
from edgeface.door.event import Decision
from edgeface.door.notify import Notifier
from edgeface.door.run import Door
from tests.door.doorstep import visit
from tests.portraits import grace_hopper

_FRAME_S = 0.1


class Stage:
    """A camera before which somebody steps when told to. Its time can be moved on."""

    def __init__(self) -> None:
        self._frames: deque[np.ndarray] = deque()
        self._later = 0.0
        self._index = 0

    @property
    def empty(self) -> bool:
        return not self._frames

    def now(self) -> float:
        return time.monotonic() + self._later

    def wall(self) -> float:
        return time.time() + self._later

    def pass_time(self, seconds: float) -> None:
        """So much time is over, on both clocks."""
        self._later += seconds

    def put(self, frames: Any) -> None:
        self._frames.extend(frames)

    def read(self, *, timeout_s: float) -> Frame:
        if not self._frames:
            time.sleep(min(timeout_s, 0.02))
            raise NoFrameYet("nobody there")
        self.pass_time(_FRAME_S)
        self._index += 1
        return Frame(self._frames.popleft(), self.now(), self._index, 0)


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201


class Worker:
    """The door's loop, with somebody who tells it what happens before it."""

    def __init__(self, door: Door, parts: dict[str, Any], stage: Stage) -> None:
        self._door, self._engine, self._stage = door, parts["engine"], stage
        self._subjects: Any = None
        self._visiting = False
        self._commands: deque[dict[str, Any] | None] = deque()
        threading.Thread(target=self._listen, daemon=True).start()

    def run(self) -> None:
        while self._obey():
            for output in self._door.turn() or ():
                if isinstance(output, Decision):
                    say(opens=output.opens, reason=output.reason.value, person=output.person)
            self._tell_people()
            if self._visiting and self._stage.empty:
                self._stage.pass_time(20.0)  # the visit is over, and the cool-down after it
                self._door.turn()
                self._visiting = False
                say(visited=True)

    def _tell_people(self) -> None:
        subjects = self._engine.state.subjects
        if subjects is not self._subjects:
            self._subjects = subjects
            say(people={name: s.blocked for name, s in subjects.items()}, at=time.time())

    def _listen(self) -> None:
        self._commands.extend(json.loads(line) for line in sys.stdin)
        self._commands.append(None)

    def _obey(self) -> bool:
        while self._commands:
            command = self._commands.popleft()
            if command is None:
                return False
            if "pass_s" in command:
                self._stage.pass_time(command["pass_s"])
            if "visit" in command:
                self._stage.put(visit(grace_hopper(), frames=command["visit"]))
                self._visiting = True
        return True


def main(folder: Path) -> None:
    config = read_config(folder / "door.toml")
    stage = Stage()
    clock = Clock(
        trust_clock=True,
        monotonic=stage.now,
        wall=stage.wall,
        network=lambda: Network(now=True, ever=True),
    )
    with open_models(config) as models, open_people(config, models) as gallery:
        with open_log(config, models, clock) as audit:
            parts = perceive_and_decide(config, models, gallery)
            door = Door(
                camera=stage,
                clock=clock,
                gallery=gallery,
                actuators=(),
                audit=audit,
                notifier=Notifier(None),
                **parts,
            )
            say(ready=True)
            Worker(door, parts, stage).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
