"""From times to figures: percentiles, and a ratio with its noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PERCENTILES = (50, 95, 99)
CONFIDENCE = 0.95
_BLOCKS = 20
MIN_ROUNDS = 12
"""Six blocks of one round in each order: fewer show no interval."""


@dataclass(frozen=True)
class Ratio:
    """How the time of one thing relates to another's, measured alternately.

    Attributes
    ----------
    value
        First median over second median: below 1 the first is faster.
    low, high
        95 % interval, from the ratios of consecutive blocks of rounds.
    when_first, when_second
        The ratio in the rounds in which the first ran first, and in the others.
    """

    value: float
    low: float
    high: float
    when_first: float
    when_second: float

    @property
    def faster(self) -> int | None:
        """0 or 1, the faster one's place; None within the noise."""
        all_of_it = (self.low, self.high, self.when_first, self.when_second)
        if max(all_of_it) < 1:
            return 0
        return 1 if min(all_of_it) > 1 else None


def ratio(first: np.ndarray, second: np.ndarray, first_led: np.ndarray) -> Ratio:
    """Compare two series of times.

    Parameters
    ----------
    first, second
        (rounds,) times of the same rounds, in order; `MIN_ROUNDS` or more.
    first_led
        (rounds,) bool: did the first run before the second in that round?
    """
    blocks = np.array_split(np.arange(len(first)), min(_BLOCKS, len(first) // 2))
    low, high = median_interval([_of_medians(first[b], second[b]) for b in blocks])
    led, followed = (_of_medians(first[m], second[m]) for m in (first_led, ~first_led))
    return Ratio(_of_medians(first, second), low, high, led, followed)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median of six or more values, from order statistics."""
    count, rank, tail = len(values), 0, 0.0
    while tail + math.comb(count, rank) / 2**count <= (1 - CONFIDENCE) / 2:
        tail += math.comb(count, rank) / 2**count
        rank += 1
    ordered = sorted(values)
    return ordered[rank - 1], ordered[count - rank]


def percentiles(seconds: np.ndarray) -> dict[str, float]:
    """Return p50_ms, p95_ms and p99_ms of times in seconds."""
    found = np.percentile(seconds, PERCENTILES) * 1000
    return {f"p{p}_ms": round(float(value), 4) for p, value in zip(PERCENTILES, found)}


def _of_medians(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.median(first) / np.median(second))
