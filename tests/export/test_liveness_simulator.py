"""The attack simulator: reproducible, labels in place, the same cameras for live and attack."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from export import liveness_surface as surface
from export.detector_data import photos_from_arrays
from export.errors import ExportError
from export.liveness_attacks import ATTACKS, TRAINED, UNSEEN, attack, attack_on
from export.liveness_camera import CONDITIONS, Camera, draw_camera, shoot
from export.liveness_data import PARTS, VIEWS, Pool, fresh, part_of, views
from export.liveness_frame import Frame, flipped, jittered
from export.liveness_golden import drawing, golden_pair, printed
from export.liveness_scene import KINDS, SIDE, person
from export.liveness_sheet import FRAMINGS, Sheet, place


@pytest.fixture(scope="module")
def photos():
    """Six drawn heads as the detector's photos: nobody's picture is needed."""
    frames = [drawing(seed) for seed in range(6)]
    scale = 224 / SIDE
    images = np.stack([cv2.resize(frame.image, (224, 224)) for frame in frames])
    rows = [np.concatenate([f.box, f.landmarks.ravel()]) * scale for f in frames]
    return photos_from_arrays(images, np.stack(rows).astype(np.float32))


def _same(first: Frame, second: Frame) -> bool:
    pairs = zip(vars(first).values(), vars(second).values())
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("kind", ATTACKS)
def test_same_seed_gives_the_same_attack_and_another_seed_another(photos, kind) -> None:
    first, again, other = (
        attack(photos, 0, np.random.default_rng(seed), kind=kind) for seed in (5, 5, 6)
    )
    assert first.image.shape == (SIDE, SIDE, 3) and first.image.dtype == np.uint8
    assert _same(first, again)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_person(photos, kind) -> None:
    first, again = (person(photos, 1, np.random.default_rng(3), kind=kind) for _ in range(2))
    assert _same(first, again)


def test_unknown_attack_is_refused(photos) -> None:
    with pytest.raises(ValueError, match="'mask', expected one of print"):
        attack_on(drawing(0), photos, np.random.default_rng(0), kind="mask")


def test_unseen_attacks_are_not_trained_on() -> None:
    assert set(TRAINED) | set(UNSEEN) == set(ATTACKS)
    assert not set(TRAINED) & set(UNSEEN)
    assert len(UNSEEN) == 2


@pytest.mark.parametrize("framing", FRAMINGS)
def test_landmarks_lie_where_the_shown_face_is(framing) -> None:
    head = drawing(0)
    dot = np.zeros_like(head.image)
    nose = tuple(int(v) for v in np.rint(head.landmarks[2]))
    cv2.circle(dot, nose, 4, (255, 255, 255), -1)
    marked = Frame(dot, head.box, head.landmarks)
    for seed in range(8):
        sheet = place(marked, np.random.default_rng(seed), framing=framing, flat=True)
        bright = np.argwhere(sheet.picture[..., 0] > 0.5)
        assert np.abs(bright.mean(0)[::-1] - sheet.landmarks[2]).max() < 1.5


def test_edges_of_a_sheet_are_in_the_frame_when_held_and_not_when_it_fills_it() -> None:
    outside = {"held": [], "filling": []}
    for seed in range(12):
        for framing, shares in outside.items():
            sheet = place(drawing(seed), np.random.default_rng(seed), framing=framing)
            shares.append((sheet.edge < 0).mean())
    assert min(outside["held"]) > 0 and np.median(outside["held"]) > 0.2
    assert max(outside["filling"]) == 0


def _flat_sheet() -> Sheet:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    grey = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    nothing = np.zeros((SIDE, SIDE), np.float32)
    return Sheet(grey, x, y, nothing, nothing, np.zeros(4), np.zeros((5, 2)), "filling")


def test_pixels_finer_than_the_cameras_give_moire() -> None:
    pattern = surface.waves(_flat_sheet(), pitch=SIDE / (SIDE - 8), angle=0.0)
    spectrum = np.abs(np.fft.rfft(pattern[0]))
    assert int(spectrum.argmax()) == 8


def test_halftone_is_strongest_in_mid_tones_and_leaves_black_and_white_alone() -> None:
    sheet = _flat_sheet()
    swings = [
        np.ptp(surface.halftone(sheet.picture * 0 + np.float32(level), sheet, pitch=5.0,
                                strength=0.1, turn=0.2))
        for level in (0.0, 0.25, 0.5, 1.0)
    ]  # fmt: skip
    assert swings[0] == swings[3] == 0
    assert swings[2] > swings[1] > 0.1


def test_good_camera_changes_little_and_every_camera_keeps_size_and_kind() -> None:
    scene = drawing(2).image
    assert np.abs(shoot(scene, CONDITIONS["good"]).astype(int) - scene).mean() < 3
    drawn = [draw_camera(np.random.default_rng(seed)) for seed in range(20)]
    for camera in (*CONDITIONS.values(), *drawn):
        picture = shoot(scene, camera)
        assert picture.shape == scene.shape and picture.dtype == np.uint8


def test_darker_exposure_gives_a_darker_picture() -> None:
    scene = drawing(2).image
    levels = [shoot(scene, replace(Camera(), exposure=e)).mean() for e in (0.4, 0.8, 1.2)]
    assert levels == sorted(levels)


def test_mirrored_twice_is_the_frame_again() -> None:
    frame = drawing(3)
    again = flipped(flipped(frame))
    assert np.array_equal(again.image, frame.image)
    assert np.allclose(again.box, frame.box) and np.allclose(again.landmarks, frame.landmarks)


def test_every_photo_is_of_one_part_and_all_parts_have_photos() -> None:
    parts = [part_of(f"{i}.jpg") for i in range(1000)]
    assert set(parts) == set(PARTS)
    assert parts == [part_of(f"{i}.jpg") for i in range(1000)]
    assert parts.count("train") > 700


def test_fresh_samples_hold_both_kinds_and_views_of_the_right_size(photos) -> None:
    samples = fresh(photos, np.random.default_rng(0), frames=12)
    for view in VIEWS:
        assert getattr(samples, view["name"]).shape == (24, view["size"], view["size"], 3)
    assert set(samples.live) == {0.0, 1.0}
    frame = jittered(drawing(0), np.random.default_rng(0))
    assert [view.shape[0] for view in views(frame)] == [view["size"] for view in VIEWS]


def test_full_pool_forgets_its_oldest_samples(photos) -> None:
    pool = Pool(8)
    for seed in range(3):
        pool.add(fresh(photos, np.random.default_rng(seed), frames=3))
    assert len(pool) == 8
    drawn = pool.draw(np.random.default_rng(0), count=20)
    assert len(drawn) == 20 and drawn.tight.flags.c_contiguous


def test_golden_pair_is_the_one_furthest_from_the_threshold_on_both_sides() -> None:
    scores = {}

    def score(frame: Frame) -> float:
        key = frame.image.tobytes()
        return scores.setdefault(key, 0.9 if np.array_equal(frame.image, drawing(4).image) else 0.1)

    live, fake = golden_pair(score, threshold=0.5)
    assert _same(live, drawing(4)) and _same(fake, printed(drawing(4), 4))


def test_network_that_tells_no_drawing_from_its_print_gives_no_golden_pair() -> None:
    with pytest.raises(ExportError, match="train longer"):
        golden_pair(lambda frame: 0.7, threshold=0.5)
