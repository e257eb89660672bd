"""The shipped liveness network on pictures: people are live, their prints and screens are not."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from edgeface.face import Face
from edgeface.pipeline import Pipeline
from export import liveness_measure as measure
from export import liveness_sets as sets
from export.detector_data import photos_from_arrays
from export.liveness_attacks import ATTACKS, TRAINED, attack_on
from export.liveness_frame import Frame
from export.liveness_golden import drawing, printed
from export.liveness_scene import SIDE

PHOTOS = 40


@pytest.fixture(scope="module")
def live() -> Iterator[Pipeline]:
    with Pipeline.open(liveness=True) as opened:
        yield opened


def _score(live: Pipeline, frame: Frame) -> float:
    face = Face(tuple(map(float, frame.box)), 1.0, frame.landmarks, None, np.zeros(512, np.float32))
    return live.live_score(frame.image, face)


@pytest.mark.parametrize("name", ["astronaut_bgr", "grace_hopper_bgr"])
def test_print_of_a_portrait_scores_below_the_threshold_and_below_the_portrait(
    live: Pipeline, request, name
) -> None:
    image = request.getfixturevalue(name)
    face = live.largest_face(image)
    square = sets.shown(Frame(image, np.float32(face.box), face.landmarks))
    alive = live.live_score(image, face)
    prints = [_score(live, printed(square, seed)) for seed in range(6)]
    assert max(prints) < live.live_threshold <= alive


def test_most_drawings_are_live_and_their_prints_are_not(live: Pipeline) -> None:
    heads = [drawing(seed) for seed in range(10)]
    alive = np.array([_score(live, head) for head in heads])
    prints = np.array([_score(live, printed(head, i)) for i, head in enumerate(heads)])
    assert measure.bpcer(alive, live.live_threshold) <= 0.3
    assert measure.apcer(prints, live.live_threshold) == 0


@pytest.fixture(scope="module")
def people(data_folder) -> list[Frame]:
    """CelebA photos that neither weights nor threshold have seen."""
    return sets.celeba(data_folder, half="measuring")[:PHOTOS]


@pytest.fixture(scope="module")
def rooms():
    """Backgrounds without anybody's photo."""
    images = np.stack([cv2.resize(drawing(seed).image, (224, 224)) for seed in range(3)])
    row = np.concatenate([drawing(0).box, drawing(0).landmarks.ravel()]) * 224 / SIDE
    return photos_from_arrays(images, np.tile(row, (3, 1)).astype(np.float32))


def test_most_live_people_pass_at_the_shipped_threshold(live: Pipeline, people) -> None:
    scores = np.array([_score(live, frame) for frame in people])
    assert measure.bpcer(scores, live.live_threshold) <= 0.15


@pytest.mark.parametrize("kind", [kind for kind in ATTACKS if kind != "cut-out"])
def test_real_photos_as_attacks_are_refused_more_often_than_live(
    live: Pipeline, people, rooms, kind
) -> None:
    rng = np.random.default_rng(11)
    shown = [attack_on(sets.shown(frame), rooms, rng, kind=kind) for frame in people]
    alive = np.array([_score(live, frame) for frame in people])
    scores = np.array([_score(live, frame) for frame in shown])
    refused = measure.bpcer(scores, live.live_threshold)
    assert refused > 0.3 + measure.bpcer(alive, live.live_threshold)
    if kind in TRAINED:
        assert measure.apcer(scores, live.live_threshold) < 0.3
