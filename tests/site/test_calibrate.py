"""A site's calibration: what it counts, what it suggests, and what it does not claim."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgeface.bundle import Bundle
from edgeface.door.threshold import threshold_for
from edgeface.gallery_person import PersonRecord
from edgeface.site.bulk import Incoming, import_people
from edgeface.site.calibrate import Calibration, calibration
from edgeface.site.people import People
from tests.bench.site_people import plain_crowd
from tests.site.people import BY, DIM, faces

THRESHOLDS = {
    "by_far": [
        {"far": 0.1, "cosine": 0.2},
        {"far": 0.01, "cosine": 0.3},
        {"far": 1e-3, "cosine": 0.4},
    ],
    "default_far": 10.0**-3,
    "margin": 0.05,
}
TIME = "2026-11-28T12:00:00Z"


def calibrated(site, *, target: float = 0.01, events=None) -> Calibration:
    return calibration(site.people, events or {}, thresholds=THRESHOLDS, target=target)


@pytest.fixture
def large(database) -> People:
    """150 people with two templates each and 50 with one, of 512 numbers."""
    people, crowd = People(database, model_id="model-a", dim=512), plain_crowd(cosine=0.6)
    who = crowd.people(200, seed=1)
    photos = [crowd.photos(who, seed=seed) for seed in (2, 3)]
    incoming = [
        Incoming(
            PersonRecord(f"person {n}", TIME), np.stack([p[n] for p in photos[: 2 - n // 150]])
        )
        for n in range(200)
    ]
    import_people(people, incoming, by=BY)
    return people


def test_every_pair_is_counted_once_in_its_bin(site):
    rows = [faces(2, seed=n) for n in range(5)]
    for number, pair in enumerate(rows):
        site.people.enrol(f"person {number}", pair, by=BY)
    found = calibrated(site)
    whole = np.concatenate(rows)
    cosines = (whole @ whole.T)[np.triu_indices(10, 1)]
    assert (sum(found.genuine), sum(found.impostor)) == (5, 40)
    both = np.add(found.genuine, found.impostor)
    assert both.tolist() == np.histogram(cosines, found.edges)[0].tolist()
    assert (found.people, found.templates, found.compared, found.with_two) == (5, 10, 5, 5)


def test_events_are_a_histogram_of_their_own(site):
    found = calibrated(
        site, events={"recognised": np.float32([0.71, 0.72]), "unknown": faces(1)[0]}
    )
    assert {reason: sum(counts) for reason, counts in found.events.items()} == {
        "recognised": 2,
        "unknown": DIM,
    }
    assert np.flatnonzero(found.events["recognised"]).tolist() == [85, 86]


def test_suggested_cosine_holds_the_target_and_a_door_with_its_setting_asks_for_it(large):
    found = calibration(large, {}, thresholds=THRESHOLDS, target=0.05)
    step = found.suggested
    assert step.stranger.high <= 0.05 and step.refused.low < step.refused.value < step.refused.high
    before = found.steps[found.steps.index(step) - 1]
    assert before.setting is None or before.stranger.high > 0.05
    door = threshold_for(
        THRESHOLDS["by_far"],
        false_accept_target=step.setting,
        comparisons=found.templates,
        least_cosine=0.4,
    )
    assert step.cosine <= door.cosine < step.cosine + 0.02
    assert "with 95 % confidence" in found.text


def test_the_setting_of_a_suggestion_is_one_that_doors_take(site, large):
    step = calibration(large, {}, thresholds=THRESHOLDS, target=0.05).suggested
    site.rules.put_decision({"false_accept_target": step.setting}, by=BY)
    assert site.rules.decision() == {"false_accept_target": step.setting}


def test_too_few_people_suggest_nothing_and_are_told_how_many_it_takes(large):
    found = calibration(large, {}, thresholds=THRESHOLDS, target=0.001)
    assert found.suggested is None and found.people_needed == 5989
    assert "200 people are too few to show a rate of 0.001: that takes 5989" in found.text
    assert found.now.text in found.text
    assert min(step.stranger.high for step in found.steps) > 0.001


def test_what_a_cosine_means_never_goes_the_wrong_way(large):
    steps = calibration(large, {}, thresholds=THRESHOLDS, target=0.05).steps
    for lower, higher in zip(steps, steps[1:]):
        assert higher.stranger.value <= lower.stranger.value
        assert higher.stranger.high <= lower.stranger.high + 1e-12
        assert higher.refused.value >= lower.refused.value
        if lower.setting and higher.setting:
            assert higher.setting <= lower.setting
    assert steps[0].refused.value == pytest.approx(0, abs=0.02)


def test_somebody_enrolled_under_two_names_is_found(site):
    for number in range(20):
        site.people.enrol(f"person {number}", faces(1, seed=number), by=BY)
    same = faces(1, seed=77)
    first, second = (site.people.enrol(name, same, by=BY).uid for name in ("Ada", "Ada L."))
    best = calibrated(site).alike[0]
    assert {best.uid, best.other} == {first, second} and best.cosine == pytest.approx(1)


def test_site_of_nobody_or_one_person_says_so_and_goes_by_the_bundle(site):
    for count in (0, 1):
        found = calibrated(site)
        assert (found.people, found.steps, found.suggested, found.now_step) == (
            count,
            (),
            None,
            None,
        )
        assert f"{count} people are too few" in found.text
        json.dumps(found.message(), allow_nan=False)
        site.enrol("Ada")


def test_people_of_one_template_each_say_nothing_of_refusals(site):
    for number in range(5):
        site.enrol(f"person {number}")
    found = calibrated(site)
    assert found.with_two == 0 and found.steps and all(step.refused is None for step in found.steps)


def test_of_too_many_people_the_same_ones_are_compared_and_count_for_all(large, monkeypatch):
    whole = calibration(large, {}, thresholds=THRESHOLDS, target=0.05)
    monkeypatch.setattr("edgeface.site.calibrate_scores.MOST_PEOPLE", 50)
    first, second = (calibration(large, {}, thresholds=THRESHOLDS, target=0.05) for _ in range(2))
    assert first.message() == second.message()
    assert (first.people, first.compared) == (200, 50)
    assert sum(first.impostor) < sum(whole.impostor)
    assert min(step.stranger.high for step in first.steps) > 3 / 50


def test_answer_is_json_and_has_the_words(large):
    found = calibration(large, {}, thresholds=Bundle.open().manifest["thresholds"], target=0.01)
    message = json.loads(json.dumps(found.message(), allow_nan=False))
    assert message["text"] == found.text and len(message["steps"]) == 101
    assert set(message["steps"][40]) == {"cosine", "stranger", "refused", "setting"}


@pytest.mark.parametrize("target", [0, -1, 0.2, float("nan")])
def test_target_out_of_range_is_refused(site, target):
    with pytest.raises(ValueError, match="target"):
        calibrated(site, target=target)
