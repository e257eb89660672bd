"""The whole pipeline with its backbone on the fake RKNN NPU: the same answers as on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeface.backends.rknn_file import read_header
from edgeface.bundle import Bundle
from edgeface.errors import BundleIntegrityError, InferenceError
from edgeface.gallery import Gallery
from edgeface.pipeline import Pipeline
from tests.backends.rknn_board import WORDS, FakeNpu
from tests.bundles import npz, rebuilt
from tests.fakes.make import Fakes

MIN_COSINE = 0.98


@pytest.fixture
def on_npu(fakes: Fakes, npu: FakeNpu) -> Iterator[Pipeline]:
    with Pipeline.open(fakes.bundle, runtime="rknn") as opened:
        yield opened


def test_selftest_passes_and_the_backbone_is_on_the_npu(on_npu: Pipeline, npu: FakeNpu) -> None:
    assert (on_npu.runtime, on_npu.variant) == ("rknn", "split")
    assert on_npu.selftest.embedding_cosine > MIN_COSINE
    assert npu.contexts == 1


def test_faces_embed_as_on_the_cpu(
    pipeline: Pipeline, on_npu: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    for photo in (astronaut_bgr, grace_hopper_bgr):
        assert pipeline.embedding(photo) @ on_npu.embedding(photo) > MIN_COSINE


def test_verify_decides_as_on_the_cpu(
    pipeline: Pipeline, on_npu: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    mirrored = np.ascontiguousarray(astronaut_bgr[:, ::-1])
    for other, same in ((mirrored, True), (grace_hopper_bgr, False)):
        found = on_npu.verify(astronaut_bgr, other)
        assert found.same == pipeline.verify(astronaut_bgr, other).same == same


def test_identify_in_a_gallery_that_the_cpu_enrolled(
    pipeline: Pipeline,
    on_npu: Pipeline,
    astronaut_bgr: np.ndarray,
    grace_hopper_bgr: np.ndarray,
    tmp_path: Path,
) -> None:
    bundle = on_npu.bundle
    assert bundle.model_id == pipeline.bundle.model_id
    limits = {"threshold": bundle.threshold(), "margin": bundle.manifest["thresholds"]["margin"]}
    with Gallery.open(tmp_path / "gallery.db", model_id=bundle.model_id) as gallery:
        gallery.enroll("Eileen Collins", pipeline.embedding(astronaut_bgr)[None])
        collins = gallery.identify(on_npu.embedding(astronaut_bgr), **limits)
        hopper = gallery.identify(on_npu.embedding(grace_hopper_bgr), **limits)
    assert (collins.identity, hopper.identity) == ("Eileen Collins", None)


def test_selftest_refuses_a_stale_npu(
    fakes: Fakes, npu: FakeNpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORDS, "stale")
    with pytest.raises(InferenceError, match="the previous picture's output"):
        Pipeline.open(fakes.bundle, runtime="rknn")


def test_selftest_refuses_an_npu_that_computes_something_else(
    fakes: Fakes, npu: FakeNpu, tmp_path: Path
) -> None:
    bundle = Bundle.open(fakes.bundle)
    vectors = dict(bundle.selftest_vectors())
    vectors["embedder_rk3576_split_int8_output"] = -vectors["embedder_split_output"]
    changed = rebuilt(bundle, tmp_path / "b.efb", members={"selftest.npz": npz(vectors)})
    with pytest.raises(BundleIntegrityError, match="self-test failed: embedding cosine -"):
        Pipeline.open(changed, runtime="rknn")


def test_the_bundles_file_is_one_that_export_reads(fakes: Fakes, tmp_path: Path) -> None:
    model = Bundle.open(fakes.bundle).read("backbone.rknn")
    assert read_header(model).platforms == ("rk3576",)
    pytest.importorskip("torch", reason="the training side's command needs PyTorch")
    from export.__main__ import main

    (tmp_path / "backbone.rknn").write_bytes(model)
    assert main(["rknn-check", str(tmp_path / "backbone.rknn")]) == 0
    assert main(["rknn-check", str(tmp_path / "backbone.rknn"), "--target", "rk3588"]) == 1
