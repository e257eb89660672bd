"""Quality gate: each fault is noticed by its own measure, and by that one alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeface.align import TEMPLATE, align
from edgeface.pipeline import Pipeline
from edgeface.quality import Quality, assess, visible_share, yaw


@pytest.fixture(scope="module")
def landmarks(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> np.ndarray:
    return pipeline.largest_face(astronaut_bgr).landmarks


def _assess(image: np.ndarray, landmarks: np.ndarray, limits: dict) -> Quality:
    return assess(image, landmarks=landmarks, crop=align(image, landmarks), limits=limits)


def test_good_portraits_pass(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    for portrait in (astronaut_bgr, grace_hopper_bgr):
        assert pipeline.largest_face(portrait).quality.reasons == ()


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("blurred", lambda image: cv2.GaussianBlur(image, (0, 0), 5)),
        ("dark", lambda image: cv2.convertScaleAbs(image, alpha=0.12)),
        ("bright", lambda image: cv2.convertScaleAbs(image, alpha=1, beta=190)),
    ],
)
def test_spoilt_photo_breaks_one_limit(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, landmarks: np.ndarray, reason: str, spoil
) -> None:
    limits = pipeline.bundle.manifest["quality"]
    quality = _assess(spoil(astronaut_bgr), landmarks, limits)
    assert not quality.ok and quality.reasons == (reason,)


def test_small_face_is_small(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, landmarks: np.ndarray
) -> None:
    tiny = cv2.resize(astronaut_bgr, None, fx=0.12, fy=0.12, interpolation=cv2.INTER_AREA)
    quality = _assess(tiny, landmarks * 0.12, pipeline.bundle.manifest["quality"])
    assert "small" in quality.reasons
    assert quality.eye_distance_px == pytest.approx(
        0.12 * np.linalg.norm(landmarks[1] - landmarks[0]), rel=0.01
    )


def test_face_over_the_edge_is_cut_off(astronaut_bgr: np.ndarray, landmarks: np.ndarray) -> None:
    left = int(landmarks[0, 0])
    quality = _assess(astronaut_bgr[:, left:], landmarks - (left, 0), {"min_visible": 0.9})
    assert quality.reasons == ("cut_off",)
    assert 0.3 < quality.visible < 0.9


def test_no_limits_no_reasons(astronaut_bgr: np.ndarray, landmarks: np.ndarray) -> None:
    assert _assess(np.zeros_like(astronaut_bgr), landmarks, {}).ok


def test_sharpness_hardly_depends_on_the_photos_size(
    astronaut_bgr: np.ndarray, landmarks: np.ndarray
) -> None:
    large = cv2.resize(astronaut_bgr, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    before = _assess(astronaut_bgr, landmarks, {}).sharpness
    after = _assess(large, (landmarks + 0.5) * 3 - 0.5, {}).sharpness
    assert after == pytest.approx(before, rel=0.25)


def test_sharpness_hardly_depends_on_the_light(
    astronaut_bgr: np.ndarray, landmarks: np.ndarray
) -> None:
    dim = cv2.convertScaleAbs(astronaut_bgr, alpha=0.4)
    before = _assess(astronaut_bgr, landmarks, {}).sharpness
    assert _assess(dim, landmarks, {}).sharpness == pytest.approx(before, rel=0.25)


def test_yaw_is_nought_for_a_frontal_face_and_signed_for_a_turned_one() -> None:
    symmetric = TEMPLATE.copy()
    symmetric[2, 0] = symmetric[[0, 1, 3, 4], 0].mean()
    assert yaw(symmetric) == pytest.approx(0, abs=0.01)
    nose = np.array([[0, 0], [0, 0], [18, 0], [0, 0], [0, 0]])
    assert yaw(symmetric + nose) == pytest.approx(18 / 35.2, abs=0.02)
    assert yaw(symmetric - nose) == pytest.approx(-18 / 35.2, abs=0.02)


def test_yaw_does_not_change_when_the_head_tilts() -> None:
    turned = TEMPLATE @ np.array([[0.8, 0.6], [-0.6, 0.8]]) * 3
    assert yaw(turned) == pytest.approx(yaw(TEMPLATE), abs=1e-6)


def test_coinciding_eyes_do_not_divide_by_zero() -> None:
    points = TEMPLATE.copy()
    points[1] = points[0]
    assert np.isfinite(yaw(points))


def test_visible_share_is_the_part_inside() -> None:
    assert visible_share(TEMPLATE, width=112, height=112) == pytest.approx(0.99, abs=0.011)
    assert visible_share(TEMPLATE, width=56, height=112) == pytest.approx(0.5, abs=0.01)
    assert visible_share(TEMPLATE + 5000, width=112, height=112) == 0
