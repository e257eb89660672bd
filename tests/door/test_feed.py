"""The temporal check: frozen, still and looped feeds are static, a head that sways is live."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.door.feed import SETTINGS, Feed, alike, signature_of
from edgeface.pipeline import Pipeline
from edgeface.schema import first_problem
from tests.door.heads import head_depth, with_noise
from tests.door.people import person


@pytest.fixture(scope="module")
def sway(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> Callable[[float], np.ndarray]:
    """A head that sways by half a pixel, before a background that does not; by the second."""
    landmarks = pipeline.largest_face(astronaut_bgr).landmarks
    head = (head_depth(astronaut_bgr.shape[:2], landmarks) > 0).astype(np.float32)
    head = cv2.GaussianBlur(head, (0, 0), 4)[..., None]
    random = np.random.default_rng(5)
    waves = [
        (random.uniform(0.2, 2.5), random.uniform(0, 6), random.uniform(-1, 1)) for _ in "12345"
    ]

    def frame(at: float) -> np.ndarray:
        across = sum(size * np.sin(speed * at + phase) for speed, phase, size in waves)
        down = sum(size * np.sin(1.3 * speed * at - phase) for speed, phase, size in waves)
        shift = np.float32([[1, 0, across], [0, 1, down]])
        moved = cv2.warpAffine(astronaut_bgr, shift, (512, 512), borderMode=cv2.BORDER_REPLICATE)
        return (moved * head + astronaut_bgr * (1 - head)).astype(np.uint8)

    return frame


def judged(images: list[np.ndarray], *, step: float = 0.1, feed: Feed | None = None) -> list[str]:
    """Judge frames whose embeddings are as different as a noisy still's are."""
    feed = feed or Feed()
    return [
        feed.update(person(1, likeness=0.98, frame=index), image, at=index * step)
        for index, image in enumerate(images)
    ]


def test_exactly_repeated_frame_is_static_at_the_third(
    pipeline: Pipeline, astronaut_bgr: np.ndarray
) -> None:
    feed = Feed()
    embedding = pipeline.embedding(astronaut_bgr)
    verdicts = [feed.update(embedding, astronaut_bgr, at=0.1 * index) for index in range(4)]
    assert verdicts == ["live", "live", "static", "static"]


@pytest.mark.parametrize("sigma", [0.5, 2.0, 4.0])
def test_noise_of_a_sensor_keeps_embeddings_of_a_still_below_the_limit(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, sigma: float
) -> None:
    views = [with_noise(astronaut_bgr, sigma=sigma, seed=seed) for seed in range(4)]
    embeddings = [pipeline.embedding(view) for view in views]
    assert max(float(a @ b) for a, b in zip(embeddings, embeddings[1:])) < 0.998


@pytest.mark.parametrize("sigma", [0.0, 1.0, 4.0])
def test_still_before_a_noisy_sensor_is_static_after_a_second(
    astronaut_bgr: np.ndarray, sigma: float
) -> None:
    verdicts = judged([with_noise(astronaut_bgr, sigma=sigma, seed=k) for k in range(15)])
    assert verdicts == ["live"] * 10 + ["static"] * 5


def test_still_that_is_encoded_again_and_again_is_static(astronaut_bgr: np.ndarray) -> None:
    def encoded(seed: int) -> np.ndarray:
        noisy = with_noise(astronaut_bgr, sigma=1, seed=seed)
        jpeg = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)

    assert judged([encoded(k) for k in range(15)])[-1] == "static"


@pytest.mark.parametrize("sigma", [0.0, 2.0])
def test_head_that_sways_is_live(sway: Callable, sigma: float) -> None:
    frames = [with_noise(sway(0.1 * k), sigma=sigma, seed=k) for k in range(60)]
    assert set(judged(frames)) == {"live"}


def test_swaying_head_in_the_dark_is_live(sway: Callable) -> None:
    frames = [with_noise(sway(0.1 * k) * 0.3, sigma=2, seed=k) for k in range(40)]
    assert set(judged(frames)) == {"live"}


def test_loop_is_static_when_it_comes_round(sway: Callable) -> None:
    loop = [sway(0.1 * k) for k in range(25)]
    frames = [with_noise(loop[k % 25], sigma=1, seed=k) for k in range(60)]
    verdicts = judged(frames)
    assert set(verdicts[:25]) == {"live"}
    assert set(verdicts[36:]) == {"static"}


def test_scene_that_moves_again_is_live_again(sway: Callable) -> None:
    still, moving = [sway(0.0)] * 15, [sway(0.1 * k) for k in range(1, 10)]
    verdicts = judged([*still, *moving])
    assert verdicts[14] == "static" and verdicts[-1] == "live"


def test_clock_that_runs_backwards_begins_anew(astronaut_bgr: np.ndarray) -> None:
    feed = Feed()
    judged([astronaut_bgr] * 15, feed=feed)
    assert feed.update(person(1), astronaut_bgr, at=0.0) == "live"


def test_memory_is_bounded(astronaut_bgr: np.ndarray) -> None:
    feed = Feed(loop_s=600)
    small = cv2.resize(astronaut_bgr, (64, 64))
    for index in range(1000):
        feed.update(person(1), small, at=index * 1e-4)
    assert len(feed._seen) == 900


def test_change_of_the_light_alone_is_no_motion(astronaut_bgr: np.ndarray) -> None:
    dimmer = signature_of(astronaut_bgr) - 7
    assert alike(dimmer, signature_of(astronaut_bgr), most=1.0)


def test_no_picture_is_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        Feed().update(person(1), np.zeros((4, 4)), at=0.0)


def test_settings_have_the_defaults_that_the_feed_has() -> None:
    parameters = inspect.signature(Feed).parameters
    assert set(SETTINGS["properties"]) == set(parameters)
    table = {name: parameter.default for name, parameter in parameters.items()}
    assert first_problem(table, SETTINGS) is None
    for name, value in table.items():
        assert f"default {value:g}" in SETTINGS["properties"][name]["description"]
    assert isinstance(Feed.from_settings(table, base=Path()), Feed)
