"""The embedder split into backbone and native head: the same faces, the same answers, as whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

from edgeface.align import align
from edgeface.artefact import choose_artefact
from edgeface.bundle import Bundle
from edgeface.errors import (
    BundleFormatError,
    BundleIncompatibleError,
    BundleIntegrityError,
    InferenceError,
)
from edgeface.pipeline import Pipeline
from edgeface.split import SplitBackend, open_embedder
from tests.bundles import npz, rebuilt, whole_only

TOLERANCE = 0.99
"""Least cosine between the variants: 300 FairFace crops gave 0.9976 on average, 0.9956 at worst.

The whole network's head has 8-bit activations, the native one 8 bits per token or floats."""


@pytest.fixture(scope="module")
def split() -> Iterator[Pipeline]:
    with Pipeline.open(variant="split") as opened:
        yield opened


@pytest.fixture(scope="module")
def model() -> Iterator[SplitBackend]:
    bundle = Bundle.open()
    with open_embedder(bundle, choose_artefact(bundle, variant="split")) as opened:
        yield opened


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    return Bundle.open().arrays("head.npz")


def _with_head(weights: dict[str, np.ndarray], path: Path) -> Path:
    return rebuilt(Bundle.open(), path, members={"head.npz": npz(weights)})


@pytest.fixture(scope="module")
def whole() -> Iterator[Pipeline]:
    with Pipeline.open(variant="whole") as opened:
        yield opened


def test_both_variants_give_the_same_embeddings(
    whole: Pipeline, split: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    assert (whole.variant, split.variant) == ("whole", "split")
    assert whole.bundle.model_id == split.bundle.model_id
    for portrait in (astronaut_bgr, grace_hopper_bgr, astronaut_bgr[:, ::-1]):
        assert whole.embedding(portrait) @ split.embedding(portrait) > TOLERANCE


def test_templates_of_one_variant_serve_the_other(
    whole: Pipeline, split: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    template = whole.largest_face(astronaut_bgr)
    assert split.compare(template, split.largest_face(astronaut_bgr[:, ::-1])).same
    assert not split.compare(template, split.largest_face(grace_hopper_bgr)).same


def test_batch_gives_what_single_crops_give(model: SplitBackend) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (19, 3, 112, 112)).astype(np.float32)
    batch = (pictures - 127.5) / 127.5
    together = model.run({"image": batch})["embedding"]
    single = np.concatenate([model.run({"image": one[None]})["embedding"] for one in batch])
    assert (together * single).sum(axis=1).min() > 0.9999


def test_nothing_in_gives_nothing_out(model: SplitBackend) -> None:
    assert model.embed(np.empty((0, 100, 7, 7), np.float32)).shape == (0, 512)


def test_threads_may_share_the_native_head(
    split: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    crops = [
        align(photo, split.largest_face(photo).landmarks)
        for photo in (astronaut_bgr, grace_hopper_bgr)
    ]
    alone = [split.embed_aligned(crop) for crop in crops]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(split.embed_aligned, crops * 20))
    for index, embedding in enumerate(together):
        assert embedding @ alone[index % 2] > 0.9999


def test_unknown_variant_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="variant 'halved', expected None or one of whole, split"):
        Pipeline.open(variant="halved")


def test_bundle_without_split_runs_whole_and_says_so(
    tmp_path: Path, whole: Pipeline, astronaut_bgr: np.ndarray
) -> None:
    old = whole_only(whole.bundle, tmp_path / "old.efb")
    with Pipeline.open(old) as opened:
        assert opened.variant == "whole"
        assert opened.embedding(astronaut_bgr) @ whole.embedding(astronaut_bgr) > 0.9999
    with pytest.raises(
        BundleIncompatibleError, match="old.efb has no split embedder for onnx.*it has: onnx whole"
    ):
        Pipeline.open(old, variant="split")


def test_bundle_chooses_when_the_caller_does_not(tmp_path: Path) -> None:
    def choose_whole(manifest: dict) -> None:
        manifest["stages"]["embedder"]["default_variant"] = "whole"

    path = rebuilt(Bundle.open(), tmp_path / "b.efb", members={}, change=choose_whole)
    for asked, expected in ((None, "whole"), ("whole", "whole"), ("split", "split")):
        with Pipeline.open(path, variant=asked) as opened:
            assert opened.variant == expected


def _drop(weights: dict) -> None:
    del weights["project.bias"]


def _add(weights: dict) -> None:
    weights["blocks.7.out.bias"] = np.zeros(128, np.float32)


def _misshape(weights: dict) -> None:
    weights["blocks.0.qkv.weight"] = np.ascontiguousarray(weights["blocks.0.qkv.weight"][:, :-1])


def _halve(weights: dict) -> None:
    weights["position"] = weights["position"].astype(np.float16)


def _poison(weights: dict) -> None:
    weights["project.bias"] = np.full(512, np.nan, np.float32)


def _shrink(weights: dict) -> None:
    weights["position"] = np.ascontiguousarray(weights["position"][:48])


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_drop, "project.bias"),
        (_add, "blocks.7.out.bias"),
        (_misshape, "blocks.0.qkv.weight"),
        (_halve, "position"),
        (_poison, "project.bias"),
        (_shrink, "'tokens': 48.*'tokens': 49"),
    ],
)
def test_weights_that_make_no_such_head_are_refused(
    tmp_path: Path, weights: dict, spoil: Callable[[dict], None], expected: str
) -> None:
    spoil(weights)
    path = _with_head(weights, tmp_path / "b.efb")
    with pytest.raises(BundleFormatError, match=f"head.npz .*{expected}.*pack the bundle again"):
        Pipeline.open(path, variant="split")
    Pipeline.open(path, variant="whole").close()  # which does not need that file


@pytest.mark.parametrize("data", [b"no archive", npz({"position": np.array([{}], dtype=object)})])
def test_head_that_is_no_archive_of_plain_arrays_is_refused(tmp_path: Path, data: bytes) -> None:
    path = rebuilt(Bundle.open(), tmp_path / "b.efb", members={"head.npz": data})
    with pytest.raises(BundleFormatError, match="head.npz is not an archive of plain arrays"):
        Pipeline.open(path, variant="split")


def test_head_of_another_network_fails_the_self_test(tmp_path: Path, weights: dict) -> None:
    shuffled = np.random.default_rng(0).permutation(len(weights["project.weight"]))
    for name in ("project.weight", "project.weight.scale", "project.bias"):
        weights[name] = weights[name][shuffled]
    with pytest.raises(BundleIntegrityError, match="embedding cosine"):
        Pipeline.open(_with_head(weights, tmp_path / "b.efb"), variant="split")


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (np.zeros((1, 99, 7, 7), np.float32), "99"),
        (np.zeros((1, 100, 7, 8), np.float32), "100, 7, 8"),
        (np.zeros((1, 100, 7, 7), np.float64), "float64"),
        (np.full((1, 100, 7, 7), np.nan, np.float32), "NaN"),
    ],
)
def test_feature_map_that_the_head_cannot_take_is_an_inference_error(
    model: SplitBackend, feature: np.ndarray, expected: str
) -> None:
    with pytest.raises(InferenceError, match=expected) as caught:
        model.embed(feature)
    assert caught.value.step == "embedder head"


def test_closed_split_pipeline_refuses(astronaut_bgr: np.ndarray) -> None:
    with Pipeline.open(variant="split") as opened:
        pass
    with pytest.raises(InferenceError, match="closed"):
        opened.embed_aligned(np.zeros((112, 112, 3), np.uint8))
