"""A clip replayed through a door's eyes and rules; no relay moves, no log is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from edgeface.door.assemble import (
    open_camera,
    open_models,
    open_people,
    perceive_and_decide,
)
from edgeface.door.clock import Clock
from edgeface.door.config import DoorConfig
from edgeface.door.event import Output, Tick
from edgeface.door.notify import Notifier
from edgeface.door.run import Door

_AFTERWARDS_S = 60.0  # longer than any visit, so that the last one is decided


def simulate(config: DoorConfig, clip: str | Path, *, begins: datetime) -> Iterator[Output]:
    """Yield what the door would have decided, had it seen a clip; the same every time.

    Parameters
    ----------
    config
        The door's. Its models, gallery, camera settings and rules are used.
    clip
        A video file or a folder of photos; every frame is looked at.
    begins
        When the clip begins, aware: schedules and expiry go by it.

    Raises
    ------
    EdgeFaceError
        A part cannot be opened, or the clip cannot be read.
    """
    with ExitStack() as opened:
        pipeline = opened.enter_context(open_models(config))
        gallery = opened.enter_context(open_people(config, pipeline))
        camera = opened.enter_context(open_camera(config, clip=str(Path(clip).absolute())))
        parts = perceive_and_decide(config, pipeline, gallery)
        clock = Clock(
            trust_clock=True,
            monotonic=camera.now,
            wall=lambda: begins.timestamp() + camera.now(),
        )
        door = Door(
            camera=camera,
            clock=clock,
            gallery=gallery,
            actuators=(),
            audit=None,
            notifier=Notifier(None),
            **parts,
        )
        while (outputs := door.turn()) is not None:
            yield from outputs
        end = clock.moment()
        yield from parts["engine"].step(Tick(replace(end, monotonic=end.monotonic + _AFTERWARDS_S)))
