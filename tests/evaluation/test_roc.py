"""Figures from scores, against hand counts and scikit-style definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface import roc
from edgeface.roc_picture import draw_roc

SCORES = np.array([0.9, 0.8, 0.7, 0.4, 0.6, 0.3, 0.2, 0.1])
GENUINE = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)


def test_perfect_separation_is_100_percent_with_threshold_in_the_gap():
    scores = np.array([0.9, 0.8, 0.2, 0.1])
    genuine = np.array([1, 1, 0, 0], bool)
    assert roc.best_threshold(scores, genuine) == pytest.approx(0.5)
    assert roc.accuracy_at(scores, genuine, 0.5).value == 1.0


def test_tar_at_far_counts_by_hand():
    # One impostor of four may pass: the threshold lies just above 0.3, all genuine pairs reach it.
    assert roc.tar_at_far(SCORES, GENUINE, 0.25).value == 1.0
    assert roc.threshold_at_far(SCORES, GENUINE, 0.25) > 0.3


def test_too_few_impostors_cannot_show_a_rate():
    assert roc.tar_at_far(SCORES, GENUINE, 1e-3) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=60),
    st.floats(0.05, 1.0),
    st.randoms(use_true_random=False),
)
def test_the_threshold_never_passes_more_impostors_than_asked(values, far, random):
    genuine = np.array([True, False] + [random.random() < 0.5 for _ in values[2:]])
    scores = np.array(values)
    threshold = roc.threshold_at_far(scores, genuine, far)
    if threshold is not None:
        assert (scores[~genuine] >= threshold).mean() <= far + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1, width=32), st.booleans()), min_size=4, max_size=40))
def test_best_threshold_is_as_good_as_every_score(rows):
    scores = np.array([score for score, _ in rows])
    genuine = np.array([kind for _, kind in rows])
    if genuine.all() or not genuine.any():
        return
    best = roc.accuracy_at(scores, genuine, roc.best_threshold(scores, genuine)).value
    gaps = np.unique(scores)
    tried = np.concatenate([gaps[1:] / 2 + gaps[:-1] / 2, [scores.max()]])
    # A half between two neighbours may round onto the lower one; scores themselves are exact.
    assert best >= max(roc.accuracy_at(scores, genuine, t).value for t in tried) - 1e-9


def test_wilson_interval_matches_the_published_example():
    # Wilson 1927 as tabulated by Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    rate = roc.wilson(81, 263)
    assert (round(rate.low, 4), round(rate.high, 4)) == (0.2553, 0.3662)


def test_a_fold_is_judged_by_the_other_folds():
    # Fold 1's own best threshold (0.15) would score 100 %; the other fold's (0.75) does not.
    scores = np.array([0.9, 0.6, 0.2, 0.1])
    genuine = np.array([1, 0, 1, 0], bool)
    folds = np.array([0, 0, 1, 1])
    assert roc.fold_accuracy(scores, genuine, folds).mean == pytest.approx(0.5)


def test_two_people_are_too_few_for_folds_by_person():
    assert roc.fold_accuracy(SCORES, GENUINE, GENUINE.astype(int)) is None


@pytest.mark.parametrize("scores", [[0.1, np.nan], [0.1, 0.2]])
def test_nan_or_pairs_of_one_kind_are_refused(scores):
    genuine = [True, True] if not np.isnan(scores).any() else [True, False]
    with pytest.raises(ValueError, match="NaN|one kind"):
        roc.roc_curve(np.array(scores), np.array(genuine))


def test_roc_picture_has_the_curve_in_its_colour():
    curve = roc.roc_curve(SCORES, GENUINE)
    picture = draw_roc({"ours": curve})
    assert picture.shape == (640, 900, 3) and picture.dtype == np.uint8
    assert (picture == (180, 90, 20)).all(axis=2).sum() > 300
