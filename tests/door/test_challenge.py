"""The challenge: a head that turns as it was told passes, and nothing flat or frozen does."""

from __future__ import annotations

import inspect
import random
import tarfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.door.challenge import SETTINGS, Challenge
from edgeface.door.challenge_flat import flatness, view_of
from edgeface.door.track import Track
from edgeface.errors import DoorError
from edgeface.face import Face
from edgeface.pipeline import Pipeline
from edgeface.schema import first_problem
from tests.door.heads import head_turned, print_bent, print_tilted, with_noise

LEFT = (0, 5, 10, 15, 20, 25, 30, 30, 30, 20, 10)
RIGHT = (0, -10, -20, -30, -40, -40, -40, -30, -20, -10)
REST = (0,) * 5


class Drawn(random.Random):
    """Draws what it was told to."""

    def __init__(self, *steps: str) -> None:
        super().__init__(0)
        self.steps = list(steps)

    def choice(self, _: object) -> str:
        return self.steps.pop(0)


class Film:
    """A portrait turned by whole degrees, analysed once each."""

    def __init__(self, pipeline: Pipeline, portrait: np.ndarray) -> None:
        self.portrait = portrait
        self.landmarks = pipeline.largest_face(portrait).landmarks
        self.analyze = pipeline.analyze
        self.at = lru_cache(maxsize=None)(self._at)

    def _at(self, degrees: int) -> tuple[np.ndarray, Face]:
        image = head_turned(self.portrait, self.landmarks, degrees=degrees)
        return self.shown(with_noise(image, sigma=2, seed=degrees % 97))

    def shown(self, image: np.ndarray) -> tuple[np.ndarray, Face]:
        faces = self.analyze(image)
        assert faces, "the test's own picture shows no face"
        return image, faces[0]


@pytest.fixture(scope="module")
def film(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> Film:
    return Film(pipeline, np.ascontiguousarray(astronaut_bgr[:260, 90:350]))


def asked(film: Film, *steps: str, **settings: object) -> Challenge:
    challenge = Challenge(count=len(steps), draw=Drawn(*steps), **settings)
    challenge.start(Track(1, film.at(0)[1], 0.0, 1, False), at=0.0)
    return challenge


def play(challenge: Challenge, shots: Iterable, *, step: float = 0.1, begin: float = 0.1) -> str:
    for index, (image, face) in enumerate(shots):
        challenge.update(face, image, at=begin + step * index)
    return challenge.state


def turns(film: Film, *degrees: int) -> list:
    return [film.at(angle) for angle in degrees]


def test_head_that_turns_as_told_passes(film: Film) -> None:
    challenge = asked(film, "turn_left", "turn_right", "turn_left")
    assert (
        play(challenge, turns(film, *REST, *LEFT, *REST, *RIGHT, *REST, *LEFT, *REST)) == "passed"
    )


def test_instructions_follow_the_steps(film: Film) -> None:
    challenge = asked(film, "turn_left")
    seen = [challenge.step]
    for index, (image, face) in enumerate(turns(film, *REST, *LEFT, *REST)):
        challenge.update(face, image, at=0.1 + 0.1 * index)
        if challenge.step != seen[-1]:
            seen.append(challenge.step)
    assert seen == ["centre", "turn_left", "centre", None]
    assert challenge.instruction == ""


def test_wrong_side_first_fails(film: Film) -> None:
    challenge = asked(film, "turn_left")
    assert play(challenge, turns(film, *REST, *RIGHT)) == "failed"


def test_failed_stays_failed(film: Film) -> None:
    challenge = asked(film, "turn_left")
    assert play(challenge, turns(film, *REST, *RIGHT, *REST, *LEFT, *REST)) == "failed"


def test_mirrored_camera_has_the_sides_changed(film: Film) -> None:
    challenge = asked(film, "turn_left", mirrored=True)
    assert play(challenge, turns(film, *REST, *RIGHT, *REST)) == "passed"


def test_left_is_the_persons_left(film: Film) -> None:
    image, face = film.at(30)
    assert face.quality.yaw > 0.15, "the nose moved to the picture's right"


def test_head_that_does_not_come_back_has_not_passed(film: Film) -> None:
    challenge = asked(film, "turn_left")
    assert play(challenge, turns(film, *REST, *LEFT[:8])) == "asked"


def test_frozen_picture_never_passes(film: Film) -> None:
    challenge = asked(film, "turn_left")
    assert play(challenge, turns(film, *REST * 29)) == "asked"
    assert play(challenge, turns(film, *REST), begin=15.5) == "failed"


def test_too_slow_is_failed(film: Film) -> None:
    challenge = asked(film, "turn_left", time_limit_s=2.0)
    assert play(challenge, turns(film, *REST * 5, *LEFT, *REST)) == "failed"


def test_jump_from_frontal_to_turned_is_not_a_turn(film: Film) -> None:
    challenge = asked(film, "turn_left")
    assert play(challenge, turns(film, *REST, 30, 30, 30, 30, *REST)) == "asked"


def test_turn_behind_a_gap_is_not_a_turn(film: Film) -> None:
    challenge = asked(film, "turn_left")
    play(challenge, turns(film, *REST, 5, 15, 20))
    assert play(challenge, turns(film, 30, 30, 30, *REST), begin=2.0) == "asked"


def test_other_person_in_between_fails(
    film: Film, pipeline: Pipeline, grace_hopper_bgr: np.ndarray
) -> None:
    challenge = asked(film, "turn_left")
    other = (grace_hopper_bgr, pipeline.largest_face(grace_hopper_bgr))
    assert play(challenge, [*turns(film, *REST, 5, 15), other]) == "failed"


def test_embedding_that_is_no_number_fails(film: Film) -> None:
    image, face = film.at(0)
    broken = Face(face.box, 0.9, face.landmarks, face.quality, face.embedding * np.nan)
    assert play(asked(film, "turn_left"), [(image, broken)]) == "failed"


def test_clock_that_runs_backwards_fails(film: Film) -> None:
    challenge = asked(film, "turn_left")
    assert play(challenge, turns(film, 0), begin=-1.0) == "failed"


@pytest.mark.parametrize("distance", [3.0, 5.0])
@pytest.mark.parametrize("step", ["turn_left", "turn_right"])
def test_tilted_print_does_not_pass(film: Film, step: str, distance: float) -> None:
    angles = [*REST, *range(0, 52, 4), 50, 50, *range(48, -1, -4), *REST]
    angles += [-angle for angle in angles]
    shots = [
        film.shown(print_tilted(film.portrait, film.landmarks, degrees=angle, distance=distance))
        for angle in angles
    ]
    assert play(asked(film, step), shots) != "passed"


def test_print_is_flat_and_a_head_is_not(film: Film) -> None:
    frontal = view_of(film.portrait, film.landmarks)
    tilted, flat_face = film.shown(
        print_tilted(film.portrait, film.landmarks, degrees=40, distance=3)
    )
    turned, face = film.at(30)
    assert flatness(frontal, view_of(tilted, flat_face.landmarks)) > 0.98
    assert flatness(frontal, view_of(turned, face.landmarks)) < 0.95


def test_same_picture_is_as_flat_as_can_be(film: Film) -> None:
    frontal = view_of(film.portrait, film.landmarks)
    assert flatness(frontal, frontal) == pytest.approx(1.0, abs=1e-3)


def test_picture_without_anything_in_it_says_nothing(film: Film) -> None:
    empty = view_of(np.full_like(film.portrait, 128), film.landmarks)
    assert flatness(empty, empty) is None


def test_gently_bent_print_does_not_pass(film: Film) -> None:
    angles = [*REST, *range(0, 44, 4), 40, 40, *range(36, -1, -4), *REST]
    shots = [
        film.shown(print_bent(film.portrait, film.landmarks, degrees=angle, radius=2.5))
        for angle in angles
    ]
    assert play(asked(film, "turn_left"), shots) != "passed"


def test_order_is_drawn_anew() -> None:
    challenge = Challenge(count=8)
    face = Face((0, 0, 1, 1), 0.9, np.zeros((5, 2)), None, np.zeros(512))
    orders = set()
    for _ in range(50):
        challenge.start(Track(1, face, 0.0, 1, False), at=0.0)
        orders.add(tuple(challenge._steps))
    assert len(orders) > 30


def test_nothing_is_asked_before_start_or_after_stop(film: Film) -> None:
    challenge = Challenge()
    image, face = film.at(0)
    assert challenge.update(face, image, at=0.0) == "none" and challenge.step is None
    challenge.start(Track(1, face, 0.0, 1, False), at=0.0)
    challenge.stop()
    assert challenge.update(face, image, at=0.1) == "none"


def test_settings_have_the_defaults_that_the_challenge_has() -> None:
    parameters = dict(inspect.signature(Challenge).parameters)
    del parameters["draw"]
    assert set(SETTINGS["properties"]) == set(parameters)
    table = {name: parameter.default for name, parameter in parameters.items()}
    table["steps"] = list(table["steps"])
    assert first_problem(table, SETTINGS) is None
    for name in set(table) - {"steps", "mirrored"}:
        assert f"default {table[name]:g}" in SETTINGS["properties"][name]["description"]
    assert isinstance(Challenge.from_settings(table, base=Path()), Challenge)


def test_turned_face_that_would_count_as_frontal_is_refused() -> None:
    with pytest.raises(DoorError, match="turn_yaw the larger"):
        Challenge.from_settings({"turn_yaw": 0.15, "centre_yaw": 0.2}, base=Path())


@pytest.mark.parametrize("wrong", [{"steps": ()}, {"steps": ("nod",)}, {"count": 0}])
def test_challenge_of_nothing_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="steps are"):
        Challenge(**wrong)


def frontal_photos(folder: Path, pipeline: Pipeline, *, count: int) -> Iterable[tuple]:
    with tarfile.open(folder / "celeba240" / "scenes320.tar") as photos:
        for member in photos:
            data = np.frombuffer(photos.extractfile(member).read(), np.uint8)
            image = cv2.imdecode(data, cv2.IMREAD_COLOR)
            faces = pipeline.analyze(image)
            if faces and abs(faces[0].quality.yaw) < 0.08 and faces[0].quality.eye_distance_px > 30:
                yield image, faces[0]
                count -= 1
            if not count:
                return


def test_tilted_prints_of_many_people_are_flat_and_their_heads_are_not(
    data_folder: Path, pipeline: Pipeline
) -> None:
    flat, round_ones = [], []
    for image, face in frontal_photos(data_folder, pipeline, count=12):
        rest = view_of(with_noise(image, sigma=4, seed=1), face.landmarks)
        for clip, degrees in ((flat, 40), (flat, -40), (round_ones, 30)):
            make = print_tilted if clip is flat else head_turned
            turned = with_noise(make(image, face.landmarks, degrees=degrees), sigma=4, seed=2)
            for seen in pipeline.analyze(turned)[:1]:
                clip.append(flatness(rest, view_of(turned, seen.landmarks)))
    assert len(flat) > 18 and min(flat) > 0.965
    assert len(round_ones) > 6 and max(round_ones) < 0.965
