"""From a photo to its faces, with the shipped models on real photos."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from edgeface.errors import BundleError, InferenceError, NoFaceError
from edgeface.pipeline import Pipeline


def _turned(image: np.ndarray, degrees: float) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def test_face_is_found_where_it_is(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> None:
    (face,) = pipeline.analyze(astronaut_bgr)
    x, y, width, height = face.box
    assert 160 < x < 200 and 50 < y < 90 and 75 < width < 125 and 95 < height < 150
    right_eye, left_eye, nose, *mouth = face.landmarks
    assert np.linalg.norm(right_eye - (204, 103)) < 6
    assert np.linalg.norm(left_eye - (247, 105)) < 6
    assert right_eye[0] < nose[0] < left_eye[0] and nose[1] < min(point[1] for point in mouth)
    assert 0.5 < face.score <= 1
    assert face.embedding.shape == (512,) and face.embedding.dtype == np.float32
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image[:, ::-1],
        lambda image: _turned(image, 10),
        lambda image: cv2.convertScaleAbs(image, alpha=0.5),
        lambda image: cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
        lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    ],
    ids=["mirrored", "turned", "darker", "smaller", "grey"],
)
def test_changed_photo_is_still_the_same_person(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, change
) -> None:
    result = pipeline.verify(astronaut_bgr, change(astronaut_bgr))
    assert result.same and result.score >= result.threshold


def test_strangers_are_not_the_same_person(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    result = pipeline.verify(astronaut_bgr, grace_hopper_bgr)
    assert not result.same and result.score < result.threshold
    assert not result  # "if pipeline.verify(a, b)" must not open a door to strangers


def test_threshold_follows_the_asked_false_accept_rate(
    pipeline: Pipeline, astronaut_bgr: np.ndarray
) -> None:
    face = pipeline.largest_face(astronaut_bgr)
    for row in pipeline.bundle.manifest["thresholds"]["by_far"]:
        assert pipeline.compare(face, face, far=row["far"]).threshold == row["cosine"]
    with pytest.raises(ValueError, match="0.123"):
        pipeline.compare(face, face, far=0.123)


def test_largest_face_comes_first(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    scene = np.hstack([astronaut_bgr, grace_hopper_bgr[:512]])
    faces = pipeline.analyze(scene)
    areas = [face.box[2] * face.box[3] for face in faces]
    assert len(faces) == 2 and areas == sorted(areas, reverse=True)
    hopper = pipeline.embedding(grace_hopper_bgr)
    assert faces[0].embedding @ hopper > faces[1].embedding @ hopper


def test_ten_faces_are_ten(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> None:
    head = astronaut_bgr[20:220, 120:320]
    faces = pipeline.analyze(np.vstack([np.hstack([head] * 5)] * 2))
    assert len(faces) == 10
    cells = {(int(f.landmarks[2, 0] // 200), int(f.landmarks[2, 1] // 200)) for f in faces}
    assert len(cells) == 10


def test_face_over_the_edge_is_found_and_said_to_be_cut_off(
    pipeline: Pipeline, astronaut_bgr: np.ndarray
) -> None:
    faces = pipeline.analyze(astronaut_bgr[85:])  # just above the eyes
    assert [face.quality.reasons for face in faces] == [("cut_off",)]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.full((240, 320, 3), 128, np.uint8),
        np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8),
        np.zeros((1, 4000, 3), np.uint8),
        np.zeros((4000, 1, 3), np.uint8),
    ],
    ids=["one_pixel", "grey", "noise", "one_row", "one_column"],
)
def test_nobody_is_found_where_nobody_is(pipeline: Pipeline, image: np.ndarray) -> None:
    assert pipeline.analyze(image) == ()


def test_no_face_error_says_in_which_photo(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> None:
    empty = np.zeros((120, 160, 3), np.uint8)
    with pytest.raises(NoFaceError, match=r"the second image \(160x120"):
        pipeline.verify(astronaut_bgr, empty)
    with pytest.raises(NoFaceError, match="the first image"):
        pipeline.verify(empty, astronaut_bgr)
    with pytest.raises(NoFaceError, match="the image"):
        pipeline.embedding(empty)


def test_wrong_second_image_is_noticed_before_the_work(pipeline: Pipeline) -> None:
    with pytest.raises(TypeError, match="second image is a str"):
        pipeline.verify(np.zeros((9, 9, 3), np.uint8), "b.jpg")


def test_photo_is_not_changed(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> None:
    image = astronaut_bgr.copy()
    pipeline.analyze(image)
    assert (image == astronaut_bgr).all()


def test_timings_name_every_stage(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> None:
    analysis = pipeline.analyze_timed(astronaut_bgr)
    assert list(analysis.milliseconds) == ["detect", "align", "embed"]
    assert all(spent > 0 for spent in analysis.milliseconds.values())
    assert len(analysis.faces) == 1


def test_threads_may_share_a_pipeline(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    photos = [astronaut_bgr, grace_hopper_bgr, astronaut_bgr[:, ::-1], grace_hopper_bgr[:, ::-1]]
    alone = [pipeline.embedding(photo) for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(pipeline.embedding, photos * 4))
    for index, embedding in enumerate(together):  # nobody gets another photo's answer
        assert embedding @ alone[index % 4] > 0.9999


def test_quality_is_measured_on_the_faces_own_landmarks(
    pipeline: Pipeline, astronaut_bgr: np.ndarray
) -> None:
    face = pipeline.largest_face(astronaut_bgr)
    eyes = face.landmarks[1] - face.landmarks[0]
    assert face.quality.eye_distance_px == pytest.approx(np.linalg.norm(eyes), rel=1e-5)


def test_results_cannot_be_changed(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        pipeline.largest_face(astronaut_bgr).score = 1.0


def test_closed_pipeline_refuses(astronaut_bgr: np.ndarray) -> None:
    with Pipeline.open() as opened:
        pass
    with pytest.raises(InferenceError, match="closed"):
        opened.analyze(astronaut_bgr)


def test_environment_names_the_bundle(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFACE_BUNDLE", str(tmp_path / "absent.efb"))
    with pytest.raises(BundleError, match="absent.efb"):
        Pipeline.open()
