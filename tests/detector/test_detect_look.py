"""The second look: geometry of close-ups, and the whole detector on pictures of any size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from edgeface.backends.onnx import OnnxBackend
from edgeface.detect import Detector
from edgeface.detect_grid import Candidates, Detection
from edgeface.detect_look import LOOK_FACE, LOOK_SIDE, LOOK_UNIT, close_up, settle
from export import detector_net, detector_scene
from export.detector_net import DetectorNet
from export.detector_quantise import export_float, stage_entry


def turned_face(*, size: float, centre, degrees: float) -> Detection:
    """A face of a size, turned, with landmarks at the mean face's places."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array(detector_net.MEAN_FACE) @ turn.T * size + centre
    box = (centre[0] - size / 2, centre[1] - size / 2, size, size)
    return Detection(box, 0.9, points.astype(np.float32))


def drawn(face: Detection, *, height: int, width: int) -> np.ndarray:
    """A grey picture with a white disc at every landmark."""
    image = np.full((height, width, 3), 90, np.uint8)
    radius = max(2, round(face.box[2] * 0.05))
    for x, y in face.landmarks:
        cv2.circle(image, (round(float(x)), round(float(y))), radius, (255,) * 3, -1, cv2.LINE_AA)
    return image


@pytest.mark.parametrize("degrees", [0, 35, -35, 90])
@pytest.mark.parametrize("size", [30, 64, 150, 700])
def test_a_close_up_shows_the_face_upright_in_the_middle_at_one_size(size, degrees) -> None:
    face = turned_face(size=size, centre=(820, 760), degrees=degrees)
    look = close_up(drawn(face, height=1500, width=1600), face)
    assert look.crop.shape == (LOOK_SIDE, LOOK_SIDE, 3)
    for x, y in np.array(detector_net.MEAN_FACE) * LOOK_FACE + LOOK_SIDE / 2:
        spot = look.crop[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
        assert spot.mean() > 180, "a landmark's disc is where the upright mean face has it"


@pytest.mark.parametrize("degrees", [0, 20, -70])
def test_settled_landmarks_return_to_image_pixels(degrees) -> None:
    face = turned_face(size=120, centre=(200, 150), degrees=degrees)
    look = close_up(np.zeros((300, 400, 3), np.uint8), face)
    shape = np.array(detector_net.MEAN_FACE) * LOOK_FACE / LOOK_UNIT
    found = Candidates(np.array([[16.0, 16, 64, 64]]), np.array([0.7]), np.zeros((1, 5, 2)))
    settled = settle(face, look, shape=shape.astype(np.float32), found=found)
    np.testing.assert_allclose(settled.landmarks, face.landmarks, atol=0.01)
    assert settled.landmarks.dtype == np.float32
    assert settled.box == face.box
    assert settled.score == pytest.approx(0.9**0.15 * 0.7**0.85)
    nothing = Candidates(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))
    assert settle(face, look, shape=shape, found=nothing).score == 0


@pytest.mark.parametrize("centre", [(0, 0), (99, 0), (-30, 40), (130, 130)])
def test_a_face_across_or_beyond_the_edge_gets_a_close_up_with_black(centre) -> None:
    face = turned_face(size=60, centre=centre, degrees=5)
    crop = close_up(np.full((100, 100, 3), 200, np.uint8), face).crop
    assert crop.shape == (LOOK_SIDE, LOOK_SIDE, 3)
    assert (crop == 0).any()


def test_runtime_and_training_cut_the_same_close_ups() -> None:
    assert detector_scene.CLOSE_SIDE == LOOK_SIDE
    assert detector_scene.CLOSE_FACE == LOOK_FACE
    assert detector_net.SHAPE_STRIDE == LOOK_UNIT


@pytest.fixture(scope="module")
def eager(tmp_path_factory) -> Detector:
    """An untrained network on the real runtime that takes almost anything for a face."""
    torch.manual_seed(1)
    net = DetectorNet()
    with torch.no_grad():
        net.heads[0].score.bias.fill_(0.5)
    path = tmp_path_factory.mktemp("detector") / "detector.onnx"
    export_float(net, path)
    with OnnxBackend(path.read_bytes(), name="detector") as backend:
        yield Detector(stage_entry(precision="float32", score_threshold=0.5), backend)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 5000), (40, 30), (97, 320), (321, 50), (9000, 12000)]
)
def test_pictures_of_any_size_give_finite_faces_best_first(eager, height, width) -> None:
    faces = eager.detect(np.full((height, width, 3), 60, np.uint8))
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    assert faces, "this network sees faces everywhere"
    for face in faces:
        assert np.isfinite(face.box).all()
        assert np.isfinite(face.landmarks).all()
        assert face.landmarks.shape == (5, 2)


def test_many_faces_are_looked_at_in_groups_with_the_same_result_as_alone(eager) -> None:
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    faces = eager.detect(image)
    assert len(faces) > 16
    alone = eager._look_again(image, [faces[-1]])[0]
    again = eager._look_again(image, list(faces[-3:]))[-1]
    np.testing.assert_allclose(alone.landmarks, again.landmarks, atol=0.05)
