"""The tracker: one visit is one person, whatever the frames bring."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.door.track import SETTINGS, Tracker, overlap
from edgeface.pipeline import Pipeline
from edgeface.schema import first_problem
from tests.door.heads import head_turned, jittered, with_noise
from tests.door.people import face, person


def numbers(tracker: Tracker, frames: list, *, step: float = 0.1) -> list[int | None]:
    tracks = [tracker.update(faces, at=step * index) for index, faces in enumerate(frames)]
    return [None if track is None else track.number for track in tracks]


def test_person_who_stays_keeps_the_number() -> None:
    frames = [[face(person(1, frame=k), x=100 + 5 * k)] for k in range(20)]
    assert numbers(Tracker(), frames) == [1] * 20


def test_track_says_its_age_and_frames() -> None:
    tracker = Tracker()
    for index in range(4):
        track = tracker.update([face(person(1, frame=index))], at=10 + 0.25 * index)
    assert (track.age_s, track.frames, track.swapped) == (0.75, 4, False)


def test_other_person_in_the_same_place_gets_a_new_number_and_is_said_to_be_swapped() -> None:
    tracker = Tracker()
    first = tracker.update([face(person(1))], at=0.0)
    second = tracker.update([face(person(2))], at=0.1)
    third = tracker.update([face(person(2, frame=1))], at=0.2)
    assert (first.number, second.number, third.number) == (1, 2, 2)
    assert (first.swapped, second.swapped, third.swapped) == (False, True, True)
    assert second.frames == 1 and second.age_s == 0


def test_person_who_comes_back_after_a_swap_gets_a_third_number() -> None:
    frames = [[face(person(1))], [face(person(2))], [face(person(1))]]
    assert numbers(Tracker(), frames) == [1, 2, 3]


def test_slow_morph_to_another_person_does_not_keep_the_number() -> None:
    one, other = person(1, likeness=1.0), person(2, likeness=1.0)
    mixes = [(1 - k / 60) * one + k / 60 * other for k in range(61)]
    frames = [[face((mix / np.linalg.norm(mix)).astype(np.float32))] for mix in mixes]
    assert numbers(Tracker(), frames)[-1] > 1


def test_face_missed_for_a_moment_keeps_the_number() -> None:
    frames = [[face(person(1))], [], [], [face(person(1, frame=1))]]
    assert numbers(Tracker(), frames) == [1, None, None, 1]


def test_face_gone_for_longer_gets_a_new_number() -> None:
    frames = [[face(person(1))], *[[]] * 8, [face(person(1, frame=1))]]
    assert numbers(Tracker(), frames)[-1] == 2


def test_frames_that_stay_away_count_as_a_face_that_left() -> None:
    tracker = Tracker()
    assert tracker.update([face(person(1))], at=0.0).number == 1
    assert tracker.update([face(person(1))], at=5.0).number == 2


def test_clock_that_runs_backwards_ends_the_visit() -> None:
    tracker = Tracker()
    assert tracker.update([face(person(1))], at=5.0).number == 1
    assert tracker.update([face(person(1))], at=4.9).number == 2


def test_same_person_elsewhere_gets_a_new_number() -> None:
    frames = [[face(person(1), x=0)], [face(person(1), x=500)]]
    assert numbers(Tracker(), frames) == [1, 2]


def test_largest_face_is_followed() -> None:
    crowd = [face(person(1), size=80), face(person(2), x=400, size=120)]
    assert Tracker().update(crowd, at=0.0).face is crowd[1]


def test_two_faces_of_nearly_one_size_do_not_flap() -> None:
    frames = [
        [face(person(1), size=100), face(person(2), x=400, size=95 + 10 * (k % 2))]
        for k in range(10)
    ]
    assert numbers(Tracker(), frames) == [1] * 10


def test_much_larger_face_takes_over_with_a_new_number() -> None:
    tracker = Tracker()
    tracker.update([face(person(1))], at=0.0)
    faces = [face(person(1, frame=1)), face(person(2), x=400, size=130)]
    track = tracker.update(faces, at=0.1)
    assert track.face is faces[1] and track.number == 2 and not track.swapped


def test_bystander_is_not_followed_while_the_face_is_missed_for_a_moment() -> None:
    near, far = face(person(1), size=100), face(person(2), x=400, size=60)
    assert numbers(Tracker(), [[near, far], [far], [near, far]]) == [1, None, 1]


def test_blurred_frames_do_not_dilute_who_is_followed() -> None:
    blurred = [[face(person(1, likeness=0.5, frame=k), reasons=("blurred",))] for k in range(1, 12)]
    other = [face(person(2))]
    frames = [[face(person(1))], *blurred, [face(person(1, frame=20))], other]
    assert numbers(Tracker(), frames) == [1] * 13 + [2]


def test_embedding_that_is_no_number_is_nobody() -> None:
    tracker = Tracker()
    tracker.update([face(person(1))], at=0.0)
    assert tracker.update([face(np.full(512, np.nan, np.float32))], at=0.1).number == 2


boxes = st.tuples(st.integers(1, 4), st.integers(0, 3), st.sampled_from([60.0, 100.0, 140.0]))
frames_and_gaps = st.lists(
    st.tuples(
        st.lists(boxes, max_size=3, unique_by=lambda box: box[0]),
        st.sampled_from([-0.5, 0.0, 0.05, 0.1, 0.1, 0.1, 0.5, 0.9, 3.0]),
        st.sampled_from([(), (), ("blurred",)]),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(frames_and_gaps)
def test_one_number_is_one_person_without_a_gap(sequence: list) -> None:
    """Never two people, never a gap, never a number that was there before."""
    tracker, at = Tracker(), 100.0
    who_has: dict[int, int] = {}
    last_number, last_at, frames = 0, at, 0
    for index, (people, gap, reasons) in enumerate(sequence):
        at += gap
        faces = [
            face(person(who, frame=index), x=place * 120.0, size=size, reasons=reasons)
            for who, place, size in people
        ]
        track = tracker.update(faces, at=at)
        if track is None:
            continue
        assert any(track.face is one for one in faces)
        who = people[[one is track.face for one in faces].index(True)][0]
        assert who_has.setdefault(track.number, who) == who
        assert track.number - last_number in (0, 1)
        if track.number == last_number:
            assert 0 <= at - last_at <= 0.8
            assert track.frames == frames + 1 and track.age_s >= 0
        else:
            assert track.frames == 1 and track.age_s == 0
        last_number, last_at, frames = track.number, at, track.frames


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 10, 10), 1 / 3),
        ((0, 0, 10, 10), (20, 0, 10, 10), 0.0),
        ((0, 0, 10, 10), (10, 10, 5, 5), 0.0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
    ],
)
def test_overlap(first: tuple, second: tuple, expected: float) -> None:
    assert overlap(first, second) == pytest.approx(expected)


def test_settings_are_what_the_tracker_takes() -> None:
    parameters = inspect.signature(Tracker).parameters
    assert set(SETTINGS["properties"]) == set(parameters)
    for name, schema in SETTINGS["properties"].items():
        assert f"default {parameters[name].default}" in schema["description"]
    table = {name: parameter.default for name, parameter in parameters.items()}
    assert first_problem(table, SETTINGS) is None
    assert isinstance(Tracker.from_settings(table, base=Path()), Tracker)


@pytest.mark.parametrize(
    "wrong",
    [{"same_person": 0.0}, {"min_overlap": 1.5}, {"lost_after_s": 0.0}, {"takeover_ratio": 0.5}],
)
def test_value_that_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Tracker(**wrong)


def test_real_person_who_moves_and_turns_keeps_the_number(
    pipeline: Pipeline, astronaut_bgr: np.ndarray
) -> None:
    landmarks = pipeline.largest_face(astronaut_bgr).landmarks
    tracker = Tracker()
    for index, degrees in enumerate((0, 0, 5, 10, 15, 20, 25, 20, 10, 0, -10, -20, -30, -15, 0)):
        image = head_turned(astronaut_bgr, landmarks, degrees=degrees)
        image = with_noise(jittered(image, seed=index, move=2), sigma=3, seed=index)
        assert tracker.update(pipeline.analyze(image), at=0.1 * index).number == 1


def test_real_person_who_takes_anothers_place_gets_a_new_number(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    collins = pipeline.largest_face(astronaut_bgr)
    hopper = pipeline.largest_face(grace_hopper_bgr)
    moved = face(hopper.embedding, x=collins.box[0], y=collins.box[1], size=collins.box[2])
    tracker = Tracker()
    assert tracker.update([collins], at=0.0).number == 1
    track = tracker.update([moved], at=0.1)
    assert track.number == 2 and track.swapped
