"""Who is it: the decision, and that ranking is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.gallery import Candidate, Gallery
from tests.faults import ram_folder

AXES = np.eye(512, dtype=np.float32)


def between(cosine: float, axis: int = 1) -> np.ndarray:
    """A unit vector at the given cosine to axis 0."""
    return (cosine * AXES[0] + np.sqrt(1 - cosine**2) * AXES[axis]).astype(np.float32)


@pytest.fixture
def three(gallery):
    """Cosines to axis 0: Ann 0.8 (and 0.1), Bob 0.75, Cyd 0."""
    gallery.enroll("Ann", np.stack([between(0.1, 1), between(0.8, 2)]))
    gallery.enroll("Bob", between(0.75, 3)[None])
    gallery.enroll("Cyd", AXES[4:5])
    return gallery


def test_empty_gallery_knows_nobody(gallery):
    answer = gallery.identify(AXES[0], threshold=-1, margin=0)
    assert (answer.identity, answer.score, answer.candidates) == (None, None, ())
    assert answer.reason == "empty_gallery"


def test_best_person_above_threshold_and_margin_is_the_identity(three):
    answer = three.identify(AXES[0], threshold=0.5, margin=0.03)
    assert (answer.identity, answer.reason) == ("Ann", "match")
    assert answer.score == pytest.approx(0.8, abs=1e-6)
    assert [candidate.name for candidate in answer.candidates] == ["Ann", "Bob", "Cyd"]


def test_below_threshold_is_nobody_with_candidates(three):
    answer = three.identify(AXES[0], threshold=0.81, margin=0)
    assert (answer.identity, answer.reason) == (None, "below_threshold")
    assert answer.candidates[0] == Candidate("Ann", answer.score)


def test_second_person_within_the_margin_is_nobody(three):
    answer = three.identify(AXES[0], threshold=0.5, margin=0.06)
    assert (answer.identity, answer.reason) == (None, "within_margin")


def test_margin_holds_even_when_one_candidate_is_asked_for(three):
    answer = three.identify(AXES[0], threshold=0.5, margin=0.06, top_k=1)
    assert (answer.reason, len(answer.candidates)) == ("within_margin", 1)


def test_a_persons_own_second_template_is_no_rival(gallery):
    gallery.enroll("Ann", np.stack([between(0.80), between(0.79)]))
    assert gallery.identify(AXES[0], threshold=0.5, margin=0.5).identity == "Ann"


def test_the_same_face_under_two_names_is_nobody(gallery):
    gallery.enroll("Ann", AXES[:1])
    gallery.enroll("Bob", AXES[:1])
    answer = gallery.identify(AXES[0], threshold=0.5, margin=0.01)
    assert (answer.identity, answer.reason) == (None, "within_margin")
    assert [candidate.name for candidate in answer.candidates] == ["Ann", "Bob"]


def test_exact_tie_is_nobody_even_without_a_margin(gallery):
    gallery.enroll("Ann", AXES[:1])
    gallery.enroll("Bob", AXES[:1])
    assert gallery.identify(AXES[0], threshold=0.5, margin=0).reason == "within_margin"


def test_lead_equal_to_the_margin_is_a_match(gallery):
    gallery.enroll("Ann", AXES[:1])
    gallery.enroll("Bob", between(0.5)[None])
    assert gallery.identify(AXES[0], threshold=0.5, margin=0.5).identity == "Ann"


def test_score_equal_to_the_threshold_is_a_match(gallery):
    gallery.enroll("Ann", AXES[:1])
    assert gallery.identify(AXES[0], threshold=1.0, margin=0).identity == "Ann"


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"threshold": 1.01}, ValueError, "threshold is 1.01; expected -1 to 1"),
        ({"threshold": float("nan")}, ValueError, "threshold is nan"),
        ({"threshold": None}, TypeError, "threshold is a number, not NoneType"),
        ({"threshold": True}, TypeError, "threshold is a number, not bool"),
        ({"margin": -0.01}, ValueError, "margin is -0.01; expected 0 to 2"),
        ({"margin": "0.1"}, TypeError, "margin is a number, not str"),
        ({"top_k": 0}, ValueError, "top_k is 0; expected a whole number of at least 1"),
    ],
)
def test_limits_out_of_range_are_refused(three, options, kind, text):
    with pytest.raises(kind, match=text):
        three.identify(AXES[0], **{"threshold": 0.5, "margin": 0.03, **options})


@pytest.mark.parametrize(
    ("probe", "kind", "text"),
    [
        (AXES[:1], ValueError, r"shape \(1, 512\), expected \(512,\)"),
        (AXES[0].astype(np.float64), TypeError, "dtype float64"),
        (AXES[0] * np.float32(0), ValueError, "norm 0"),
        (np.full(512, np.nan, np.float32), ValueError, "NaN"),
        ([1.0] + [0.0] * 511, TypeError, "not list"),
    ],
)
def test_probe_that_is_no_embedding_is_refused(three, probe, kind, text):
    with pytest.raises(kind, match=text):
        three.identify(probe, threshold=0.5, margin=0.03)
    with pytest.raises(kind, match=text):
        three.verify("Ann", probe, threshold=0.5)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 7), min_size=1, max_size=12),
    top_k=st.integers(1, 14),
    seed=st.integers(0, 2**32 - 1),
    threshold=st.floats(-1, 1),
    margin=st.floats(0, 0.5),
)
def test_identify_equals_brute_force(counts, top_k, seed, threshold, margin):
    random = np.random.default_rng(seed)
    # Few dimensions: close scores, many rivals, several templates of one person at the top.
    rows = random.standard_normal((sum(counts), 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    people = np.repeat(np.arange(len(counts)), counts)
    probe = rows[0] + random.standard_normal(8).astype(np.float32) * np.float32(0.3)
    probe /= np.linalg.norm(probe)

    cosines = rows.astype(np.float64) @ probe.astype(np.float64)
    expected = sorted(
        ((cosines[people == person].max(), f"p{person}") for person in range(len(counts))),
        reverse=True,
    )
    with ram_folder() as folder, Gallery.open(folder / "g.db", model_id="test", dim=8) as gallery:
        for person in range(len(counts)):
            gallery.enroll(f"p{person}", rows[people == person])
        answer = gallery.identify(probe, threshold=threshold, margin=margin, top_k=top_k)

    assert [candidate.name for candidate in answer.candidates] == [
        name for _, name in expected[:top_k]
    ]
    scores = [candidate.score for candidate in answer.candidates]
    np.testing.assert_allclose(scores, [score for score, _ in expected[:top_k]], atol=1e-6)
    lead = expected[0][0] - expected[1][0] if len(expected) > 1 else 2.0
    if abs(expected[0][0] - threshold) > 1e-6 and abs(lead - margin) > 1e-6:
        matches = expected[0][0] >= threshold and lead >= margin  # no ties: random
        assert answer.identity == (expected[0][1] if matches else None)
