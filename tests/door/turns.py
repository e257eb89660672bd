"""A door whose turns a test takes itself: a clip for its camera, a lock that remembers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edgeface.door.actuator import Actuator
from edgeface.door.assemble import open_log, open_models, open_people, perceive_and_decide
from edgeface.door.camera import Camera
from edgeface.door.clock import Clock
from edgeface.door.config import read_config
from edgeface.door.event import Alarm, Decision, Event, ExitRequest, Maintenance, Moment
from edgeface.door.notify import Notifier
from edgeface.door.run import Door
from edgeface.errors import ActuatorError
from tests.door.doorstep import make_doorstep


class Bolt(Actuator):
    """A lock that remembers what it was told, and fails when it is to."""

    def __init__(self, name: str = "bolt", *, must_work: bool = True) -> None:
        self.name, self.must_work = name, must_work
        self.told: list[Decision | Alarm] = []
        self.broken = False
        self.pressed = False
        self.turned: list[bool] = []  # a key switch
        self.look: Callable[[Decision | Alarm], None] = lambda output: None

    def handle(self, output: Decision | Alarm) -> None:
        self.look(output)
        if self.broken and isinstance(output, Decision) and output.opens:
            raise ActuatorError(f"{self.name} is stuck")
        self.told.append(output)

    def poll(self, moment: Moment) -> tuple[Event, ...]:
        pressed, self.pressed = self.pressed, False
        turned, self.turned = self.turned, []
        keys = [Maintenance(moment, on, f"switch of {self.name}") for on in turned]
        return (*[ExitRequest(moment)] * pressed, *keys)

    def fault(self) -> str | None:
        return f"{self.name} is stuck" if self.broken else None

    def close(self) -> None:
        """Nothing is held."""

    @property
    def opened(self) -> list[Decision]:
        return [told for told in self.told if isinstance(told, Decision) and told.opens]


@dataclass
class Parts:
    """An open door, and what it is made of."""

    door: Door
    bolt: Bolt
    others: Sequence[Bolt] = field(default_factory=tuple)
    pipeline: object = None
    folder: Path = Path()

    def turns(self, count: int = 1000) -> list:
        """Let it work; return what it decided until the clip's end."""
        outputs: list = []
        for _ in range(count):
            found = self.door.turn()
            if found is None:
                break
            outputs += found
        return outputs


@contextmanager
def open_parts(folder, pipeline, portrait, clip, others, settings) -> Iterator[Parts]:
    """Open a door with somebody enrolled, in a new folder."""
    file = make_doorstep(folder, pipeline, portrait, source=f'"{clip}"', **settings)
    config = read_config(file)
    bolt = Bolt()
    with ExitStack() as stack:
        models = stack.enter_context(open_models(config))
        gallery = stack.enter_context(open_people(config, models))
        camera = Camera.from_settings(config.table("camera"), base=folder, realtime=False)
        stack.enter_context(camera)
        clock = Clock(trust_clock=True, monotonic=camera.now, wall=lambda: 1.8e9 + camera.now())
        door = Door(
            camera=camera,
            clock=clock,
            gallery=gallery,
            actuators=[*others, bolt],
            audit=stack.enter_context(open_log(config, models, clock)),
            notifier=Notifier(None),
            **perceive_and_decide(config, models, gallery),
        )
        yield Parts(door, bolt, others, models, folder)


def log_of(folder: Path) -> list[dict]:
    """The log's entries, oldest first."""
    files = sorted((folder / "audit").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def logged(folder: Path, kind: str) -> list[dict]:
    """Those of one kind."""
    return [entry for entry in log_of(folder) if entry["kind"] == kind]
