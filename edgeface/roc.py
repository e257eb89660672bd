"""Verification figures from scores: accuracy, TAR at FAR, their intervals, and the ROC curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Z95 = 1.959964  # the normal distribution's 97.5 % quantile


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval (Wilson 1927), all in 0..1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Roc:
    """Falling thresholds, with the shares of impostors (far) and genuine pairs (tar) they pass."""

    threshold: np.ndarray
    far: np.ndarray
    tar: np.ndarray


@dataclass(frozen=True)
class FoldAccuracy:
    """Mean and standard error over folds; each fold's threshold comes from the other folds."""

    mean: float
    standard_error: float
    threshold: float


def wilson(successes: int, trials: int) -> Rate:
    """Return successes / trials with Wilson's 95 % score interval."""
    share = successes / trials
    centre = share + Z95**2 / (2 * trials)
    spread = Z95 * np.sqrt(share * (1 - share) / trials + Z95**2 / (4 * trials**2))
    scale = 1 + Z95**2 / trials
    return Rate(share, float((centre - spread) / scale), float((centre + spread) / scale))


def require_scores(scores: np.ndarray, genuine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) float64 scores and (N,) bool labels, or raise ValueError.

    Both kinds of pair must occur, and no score may be NaN.
    """
    scores, genuine = np.asarray(scores, np.float64), np.asarray(genuine, bool)
    if scores.shape != genuine.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and genuine {genuine.shape} must both be (N,)")
    if np.isnan(scores).any():
        raise ValueError("scores hold NaN, expected cosines")
    if genuine.all() or not genuine.any():
        raise ValueError("all pairs are of one kind; expected genuine and impostor pairs")
    return scores, genuine


def roc_curve(scores: np.ndarray, genuine: np.ndarray) -> Roc:
    """Return the ROC curve, one point per distinct score."""
    scores, genuine = require_scores(scores, genuine)
    threshold = np.unique(scores)[::-1]
    far, tar = (share_at_least(scores[kind], threshold) for kind in (~genuine, genuine))
    return Roc(threshold, far, tar)


def share_at_least(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return for each threshold the share of `scores` that reach it."""
    below = np.searchsorted(np.sort(scores), thresholds, side="left")
    return 1 - below / len(scores)


def threshold_at_far(scores: np.ndarray, genuine: np.ndarray, far: float) -> float | None:
    """Return the lowest threshold at which at most `far` of the impostors pass.

    None when there are fewer than 1 / far impostor pairs: they cannot show such a rate.
    """
    scores, genuine = require_scores(scores, genuine)
    impostors = np.sort(scores[~genuine])[::-1]
    allowed = int(far * len(impostors) + 1e-9)
    if allowed < 1:
        return None
    return float(np.nextafter(impostors[allowed], np.inf)) if allowed < len(impostors) else -1.0


def tar_at_far(scores: np.ndarray, genuine: np.ndarray, far: float) -> Rate | None:
    """Return the true accept rate where at most `far` of the impostors pass, or None (too few)."""
    threshold = threshold_at_far(scores, genuine, far)
    if threshold is None:
        return None
    accepted = np.asarray(scores)[np.asarray(genuine, bool)] >= threshold
    return wilson(int(accepted.sum()), len(accepted))


def accuracy_at(scores: np.ndarray, genuine: np.ndarray, threshold: float) -> Rate:
    """Return the share of pairs that `threshold` decides rightly."""
    right = (np.asarray(scores) >= threshold) == np.asarray(genuine, bool)
    return wilson(int(right.sum()), len(right))


def best_threshold(scores: np.ndarray, genuine: np.ndarray) -> float:
    """Return the threshold of highest accuracy: the middle of the best gap between scores."""
    scores, genuine = require_scores(scores, genuine)
    curve = roc_curve(scores, genuine)
    right = curve.tar * genuine.sum() + (1 - curve.far) * (~genuine).sum()
    best = int(right.argmax())
    below = curve.threshold[min(best + 1, len(curve.threshold) - 1)]
    return float((curve.threshold[best] + below) / 2)


def fold_accuracy(
    scores: np.ndarray, genuine: np.ndarray, folds: np.ndarray
) -> FoldAccuracy | None:
    """Return the field's k-fold accuracy (LFW View 2 protocol; Huang et al. 2007).

    None when some fold leaves pairs of one kind only: there are too few people for folds.
    """
    scores, genuine = require_scores(scores, genuine)
    accuracies, thresholds = [], []
    for fold in np.unique(folds):
        held_out = folds == fold
        if genuine[~held_out].all() or not genuine[~held_out].any():
            return None
        threshold = best_threshold(scores[~held_out], genuine[~held_out])
        accuracies.append(accuracy_at(scores[held_out], genuine[held_out], threshold).value)
        thresholds.append(threshold)
    error = np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))
    return FoldAccuracy(float(np.mean(accuracies)), float(error), float(np.mean(thresholds)))
