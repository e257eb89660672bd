"""Figures of verification on embeddings whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from export.errors import VerifyError
from export.verify import inputs, measure
from export.verify.sets import FaceSet, Pairs

PEOPLE, EACH, DIM = 40, 6, 32
FAR = 1e-2


@pytest.fixture(scope="module")
def people() -> FaceSet:
    count = PEOPLE * EACH
    return FaceSet(
        "people",
        np.zeros((count, 2, 2, 3), np.uint8),
        "synthetic",
        people=np.repeat(np.arange(PEOPLE), EACH),
        groups={"race": np.tile(["a", "b"], count // 2)},
    )


@pytest.fixture(scope="module")
def wanted(people: FaceSet) -> np.ndarray:
    """Embeddings of photos that resemble their person, and a little everybody."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(PEOPLE, DIM))
    return unit(centres[people.people] + 0.8 * rng.normal(size=(PEOPLE * EACH, DIM)))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_float_network_beside_itself_has_no_error(people, wanted) -> None:
    found = measure.measure(wanted, wanted, people)
    assert found.agreement.minimum == pytest.approx(1, abs=1e-6)
    assert found.score_error.maximum == 0 and found.bad_rows == 0
    for row in found.at_far:
        assert row.tar == row.float_tar == row.tar_at_float
        assert (row.difference.low, row.difference.high) == (0, 0)
    assert [row.impostor_shift for row in found.drift] == [0, 0]


def test_agreement_is_the_angle_that_was_turned(people, wanted) -> None:
    """Every embedding turned by acos(0.96) into a direction of its own."""
    rng = np.random.default_rng(1)
    away = rng.normal(size=wanted.shape)
    away = unit(away - (away * wanted).sum(1, keepdims=True) * wanted)
    found = measure.measure(unit(0.96 * wanted + 0.28 * away), wanted, people)
    assert found.agreement.mean == pytest.approx(0.96, abs=1e-5)
    assert found.agreement.minimum == pytest.approx(0.96, abs=1e-5)


def test_rates_at_the_float_threshold_show_what_a_shifted_score_does(people, wanted) -> None:
    """All embeddings drawn to one point: scores rise, so that a float threshold lets in more."""
    found = measure.measure(unit(wanted + 0.4 * unit(np.ones((1, DIM)))), wanted, people)
    row = next(row for row in found.at_far if row.far == FAR)
    assert row.far_at_float.value > 1.5 * FAR
    assert row.threshold > row.float_threshold
    assert row.tar_at_float.value > row.tar.value
    assert found.spread.impostor_mean > found.float_spread.impostor_mean + 0.05


def test_identification_counts_right_first_places(people, wanted) -> None:
    """People swapped pairwise in the artefact's probes would be wrong; the same ones are right."""
    one, three = measure.measure(wanted, wanted, people).identification
    assert (one.templates, three.templates, one.people) == (1, 3, PEOPLE)
    assert 0.5 < one.rate.value <= three.rate.value <= 1
    clear = unit(np.eye(PEOPLE, DIM + 8)[people.people] + 1e-3)
    perfect = measure.identification(clear, clear, people.people, templates=1, seed=0)
    assert perfect.rate.value == 1


def test_bootstrap_interval_holds_the_difference_and_knows_a_real_one() -> None:
    rng = np.random.default_rng(2)
    owner = np.repeat(np.arange(100), 10)
    before = rng.random(1000) < 0.8
    after = before & (rng.random(1000) > 0.1)
    lost = measure.paired_difference(after, before, owner, seed=0)
    assert lost.low < lost.value < lost.high < 0
    assert lost.value == pytest.approx(after.mean() - before.mean())
    noise = measure.paired_difference(np.roll(before, 10), before, owner, seed=0)
    assert noise.low < 0 < noise.high


def test_bad_rows_are_counted_and_left_out(people, wanted) -> None:
    found = wanted.copy()
    found[3] = np.nan
    figures = measure.measure(found, wanted, people)
    assert figures.bad_rows == 1
    assert figures.agreement.minimum == pytest.approx(1, abs=1e-6)


def test_nothing_but_nan_is_refused(people, wanted) -> None:
    with pytest.raises(VerifyError, match="240 of 240 embeddings are NaN"):
        measure.measure(np.full_like(wanted, np.nan), wanted, people)


def test_embeddings_of_other_photos_are_refused(people, wanted) -> None:
    with pytest.raises(ValueError, match="one row per photo"):
        measure.measure(wanted[:-1], wanted[:-1], people)


def test_drift_of_one_group_alone_is_seen(people, wanted) -> None:
    hit = people.groups["race"] == "b"
    found = np.where(hit[:, None], unit(wanted + 0.1), wanted)
    a, b = measure.measure(found, wanted, people).drift
    assert (a.group, b.group) == ("a", "b")
    assert a.agreement == pytest.approx(1, abs=1e-6) and b.agreement < 0.97
    assert b.impostor_shift > a.impostor_shift + 0.01


def test_listed_pairs_are_compared_as_listed(people, wanted) -> None:
    first = np.arange(0, 240, 2)
    second = np.where(first % 4 == 0, first + 1, (first + 7) % 240)
    genuine = people.people[first] == people.people[second]
    pairs = Pairs(first, second, genuine, np.arange(len(first)) % 10)
    listed = replace(people, name="pairs", people=None, pairs=pairs, groups={})
    found = measure.measure(wanted, wanted, listed)
    assert found.accuracy is not None and found.accuracy.value == found.accuracy.float_value > 0.9
    assert found.accuracy.at_float_threshold.value == 0
    assert found.identification == [] and found.drift == []
    assert found.at_far == []  # sixty impostor pairs show no rate of 1 %


def test_decidability_falls_when_people_grow_alike(people, wanted) -> None:
    mixed = unit(wanted + 0.3 * np.random.default_rng(3).normal(size=wanted.shape))
    assert inputs.decidability(mixed, people) < inputs.decidability(wanted, people)
