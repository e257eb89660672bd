"""From times to figures: percentiles, and a ratio with its noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PERCENTILES = (50, 90, 95, 99)
CONFIDENCE = 0.95
BLOCK = 20
"""Rounds in one order before the other's turn.

Not one: the model that ends a round and begins the next finds its weights in the cache, as it
never does in a pipeline, where the detector ran before it."""

MIN_ROUNDS = 6 * BLOCK
"""Fewer blocks show no interval."""


@dataclass(frozen=True)
class Ratio:
    """How the time of one thing relates to another's, measured alternately.

    Attributes
    ----------
    value
        First median over second median, in the middle one of the blocks of rounds: below 1 the
        first is faster.
    low, high
        95 % interval of it, from the ratios of all blocks.
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


def orders(rounds: int) -> np.ndarray:
    """Return (rounds,) bool: does the first of two go first? Every `BLOCK` rounds it changes."""
    return np.arange(rounds) // BLOCK % 2 == 0


def ratio(first: np.ndarray, second: np.ndarray, first_led: np.ndarray) -> Ratio:
    """Compare two series of times.

    Parameters
    ----------
    first, second
        (rounds,) times of the same rounds, in order; `MIN_ROUNDS` or more.
    first_led
        (rounds,) bool: did the first run before the second in that round? From `orders`.
    """
    blocks = np.split(np.arange(len(first)), np.flatnonzero(np.diff(first_led)) + 1)
    ratios = [_of_medians(first[block], second[block]) for block in blocks]
    low, high = median_interval(ratios)
    led, followed = (_of_medians(first[m], second[m]) for m in (first_led, ~first_led))
    return Ratio(float(np.median(ratios)), low, high, led, followed)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median of six or more values, from order statistics."""
    count, rank, tail = len(values), 0, 0.0
    while tail + math.comb(count, rank) / 2**count <= (1 - CONFIDENCE) / 2:
        tail += math.comb(count, rank) / 2**count
        rank += 1
    ordered = sorted(values)
    return ordered[rank - 1], ordered[count - rank]


def percentiles(seconds: np.ndarray) -> dict[str, float]:
    """Return p50_ms, p90_ms, p95_ms, p99_ms and max_ms of times in seconds."""
    found = [*np.percentile(seconds, PERCENTILES), np.max(seconds)]
    names = [*(f"p{p}_ms" for p in PERCENTILES), "max_ms"]
    return {name: round(float(value) * 1000, 4) for name, value in zip(names, found)}


def _of_medians(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.median(first) / np.median(second))
