"""Embedding: the manifest's preprocessing exactly, unit vectors, and no empty answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgeface.align import align
from edgeface.artefact import Artefact
from edgeface.backends.onnx import OnnxBackend
from edgeface.embed import MAX_BATCH, Embedder
from edgeface.errors import InferenceError
from edgeface.pipeline import Pipeline
from edgeface.split import open_embedder
from tests import networks

_INPUT = {
    "name": "image", "layout": "NCHW", "dtype": "float32", "colour": "RGB",
    "mean": [10.0, 20.0, 30.0], "std": [1.0, 2.0, 4.0], "height": 112, "width": 112,
}  # fmt: skip


def _embedder(model: bytes, *, dim: int, **changes: object) -> Embedder:
    return Embedder(_artefact(dim, **changes), OnnxBackend(model))


def _artefact(dim: int, **changes: object) -> Artefact:
    return Artefact(
        "onnx", "whole", "float32", "embedder.onnx", {**_INPUT, **changes}, "embedding",
        channels_last=False, embedding="embedding", dim=dim, selftest="embedder_output",
    )  # fmt: skip


@pytest.fixture(scope="module")
def embedder(pipeline: Pipeline) -> Iterator[Embedder]:
    with open_embedder(pipeline.bundle, pipeline.artefact) as backend:
        yield Embedder(pipeline.artefact, backend)


@pytest.fixture(scope="module")
def crops(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> np.ndarray:
    faces = [(p, pipeline.largest_face(p)) for p in (astronaut_bgr, grace_hopper_bgr)]
    return np.stack([align(portrait, face.landmarks) for portrait, face in faces])


@pytest.mark.parametrize(("colour", "expected"), [("RGB", (20, 40, 42.5)), ("BGR", (190, 40, 0))])
def test_mean_std_and_colour_order_are_the_manifests(colour: str, expected: tuple) -> None:
    crop = np.full((112, 112, 3), (200, 100, 30), np.uint8)  # blue 200, green 100, red 30
    found = _embedder(networks.channel_means(), dim=3, colour=colour).embed(crop)
    assert found == pytest.approx(np.array(expected) / np.linalg.norm(expected), abs=1e-6)


def test_real_embedding_is_a_unit_vector(embedder: Embedder, crops: np.ndarray) -> None:
    found = embedder.embed(crops[0])
    assert found.shape == (512,) and found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_batch_gives_what_single_crops_give(embedder: Embedder, crops: np.ndarray) -> None:
    many = np.concatenate([crops] * (MAX_BATCH // 2 + 2))  # more than one inference holds
    single = np.stack([embedder.embed(crop) for crop in crops])
    found = embedder.embed_batch(many)
    assert (found * np.concatenate([single] * (MAX_BATCH // 2 + 2))).sum(1).min() > 0.999


def test_no_crops_give_no_embeddings(embedder: Embedder) -> None:
    assert embedder.embed_batch(np.empty((0, 112, 112, 3), np.uint8)).shape == (0, 512)


def test_strangers_are_less_alike_than_a_face_and_its_mirror_image(
    embedder: Embedder, crops: np.ndarray
) -> None:
    collins, hopper = embedder.embed_batch(crops)
    mirrored = embedder.embed(np.ascontiguousarray(crops[0][:, ::-1]))
    assert collins @ mirrored > collins @ hopper + 0.2


def test_vector_of_length_zero_is_an_error() -> None:
    embedder = _embedder(networks.constant_embedding(np.zeros(4)), dim=4)
    with pytest.raises(InferenceError, match="smallest norm 0"):
        embedder.embed(np.zeros((112, 112, 3), np.uint8))


def test_vector_of_another_length_is_an_error() -> None:
    embedder = _embedder(networks.constant_embedding(np.ones(4)), dim=8)
    with pytest.raises(InferenceError, match=r"\(1, 4\).*\(N, 8\)"):
        embedder.embed(np.zeros((112, 112, 3), np.uint8))


@pytest.mark.parametrize(
    ("crops", "error", "expected"),
    [
        (np.zeros((1, 112, 112, 3), np.float32), TypeError, "float32"),
        (np.zeros((1, 111, 112, 3), np.uint8), ValueError, "align"),
        (np.zeros((112, 112, 3), np.uint8), ValueError, "shape"),
        ([], TypeError, "list"),
    ],
)
def test_wrong_crops_are_refused(
    embedder: Embedder, crops: object, error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        embedder.embed_batch(crops)


class Recorder:
    """A backend that keeps what it was fed."""

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        (self.given,) = inputs.values()
        return {"embedding": np.ones((len(self.given), 3), np.float32)}


def test_network_that_wants_bytes_gets_pixels_in_its_colour_order(crops: np.ndarray) -> None:
    backend = Recorder()
    artefact = _artefact(3, dtype="uint8", layout="NHWC", colour="RGB")
    Embedder(artefact, backend).embed_batch(crops[:1])
    assert backend.given.dtype == np.uint8
    assert (backend.given == crops[:1, ..., ::-1]).all()
