"""Alignment: landmarks land on the template, whatever turn, size and place they had."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.align import TEMPLATE, align, crop_corners, similarity


def _moved(points: np.ndarray, *, degrees: float, scale: float, shift: tuple) -> np.ndarray:
    turn = np.deg2rad(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return scale * points @ rotation.T + shift


def _applied(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@settings(deadline=None)
@given(st.floats(-180, 180), st.floats(0.05, 40), st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_turned_scaled_and_shifted_template_comes_back_onto_itself(
    degrees: float, scale: float, x: float, y: float
) -> None:
    points = _moved(TEMPLATE, degrees=degrees, scale=scale, shift=(x, y))
    assert np.allclose(_applied(similarity(points), points), TEMPLATE, atol=1e-6)


def _umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Umeyama (1991), equations 38 to 43, as printed: by singular values."""
    z, w = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(w.T @ z / len(z))
    s = np.array([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    linear = (u * s) @ vt * (d @ s) / z.var(0).sum()
    return np.column_stack([linear, target.mean(0) - linear @ source.mean(0)])


@settings(deadline=None)
@given(st.lists(st.floats(0, 500), min_size=10, max_size=10))
def test_transform_is_umeyamas(coordinates: list[float]) -> None:
    points = np.array(coordinates).reshape(5, 2)
    if np.linalg.svd(points - points.mean(0))[1][1] < 1.0:
        return  # on one line the best turn is not unique
    assert np.allclose(similarity(points), _umeyama(points, TEMPLATE), atol=1e-6)


def test_mirrored_face_is_not_mirrored_back() -> None:
    matrix = similarity(TEMPLATE * (-1, 1) + (200, 0))
    assert np.linalg.det(matrix[:, :2]) > 0


def test_crop_size_scales_the_template() -> None:
    assert np.allclose(_applied(similarity(TEMPLATE, size=224), TEMPLATE), 2 * TEMPLATE)


def test_aligned_picture_is_cropped_as_it_is(astronaut_bgr: np.ndarray) -> None:
    x, y = 150, 60
    crop = align(astronaut_bgr, TEMPLATE + (x, y))
    assert np.abs(crop.astype(int) - astronaut_bgr[y : y + 112, x : x + 112]).max() <= 1


def test_enlarged_photo_gives_the_same_crop(astronaut_bgr: np.ndarray) -> None:
    points = TEMPLATE + (150, 60)
    large = cv2.resize(astronaut_bgr, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    found = align(large, (points + 0.5) * 5 - 0.5)
    assert np.abs(found.astype(int) - align(astronaut_bgr, points)).mean() < 2.5


def test_fine_pattern_on_a_large_face_is_averaged_not_aliased() -> None:
    checkers = (np.indices((1200, 1200)).sum(0) % 2 * 255).astype(np.uint8)
    crop = align(np.dstack([checkers] * 3), TEMPLATE * 7 + (100, 100))
    assert crop.std() < 12
    assert crop.mean() == pytest.approx(127.5, abs=4)


def test_what_lies_outside_the_photo_is_black(astronaut_bgr: np.ndarray) -> None:
    crop = align(astronaut_bgr, TEMPLATE - (56, 0))
    assert not crop[:, :54].any()
    assert crop[:, 58:].any()


def test_face_wholly_outside_gives_black() -> None:
    white = np.full((50, 60, 3), 255, np.uint8)
    assert align(white, TEMPLATE + (4000, 4000)).mean() < 1


def test_one_pixel_photo_can_be_cropped() -> None:
    assert align(np.zeros((1, 1, 3), np.uint8), TEMPLATE / 112).shape == (112, 112, 3)


def test_very_wide_photo_is_cropped() -> None:
    wide = np.full((120, 40_000, 3), 90, np.uint8)
    assert (align(wide, TEMPLATE + (39_000, 4)) == 90).all()


def test_corners_of_the_template_are_the_crops() -> None:
    assert np.allclose(crop_corners(TEMPLATE), [[0, 0], [112, 0], [112, 112], [0, 112]])


@pytest.mark.parametrize(
    ("landmarks", "expected"),
    [
        (np.zeros((5, 2)), "one place"),
        (np.full((5, 2), np.nan), "NaN"),
        (np.zeros((4, 2)), r"\(4, 2\)"),
        (np.zeros(10), r"\(10,\)"),
    ],
)
def test_unusable_landmarks_are_refused(landmarks: np.ndarray, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        align(np.zeros((9, 9, 3), np.uint8), landmarks)
