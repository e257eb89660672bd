"""Error rates of presentation attack detection, by the names of ISO/IEC 30107-3.

APCER: share of attacks of one kind that are taken for live. BPCER: share of live (bona fide) faces
that are refused. Scores are 0 attack to 1 live; at or above the threshold is live.
"""

from __future__ import annotations

import numpy as np


def apcer(attacks: np.ndarray, threshold: float) -> float:
    """Share of attack scores (N,) at or above the threshold, 0 to 1."""
    return float((_some(attacks) >= threshold).mean())


def bpcer(live: np.ndarray, threshold: float) -> float:
    """Share of live scores (N,) below the threshold, 0 to 1."""
    return float((_some(live) < threshold).mean())


def threshold_at(live: np.ndarray, rate: float) -> float:
    """The highest score that refuses at most ``rate`` of these live faces."""
    ranked = np.sort(_some(live))
    return float(ranked[int(rate * len(ranked))])


def equal_error(live: np.ndarray, attacks: np.ndarray) -> float:
    """The rate at the threshold where APCER and BPCER are nearest, their mean there."""
    cuts = np.unique(np.concatenate([_some(live), _some(attacks)]))
    refused = np.searchsorted(np.sort(live), cuts, side="left") / len(live)
    passed = 1 - np.searchsorted(np.sort(attacks), cuts, side="left") / len(attacks)
    best = int(np.abs(refused - passed).argmin())
    return float((refused[best] + passed[best]) / 2)


def _some(scores: np.ndarray) -> np.ndarray:
    values = np.asarray(scores, np.float64)
    if not values.size or not np.isfinite(values).all():
        raise ValueError(f"{values.size} scores, expected one or more, all finite")
    return values
