"""Decision thresholds of an embedder: cosines at given false accept rates on labelled faces."""

from __future__ import annotations

import numpy as np

from edgeface.roc import tar_at_far, threshold_at_far

FAR_TARGETS = (1e-1, 1e-2, 1e-3, 1e-4)
DEFAULT_FAR = 1e-3


def all_pairs(embeddings: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine of every pair of photos and whether it is genuine."""
    first, second = np.triu_indices(len(people), 1)
    return (embeddings @ embeddings.T)[first, second], people[first] == people[second]


def choose(embeddings: np.ndarray, people: np.ndarray, *, source: str, margin: float) -> dict:
    """Return the manifest's ``thresholds``: the cosine at each false accept rate.

    All pairs of the set are used, so that a rate of 1e-4 rests on thousands of impostors. Rates
    that the set is too small to show are left out.

    Raises
    ------
    ValueError
        Too few impostor pairs even for the default rate.
    """
    scores, genuine = all_pairs(embeddings, people)
    found = {far: threshold_at_far(scores, genuine, far) for far in FAR_TARGETS}
    if found[DEFAULT_FAR] is None:
        raise ValueError(
            f"{source}: {int((~genuine).sum())} impostor pairs cannot show a false accept rate of "
            f"{DEFAULT_FAR:g}; use at least {1 / DEFAULT_FAR:.0f}"
        )
    counts = f"{int(genuine.sum())} genuine and {int((~genuine).sum())} impostor pairs"
    rows = [{"far": f, "cosine": round(t, 4)} for f, t in found.items() if t is not None]
    return {
        "source": f"{source}: {counts}",
        "default_far": DEFAULT_FAR,
        "margin": margin,
        "by_far": rows,
    }


def accept_rates(embeddings: np.ndarray, people: np.ndarray) -> dict:
    """Return the true accept rate at each false accept rate, as plain numbers."""
    scores, genuine = all_pairs(embeddings, people)
    rates = {far: tar_at_far(scores, genuine, far) for far in FAR_TARGETS}
    return {f"tar_at_far_{far:g}": round(r.value, 4) for far, r in rates.items() if r is not None}
