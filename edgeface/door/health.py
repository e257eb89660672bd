"""How a door fares, in figures: frames, their latency, the board's temperature, memory."""

from __future__ import annotations

import resource
import threading
from collections import deque
from pathlib import Path

from edgeface.board_sensors import Sensors
from edgeface.errors import BoardError

SPAN_S = 120.0
"""Figures are of the last so many seconds."""

_KEPT = 4096  # frames: two minutes at 34 a second
_STATM = Path("/proc/self/statm")


class Health:
    """Figures of a running door. One thread adds frames, any may ask."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        try:
            self._sensors: Sensors | None = Sensors()
        except BoardError:
            self._sensors = None

    def add_frame(self, at: float, *, latency_s: float) -> None:
        """Note that a frame was decided on.

        Parameters
        ----------
        at
            Monotonic seconds: now.
        latency_s
            From its capture until then.
        """
        with self._lock:
            self._frames.append((at, latency_s))

    def frames_per_s(self, now: float) -> float:
        """Return how many frames a second were decided on."""
        recent = self._recent(now)
        if not recent:
            return 0.0
        return len(recent) / max(now - recent[0][0], 1.0)

    def latency_ms(self, now: float) -> tuple[float, float] | None:
        """Return p50 and p95 from a frame's capture to its decision; None without frames."""
        found = sorted(latency_s for _, latency_s in self._recent(now))
        if not found:
            return None
        last = len(found) - 1
        return 1e3 * found[round(0.5 * last)], 1e3 * found[round(0.95 * last)]

    def frame_age_s(self, now: float) -> float | None:
        """Return how long ago the last frame was captured; None before the first."""
        with self._lock:
            if not self._frames:
                return None
            at, latency_s = self._frames[-1]
        return now - at + latency_s

    def temperature_c(self) -> float | None:
        """Return the warmest sensor's; None where the board has none."""
        if self._sensors is None:
            return None
        return max(self._sensors.sample().temperatures_c.values(), default=None)

    def _recent(self, now: float) -> list[tuple[float, float]]:
        with self._lock:
            return [frame for frame in self._frames if now - frame[0] <= SPAN_S]


def memory_mb() -> float:
    """Return what this process has in memory now, in MB."""
    pages = int(_STATM.read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6
