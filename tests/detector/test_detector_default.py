"""The default bundle's detector on real photos that come with Python packages."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from export import detector_canvas


def face_box_overlaps(face, box) -> bool:
    low = np.maximum(face.box[:2], box[:2])
    high = np.minimum(np.add(face.box[:2], face.box[2:]), np.add(box[:2], box[2:]))
    shared = np.prod(np.maximum(high - low, 0))
    return shared / (face.box[2] * face.box[3] + box[2] * box[3] - shared) > 0.5


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
def test_the_portrait_is_found_at_its_place_whatever_the_photos_size(
    pipeline, astronaut_bgr, scale
) -> None:
    photo = cv2.resize(astronaut_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    best = pipeline.analyze(photo)[0]
    assert face_box_overlaps(best, np.array([178, 65, 91, 111]) * scale)


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
def test_a_tilted_head_is_found_and_its_landmarks_tilt_with_it(
    pipeline, grace_hopper_bgr, degrees
) -> None:
    height, width = grace_hopper_bgr.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    upright = pipeline.analyze(grace_hopper_bgr)[0].landmarks
    tilted = pipeline.analyze(cv2.warpAffine(grace_hopper_bgr, turn, (width, height)))[0].landmarks
    expected = upright @ turn[:, :2].T + turn[:, 2]
    eyes = np.linalg.norm(upright[0] - upright[1])
    assert np.linalg.norm(tilted - expected, axis=1).mean() < 0.15 * eyes


def test_landmarks_are_in_the_order_that_is_promised(pipeline, grace_hopper_bgr) -> None:
    right_eye, left_eye, nose, right_mouth, left_mouth = pipeline.analyze(grace_hopper_bgr)[
        0
    ].landmarks
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


def test_generated_pictures_have_no_faces(pipeline) -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        picture = detector_canvas.generated_background(rng, height=240, width=320)
        assert pipeline.analyze(detector_canvas.degrade(picture, rng)) == ()
