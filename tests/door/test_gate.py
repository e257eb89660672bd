"""The gate adds the door's limits to the bundle's; the best shots are those people look best in."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.door.gate import SETTINGS, BestShot, Gate, shot_score
from edgeface.door.track import Track
from edgeface.pipeline import Pipeline
from edgeface.schema import first_problem
from tests.door.people import face, person

SHAPE = (480, 640, 3)
ALONE = face(person(1), x=270, y=190)


def test_good_face_alone_passes() -> None:
    assert Gate().broken(ALONE, [ALONE], shape=SHAPE) == ()


@pytest.mark.parametrize(
    ("reason", "measured"),
    [
        ("small", {"eye_distance_px": 20.0}),
        ("blurred", {"sharpness": 0.01}),
        ("side_pose", {"yaw": -0.4}),
        ("dark", {"brightness": 35.0}),
        ("bright", {"brightness": 230.0}),
        ("cut_off", {"visible": 0.92}),
    ],
)
def test_door_is_stricter_than_the_bundle(reason: str, measured: dict) -> None:
    one = face(person(1), x=270, y=190, **measured)
    assert Gate().broken(one, [one], shape=SHAPE) == (reason,)


def test_loose_limits_do_not_take_the_bundles_away() -> None:
    loose = Gate(**dict.fromkeys(("min_eye_distance_px", "min_sharpness", "min_visible"), 0))
    one = face(person(1), x=270, y=190, reasons=("small", "cut_off"))
    assert loose.broken(one, [one], shape=SHAPE) == ("small", "cut_off")


def test_reason_of_bundle_and_door_is_said_once() -> None:
    one = face(person(1), x=270, y=190, reasons=("small",), eye_distance_px=5.0)
    assert Gate().broken(one, [one], shape=SHAPE) == ("small",)


def test_measure_that_is_no_number_breaks_its_limit() -> None:
    one = face(person(1), x=270, y=190, sharpness=float("nan"))
    assert Gate().broken(one, [one], shape=SHAPE) == ("blurred",)


def test_second_face_close_by_is_one_too_many() -> None:
    second = face(person(2), x=20, size=60)
    assert Gate().broken(ALONE, [ALONE, second], shape=SHAPE) == ("several_faces",)


def test_larger_second_face_is_one_too_many() -> None:
    second = face(person(2), x=20, size=300)
    assert "several_faces" in Gate().broken(ALONE, [second, ALONE], shape=SHAPE)


def test_bystander_far_behind_does_not_count() -> None:
    second = face(person(2), x=20, size=50)
    assert Gate().broken(ALONE, [ALONE, second], shape=SHAPE) == ()


def test_face_outside_the_region_is_off_centre() -> None:
    gate = Gate(region=(0.5, 0.0, 1.0, 1.0))
    left = face(person(1), x=20, y=190)
    assert gate.broken(left, [left], shape=SHAPE) == ("off_centre",)
    assert gate.broken(ALONE, [ALONE], shape=SHAPE) == ()


def test_region_that_is_inside_out_is_refused() -> None:
    with pytest.raises(ValueError, match="left < right"):
        Gate(region=(0.9, 0.0, 0.1, 1.0))


def test_limit_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="min_yaw"):
        Gate(min_yaw=0.1)


def test_settings_have_the_defaults_that_the_gate_has() -> None:
    properties = SETTINGS["properties"]
    assert set(properties) == {*Gate.DEFAULTS, "second_face_ratio", "region"}
    for name, value in Gate.DEFAULTS.items():
        assert f"default {value}" in properties[name]["description"]
    table = {**Gate.DEFAULTS, "second_face_ratio": 0.3, "region": [0, 0, 1, 1]}
    assert first_problem(table, SETTINGS) is None
    assert Gate.from_settings(table, base=Path()).broken(ALONE, [ALONE], shape=SHAPE) == ()


def test_real_portrait_passes_and_two_side_by_side_do_not(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, photos: Path
) -> None:
    faces = pipeline.analyze(astronaut_bgr)
    assert Gate().broken(faces[0], faces, shape=astronaut_bgr.shape) == ()
    both = cv2.imread(str(photos / "both.jpg"))
    faces = pipeline.analyze(both)
    assert "several_faces" in Gate(second_face_ratio=0.2).broken(faces[0], faces, shape=both.shape)


def track(number: int, **measured: float) -> Track:
    return Track(number, face(person(number), **measured), 0.0, 1, False)


def test_best_frames_are_kept_best_first() -> None:
    shots = BestShot(keep=2)
    for at, sharpness in enumerate((0.02, 0.05, 0.01, 0.04)):
        shots.add(track(1, sharpness=sharpness), broken=(), at=float(at))
    assert [shot.at for shot in shots.best()] == [1.0, 3.0]
    assert shots.best()[0].score == pytest.approx(1.0)


def test_broken_frame_is_not_kept() -> None:
    shots = BestShot()
    shots.add(track(1), broken=("several_faces",), at=0.0)
    assert shots.best() == ()


@pytest.mark.parametrize("following", [None, track(2)])
def test_visits_frames_are_forgotten_with_it(following: Track | None) -> None:
    shots = BestShot()
    shots.add(track(1), broken=(), at=0.0)
    shots.add(following, broken=("dark",), at=0.1)
    assert shots.best() == ()


def test_score_falls_with_blur_size_and_pose() -> None:
    def score(**measured: float) -> float:
        return shot_score(face(person(1), **measured).quality)

    assert score() == 1.0
    for worse in ({"sharpness": 0.02}, {"eye_distance_px": 30.0}, {"yaw": -0.3}, {"yaw": 0.3}):
        assert 0 < score(**worse) < 0.6
    assert score(yaw=0.9) == 0.0


def test_no_frames_to_keep_is_refused() -> None:
    with pytest.raises(ValueError, match="keep is 0"):
        BestShot(keep=0)
