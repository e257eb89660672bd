"""The ratio of two series of independent times, with an interval that assumes no distribution.

Hodges and Lehmann's estimate, and the exact interval that belongs to Mann and Whitney's test. An
outlier, such as a process that shared its CPU, widens the interval and moves nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeface.bench.figures import CONFIDENCE

LEAST = 4
"""Times a side: with three there is no 95 % interval, whatever they are."""


@dataclass(frozen=True)
class Difference:
    """How many times as long the second series takes as the first.

    Attributes
    ----------
    value
        Median of the ratios of every second time to every first one.
    low, high
        95 % interval of it.
    """

    value: float
    low: float
    high: float

    @property
    def word(self) -> str:
        """What the second is: "faster", "slower" or "no difference"."""
        if self.high < 1:
            return "faster"
        return "slower" if self.low > 1 else "no difference"


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Relate two series of positive times of any one unit.

    Each must hold `LEAST` or more that are independent: medians of processes, not of calls,
    which share a process's memory layout and its minute.

    Raises
    ------
    ValueError
        Too few.
    """
    if min(len(first), len(second)) < LEAST:
        raise ValueError(f"{len(first)} and {len(second)} times, expected {LEAST} or more of each")
    ratios = np.sort(np.divide.outer(np.asarray(second, float), np.asarray(first, float)), None)
    rank = _rank(len(first), len(second))
    return Difference(float(np.median(ratios)), float(ratios[rank]), float(ratios[-1 - rank]))


def _rank(first: int, second: int) -> int:
    """How many of the ratios at each end lie outside the interval."""
    counts = _arrangements(first, second)
    tail, rank = 0, -1
    limit = (1 - CONFIDENCE) / 2 * sum(counts)
    while tail + counts[rank + 1] <= limit:
        rank += 1
        tail += counts[rank]
    return rank


def _arrangements(first: int, second: int) -> list[int]:
    """How many orders of both series have 0, 1, 2 ... pairs the wrong way round.

    The coefficients of the Gaussian binomial: for i = 1 to `second`, times 1 - q^(first + i), over
    1 - q^i.
    """
    size = first * second + 1
    counts = [1] + [0] * (size - 1)
    for i in range(1, second + 1):
        for power in range(size - 1, first + i - 1, -1):
            counts[power] -= counts[power - first - i]
        for power in range(i, size):
            counts[power] += counts[power - i]
    return counts
