"""Training scenes: labels stay on the face through every transform, and seeds mean everything."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from export import detector_canvas
from export.detector_data import (
    Photos,
    Scene,
    face_transform,
    load_photos,
    paste,
    photos_from_arrays,
    transform_labels,
)
from export.detector_scene import compose
from export.detector_targets import IGNORED, NEGATIVE, assign, cell_centres, make_batch

COLOURS = ((0, 0, 255), (0, 255, 0), (255, 0, 0), (0, 255, 255), (255, 0, 255))
POINTS = ((75.0, 80.0), (150.0, 82.0), (112.0, 120.0), (80.0, 160.0), (146.0, 158.0))
BOX = (30.0, 20.0, 165.0, 190.0)


@pytest.fixture(scope="module")
def marked() -> Photos:
    """Grey "photos" whose five landmarks are discs of five colours."""
    image = np.full((224, 224, 3), 128, np.uint8)
    for (x, y), colour in zip(POINTS, COLOURS):
        cv2.circle(image, (int(x), int(y)), 9, colour, -1)
    row = np.array([*BOX, *np.ravel(POINTS)], np.float32)
    return photos_from_arrays(np.stack([image] * 4), np.stack([row] * 4))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("angle", "size"), [(0.0, 140.0), (0.6, 100.0), (-0.6, 60.0), (0.2, 40.0)])
def test_landmarks_follow_the_pixels_and_a_flip_swaps_left_and_right(
    marked, flip, angle, size
) -> None:
    matrix = face_transform(marked, 0, centre=(128, 128), size=size, angle=angle, flip=flip)
    canvas = np.full((256, 256, 3), 128, np.uint8)
    paste(canvas, marked, 0, matrix, np.full((112, 112), 255, np.uint8))
    _, landmarks = transform_labels(marked, 0, matrix)
    colours = [COLOURS[i] for i in ((1, 0, 2, 4, 3) if flip else range(5))]
    for (x, y), colour in zip(landmarks, colours):
        pixel = canvas[round(float(y)), round(float(x))].astype(int)
        assert np.abs(pixel - colour).max() < 60
    assert landmarks[0, 0] < landmarks[1, 0], "the person's right eye is on the image's left"


def test_the_box_has_the_size_and_place_that_were_asked_for(marked) -> None:
    matrix = face_transform(marked, 0, centre=(90, 70), size=50, angle=0.0, flip=True)
    box, _ = transform_labels(marked, 0, matrix)
    np.testing.assert_allclose(box[:2] + box[2:] / 2, (90, 70), atol=1e-3)
    assert np.sqrt(box[2] * box[3]) == pytest.approx(50, abs=1e-3)


def test_a_step_gives_the_same_batch_every_time_and_another_step_another(marked) -> None:
    first, again = (make_batch(marked, seed=3, step=7, size=3) for _ in range(2))
    other = make_batch(marked, seed=3, step=8, size=3)
    for name in ("images", "assigned", "boxes", "landmarks"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.images.shape != other.images.shape or (first.images != other.images).any()


def test_scenes_have_none_to_many_faces_and_learnable_ones_are_visible(marked) -> None:
    rng = np.random.default_rng(0)
    scenes = [compose(marked, rng, height=160, width=192) for _ in range(80)]
    counts = [len(scene.boxes) for scene in scenes]
    assert min(counts) == 0
    assert max(counts) >= 5
    for scene in scenes:
        assert scene.image.shape == (160, 192, 3)
        assert scene.image.dtype == np.uint8
        learnable = scene.boxes[~scene.ignored]
        middles = learnable[:, :2] + learnable[:, 2:] / 2
        assert (middles > -0.1 * learnable[:, 2:]).all()
        assert np.isfinite(scene.landmarks[~scene.ignored]).all()


def test_a_scene_without_faces_has_only_negative_cells() -> None:
    empty = np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, bool)
    owner = assign(Scene(np.zeros((96, 128, 3), np.uint8), *empty))
    assert (owner == NEGATIVE).all()
    assert len(owner) == 12 * 16 + 6 * 8 + 3 * 4


@pytest.mark.parametrize(("size", "strides"), [(20, [8]), (45, [8, 16]), (70, [16]), (150, [32])])
def test_a_face_is_given_to_the_strides_of_its_size(size, strides) -> None:
    box = np.array([[128 - size / 2, 96 - size / 2, size, size]], np.float32)
    points = np.full((1, 5, 2), 100, np.float32)
    scene = Scene(np.zeros((192, 256, 3), np.uint8), box, points, np.array([False]))
    owner = assign(scene)
    ends = np.cumsum([0] + [192 * 256 // stride**2 for stride in (8, 16, 32)])
    having = [s for s, a, b in zip((8, 16, 32), ends, ends[1:]) if (owner[a:b] == 0).any()]
    assert having == strides


def test_a_cut_off_face_is_neither_taught_nor_punished() -> None:
    box = np.array([[60, 60, 40, 40]], np.float32)
    points = np.full((1, 5, 2), np.nan, np.float32)
    owner = assign(Scene(np.zeros((128, 128, 3), np.uint8), box, points, np.array([True])))
    assert (owner == IGNORED).any()
    assert not (owner >= 0).any()


def test_degrading_keeps_size_and_type_of_any_picture() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        height, width = (int(v) for v in rng.integers(40, 120, 2))
        image = detector_canvas.generated_background(rng, height=height, width=width)
        image = detector_canvas.degrade(image, rng)
        assert image.shape == (height, width, 3)
        assert image.dtype == np.uint8


def test_real_photos_load_and_compose(data_folder) -> None:
    photos = load_photos(data_folder / "fairface224", limit=20)
    assert photos.levels[0].shape == (20, 224, 224, 3)
    eyes = photos.landmarks[:, 1] - photos.landmarks[:, 0]
    assert (np.linalg.norm(eyes, axis=1) > 3).all()
    batch = make_batch(photos, seed=0, step=0, size=4)
    cells = sum(batch.images.shape[1] * batch.images.shape[2] // s**2 for s in (8, 16, 32))
    assert batch.assigned.shape == (4, cells)
    assert cell_centres(64, 96, 32).tolist()[0] == [16.0, 16.0]
