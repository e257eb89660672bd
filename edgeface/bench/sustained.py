"""Does a board keep its speed? Windows of a long run, and how they drift."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from edgeface.bench.difference import LEAST, difference
from edgeface.bench.figures import CONFIDENCE
from edgeface.bench.stages import TOGETHER

WINDOWS = 60
"""Parts of a run. Few and long, so that neighbours depend little on one another."""

_EDGE_WINDOWS = 6
"""Of them the first and the last part have at least so many, however long a run is."""

_DRIFT_PERCENT = 2.0
"""Less is no drift worth a word, however sure."""


def sustained(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return the windows of one long process, and its drift, as plain JSON values.

    Returns
    -------
    dict
        "windows": seconds of their middles, p50_ms and p95_ms of all stages together; "drift":
        the last part's time over the first's with its interval, both in the length `edge_s`, and
        the slope in per cent a minute with its own.
    """
    at, times = np.array(outcome["at_s"]), np.array(outcome["samples_ms"][TOGETHER])
    length = max(outcome["ended"] - outcome["began"], 1e-3)
    which = np.minimum((at / length * WINDOWS).astype(int), WINDOWS - 1)
    filled = np.unique(which)
    parts = [times[which == number] for number in filled]
    middles = (filled + 0.5) * length / WINDOWS
    p50, p95 = (np.array([np.percentile(part, p) for part in parts]) for p in (50, 95))
    return {
        "minutes": round(length / 60, 3),
        "windows": {
            "seconds": [round(float(value), 2) for value in middles],
            "p50_ms": [round(float(value), 4) for value in p50],
            "p95_ms": [round(float(value), 4) for value in p95],
        },
        "drift": _drift(middles, p50, length),
    }


def _drift(middles: np.ndarray, p50: np.ndarray, length: float) -> dict[str, Any] | None:
    """None where windows are too few to say anything."""
    edge = max(min(60.0, length / 4), _EDGE_WINDOWS * length / WINDOWS)
    first, last = p50[middles < edge], p50[middles > length - edge]
    if min(len(first), len(last)) < LEAST:
        return None
    ratio = difference(first, last)
    slope, low, high = slope_interval(middles / 60, p50 / np.median(p50) * 100)
    return {
        "edge_s": round(edge, 1),
        "last_over_first": _rounded(ratio.value, ratio.low, ratio.high),
        "percent_per_minute": _rounded(slope, low, high),
        "word": _word(ratio.word, ratio.value),
    }


def _word(word: str, ratio: float) -> str:
    if word == "no difference" or abs(ratio - 1) * 100 < _DRIFT_PERCENT:
        return "steady"
    return f"grew {word}"


def _rounded(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}


def slope_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return Theil and Sen's slope of y over x, and Sen's 95 % interval of it.

    (N,) each, `x` ascending. The median of the slopes of all pairs: windows that another program
    spoiled do not tilt it.
    """
    i, j = np.triu_indices(len(x), 1)
    slopes = np.sort((y[j] - y[i]) / (x[j] - x[i]))
    count = len(x)
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)  # of Kendall's statistic
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * deviation
    low = max(0, int((len(slopes) - reach) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + reach) / 2))
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])
