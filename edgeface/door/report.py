"""What a running door tells of itself and of what it sees: to its window and its actuators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from edgeface.door.actuator import Actuator
from edgeface.door.event import Decision, Moment, Output
from edgeface.door.health import Health, memory_mb
from edgeface.door.window import Picture, Watching

if TYPE_CHECKING:
    from edgeface.door.camera_frame import Frame
    from edgeface.door.perceive import Perception
    from edgeface.door.window import Window

_TELL_S = 30.0


class Report:
    """Keeps figures of the door, and shows what it sees to those who watch.

    Parameters
    ----------
    window
        Who watches; None: nobody can.
    """

    def __init__(self, window: Window | None) -> None:
        self._window = window
        self._health = Health()
        self._tell_at = 0.0
        self._frame: Frame | None = None
        self._decision: Decision | None = None

    def looked(self, frame: Frame) -> None:
        """Take the frame that is being decided on."""
        self._frame = frame

    def decided(self, outputs: Iterable[Output], perception: Perception, moment: Moment) -> None:
        """Note that the engine has decided on that frame, by now, and let it be seen."""
        frame, self._frame = self._frame, None
        decided = [output for output in outputs if isinstance(output, Decision)]
        self._decision = decided[-1] if decided else self._decision
        if frame is None:
            return
        self._health.add_frame(moment.monotonic, latency_s=moment.monotonic - frame.captured)
        if self._window is not None and self._window.watched:
            self._window.show(Picture(frame.image, perception.seen(self._decision)))

    def watching(self) -> tuple[Watching, ...]:
        """Return who began or ended to watch since the last call."""
        return () if self._window is None else self._window.news()

    def figures(self, moment: Moment) -> dict[str, float | None]:
        """Return "frames_per_s", "latency_p50_ms", "latency_p95_ms" and "memory_mb"."""
        p50, p95 = self._health.latency_ms(moment.monotonic) or (None, None)
        return {
            "frames_per_s": self._health.frames_per_s(moment.monotonic),
            "latency_p50_ms": p50,
            "latency_p95_ms": p95,
            "memory_mb": memory_mb(),
        }

    def tell(self, actuators: Sequence[Actuator], moment: Moment, *, people: int) -> None:
        """Tell the actuators how the door fares, now and then."""
        if moment.monotonic < self._tell_at:
            return
        self._tell_at = moment.monotonic + _TELL_S
        figures: dict[str, Any] = {
            "temperature_c": self._health.temperature_c(),
            "frames_per_s": round(self._health.frames_per_s(moment.monotonic), 1),
            "frame_age_s": self._health.frame_age_s(moment.monotonic),
            "memory_mb": round(memory_mb(), 1),
            "people": people,
        }
        known = {name: value for name, value in figures.items() if value is not None}
        for actuator in actuators:
            actuator.tell_health(**known)
