"""The door's clock: durations by the monotonic clock, the wall clock while it can be trusted."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from edgeface.door.event import Moment

MAX_JUMP_S = 2.0
SETTLE_S = 10.0  # after a jump, before network time is believed again
SYNCHRONISED_FILE = "/run/systemd/timesync/synchronized"
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # struct timex has 208 at most

SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "trust_clock": {
            "type": "boolean",
            "description": "whether the wall clock is right without network time: the board has a "
            "battery-backed clock that was set; false where it is left out",
        },
        "max_jump_s": {
            "type": "number",
            "minimum": 0.1,
            "maximum": 60,
            "description": "a wall clock that leaps further, in seconds, is not trusted until "
            f"network time sets it; {MAX_JUMP_S:g} where it is left out",
        },
    },
}


@dataclass(frozen=True)
class Network:
    """What the system says of network time.

    Attributes
    ----------
    now
        The kernel counts its clock as synchronised at this moment.
    ever
        It is, or it was since the start: crystals keep the time for days.
    """

    now: bool
    ever: bool


class Clock:
    """Tells moments. Threads may share one.

    Parameters
    ----------
    trust_clock, max_jump_s
        As `SETTINGS` describes them.
    monotonic, wall
        Seconds that only grow, and seconds of Unix time.
    network
        What the system says of network time.
    """

    def __init__(
        self,
        *,
        trust_clock: bool = False,
        max_jump_s: float = MAX_JUMP_S,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        network: Callable[[], Network] | None = None,
    ) -> None:
        self._trust_clock, self._max_jump_s = trust_clock, max_jump_s
        self._monotonic, self._wall = monotonic, wall
        self._network = network or network_time
        self._lock = threading.Lock()
        self._offset = wall() - monotonic()
        self._jumped_at: float | None = None

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> Clock:
        """Return the clock that a ``[clock]`` table says; `base` is not needed."""
        return cls(**table)

    def moment(self, *, at: float | None = None) -> Moment:
        """Return now, or the moment of the monotonic time `at`, such as a frame's capture.

        Its UTC is None while the wall clock is not to be trusted.
        """
        with self._lock:
            now, wall, quality = self._look()
        monotonic = now if at is None else at
        if quality not in ("synchronised", "rtc"):
            return Moment(monotonic, None, quality)
        utc = datetime.fromtimestamp(wall + monotonic - now, timezone.utc)
        return Moment(monotonic, utc, quality)

    def quality(self) -> str:
        """Return how good the wall clock is, for the log.

        "synchronised" (network time), "rtc" (the settings trust it), "unsure", or "jumped".
        """
        with self._lock:
            return self._look()[2]

    def _look(self) -> tuple[float, float, str]:
        now, wall = self._monotonic(), self._wall()
        if abs(wall - now - self._offset) > self._max_jump_s:
            self._jumped_at = now
        self._offset = wall - now
        return now, wall, self._quality(now)

    def _quality(self, now: float) -> str:
        network = self._network()
        if self._jumped_at is not None:
            if not network.now or now - self._jumped_at < SETTLE_S:
                return "jumped"
            self._jumped_at = None
        if network.now or network.ever:
            return "synchronised"
        return "rtc" if self._trust_clock else "unsure"


def network_time() -> Network:
    """Ask the kernel, and systemd-timesyncd, whether network time set the clock."""
    now = _kernel_synchronised()
    return Network(now=now, ever=now or os.path.exists(SYNCHRONISED_FILE))


def _kernel_synchronised() -> bool:
    # All zero asks and sets nothing; setting the clock by hand takes the kernel's word back.
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR
