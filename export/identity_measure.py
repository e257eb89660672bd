"""What an embedder is worth on people it has never seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from edgeface.roc import tar_at_far
from export.errors import ExportError
from export.identity_data import People
from export.teacher import normalise

BATCH = 32
FARS = (1e-2, 1e-3)
DRAWS = 200


def embed(net: nn.Module, crops: np.ndarray) -> np.ndarray:
    """Return unit embeddings (N, D) of RGB uint8 crops (N, 112, 112, 3), in float32."""
    net, device = net.eval(), next(net.parameters()).device
    rows = []
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            raw = net(normalise(crops[start : start + BATCH]).to(device))
            rows.append(F.normalize(raw).cpu().numpy())
    return np.concatenate(rows)


@dataclass(frozen=True)
class Pairs:
    """Every pair of photos: cosine, whether genuine, and the two people's numbers."""

    cosine: np.ndarray
    genuine: np.ndarray
    first: np.ndarray
    second: np.ndarray


def all_pairs(unit: np.ndarray, labels: np.ndarray) -> Pairs:
    """Return every pair of rows of unit embeddings (N, D) with labels (N,)."""
    first, second = np.triu_indices(len(labels), 1)
    cosine = (unit @ unit.T)[first, second]
    return Pairs(cosine, labels[first] == labels[second], labels[first], labels[second])


def bootstrap(pairs: Pairs, far: float, *, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Return TAR at ``far`` in (draws,) other samples of people: its 95 % interval is their middle.

    Pairs that share a person are not independent, so people are drawn with replacement, not pairs:
    a person drawn n times weighs n in genuine pairs, and n·m with another in impostor pairs; the
    threshold is found anew in each draw. The same seed draws the same people, so that two networks
    can be compared draw by draw. Source: Bolle, Ratha and Pankanti, "Error Analysis of Pattern
    Recognition Systems: the Subsets Bootstrap", 2004.
    """
    rng, people = np.random.default_rng(seed), int(pairs.second.max()) + 1
    order = np.argsort(-pairs.cosine[~pairs.genuine])
    impostor = pairs.cosine[~pairs.genuine][order]
    first, second = (x[~pairs.genuine][order] for x in (pairs.first, pairs.second))
    genuine, own = pairs.cosine[pairs.genuine], pairs.first[pairs.genuine]
    rates = []
    while len(rates) < draws:
        times = np.bincount(rng.integers(0, people, people), minlength=people)
        passed = np.cumsum(times[first] * times[second])
        if passed[-1] and times[own].any():  # else one person only, or nobody with two photos
            threshold = impostor[np.searchsorted(passed, far * passed[-1], side="right")]
            rates.append(np.average(genuine > threshold, weights=times[own]))
    return np.array(rates)


def require_pairs(people: People, *, impostors: int) -> None:
    """Raise ExportError unless there are a genuine pair and ``impostors`` impostor pairs."""
    counts = np.bincount(people.labels)
    genuine = int((counts * (counts - 1) // 2).sum())
    others = len(people.labels) * (len(people.labels) - 1) // 2 - genuine
    if genuine < 1 or others < impostors:
        raise ExportError(
            f"{people.count} people held out give {genuine} genuine and {others} impostor pairs, "
            f"expected at least 1 and {impostors}; hold out more people, or give more photos"
        )


def rank_one(unit: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of photos whose nearest other photo shows the same person.

    Photos of people with one photo only are gallery, not probes.
    """
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    probes = np.bincount(labels)[labels] > 1
    return float((labels[cosines.argmax(1)] == labels)[probes].mean())


def measure(net: nn.Module, people: People) -> dict:
    """Return TAR at each FAR and its bootstrap draws, rank-1 and counts, as plain JSON types.

    A rate that the set is too small to show is None.
    """
    unit, labels = embed(net, people.crops), people.labels
    pairs = all_pairs(unit, labels)
    figures = {"rank_1": rank_one(unit, labels), "people": people.count, "photos": len(labels)}
    figures["genuine_pairs"] = int(pairs.genuine.sum())
    figures["impostor_pairs"] = int((~pairs.genuine).sum())
    for far in FARS:
        rate = tar_at_far(pairs.cosine, pairs.genuine, far)
        figures[f"tar_at_far_{far:g}"] = None if rate is None else rate.value
        if rate is not None:
            figures[f"draws_{far:g}"] = [round(x, 5) for x in bootstrap(pairs, far).tolist()]
    return figures
