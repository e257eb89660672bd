"""Figures on held-out people, against their definitions by loops."""

from __future__ import annotations

import numpy as np
import pytest

from export import identity_measure
from export.errors import ExportError
from export.identity_data import People


def test_rank_one_and_bootstrap_by_definition() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 5 + [1] * 4 + [2] * 6 + [3] * 5 + [4])
    unit = rng.normal(size=(5, 16))[labels] + 0.9 * rng.normal(size=(len(labels), 16))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    hits = []
    for i in range(len(labels) - 1):  # the last has nobody to be found with
        others = [j for j in range(len(labels)) if j != i]
        hits.append(labels[max(others, key=lambda j: unit[i] @ unit[j])] == labels[i])
    assert identity_measure.rank_one(unit, labels) == pytest.approx(np.mean(hits))
    pairs = identity_measure.all_pairs(unit, labels)
    found = identity_measure.bootstrap(pairs, 0.1, draws=5, seed=3)
    again = np.random.default_rng(3)
    for rate in found:
        times = np.bincount(again.integers(0, 5, 5), minlength=5)
        weight = times[pairs.first] * np.where(pairs.genuine, 1, times[pairs.second])
        impostor = np.sort(np.repeat(pairs.cosine, np.where(pairs.genuine, 0, weight)))[::-1]
        threshold = impostor[int(0.1 * len(impostor))]
        genuine = np.repeat(pairs.cosine, np.where(pairs.genuine, weight, 0))
        assert rate == pytest.approx((genuine > threshold).mean())


def test_held_out_people_who_give_too_few_pairs_are_refused_before_training() -> None:
    def people(photos: int) -> People:
        names = np.repeat(["ada", "bob", "cyd", "dan"], photos)
        return People(np.zeros((len(names), 112, 112, 3), np.uint8), names)

    with pytest.raises(ExportError, match="4 people held out give 0 genuine and 6 impostor pairs"):
        identity_measure.require_pairs(people(1), impostors=1)
    with pytest.raises(ExportError, match="60 genuine and 216 impostor.*at least 1 and 1000"):
        identity_measure.require_pairs(people(6), impostors=1000)
    identity_measure.require_pairs(people(6), impostors=216)
