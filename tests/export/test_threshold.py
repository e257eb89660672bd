"""Thresholds: the rate they promise, and too few people."""

from __future__ import annotations

import numpy as np
import pytest

from export import threshold


def test_thresholds_hold_the_rate_they_are_named_after():
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(60), 4)
    centres = rng.normal(size=(60, 32))[people]
    rows = centres + 0.5 * rng.normal(size=centres.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    chosen = threshold.choose(rows, people, source="synthetic", margin=0.1)
    scores, genuine = threshold.all_pairs(rows, people)
    for row in chosen["by_far"]:
        assert (scores[~genuine] >= row["cosine"] + 5e-5).mean() <= row["far"]
    assert "360 genuine and 28320 impostor pairs" in chosen["source"]


def test_too_few_people_for_the_default_rate_is_an_error_with_the_numbers():
    with pytest.raises(ValueError, match=r"4 impostor pairs.*0\.001.*1000"):
        threshold.choose(np.eye(4), np.array([0, 0, 1, 1]), source="two", margin=0.1)
