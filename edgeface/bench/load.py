"""Who else used this machine's CPUs while something was measured."""

from __future__ import annotations

import os
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_IDLE, _IOWAIT, _STEAL = 3, 4, 7  # places of these times in its first line


class Load:
    """A stretch of time, from making it to `end`."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._own = time.process_time()
        self._times = _cpu_times()

    def end(self) -> dict[str, float]:
        """Return seconds: how long it was, others' CPU time in it, and what a hypervisor took.

        Empty where /proc/stat says nothing. The kernel counts in hundredths of a second.
        """
        times = _cpu_times()
        if not times or not self._times:
            return {}
        spent = [after - before for after, before in zip(times, self._times)]
        busy = sum(spent[:_STEAL]) - spent[_IDLE] - spent[_IOWAIT]
        return {
            "wall_s": time.monotonic() - self._start,
            "others_s": busy - (time.process_time() - self._own),
            "stolen_s": spent[_STEAL],
        }


def _cpu_times() -> list[float]:
    """Seconds of all CPUs as user, nice, system, idle, iowait, irq, softirq, steal."""
    try:
        words = _STAT.read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return []
    return [int(word) / os.sysconf("SC_CLK_TCK") for word in words] if len(words) == 8 else []
