"""The embedder on another runtime: the same answers, one model, and its templates serve."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeface.artefact import artefacts, choose_artefact
from edgeface.bundle import DEFAULT_BUNDLE, Bundle
from edgeface.cli import main
from edgeface.errors import (
    BundleFormatError,
    BundleIncompatibleError,
    BundleIntegrityError,
)
from edgeface.manifest import VARIANTS
from edgeface.pipeline import Pipeline
from tests.bundles import npz, rebuilt, whole_only

torch = pytest.importorskip("torch", reason="needs the training side")

from export.artefact import Artefact  # noqa: E402
from export.artefact_pack import add_artefact  # noqa: E402

LEAST = 0.95
"""Least cosine between one face on two runtimes, both int8: each is at 0.97 or more to float."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default bundle, which has the embedder as TFLite too, where variations may lie beside."""
    return Path(shutil.copy(DEFAULT_BUNDLE, tmp_path_factory.mktemp("tflite")))


@pytest.fixture(scope="module", params=VARIANTS)
def opened(request: pytest.FixtureRequest, path: Path) -> Iterator[Pipeline]:
    with Pipeline.open(path, runtime="tflite", variant=request.param) as found:
        yield found


def test_tflite_gives_the_embeddings_of_onnx(
    opened: Pipeline, pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    assert opened.runtime == "tflite" and pipeline.runtime == "onnx"
    for portrait in (astronaut_bgr, grace_hopper_bgr, astronaut_bgr[:, ::-1]):
        assert opened.embedding(portrait) @ pipeline.embedding(portrait) > LEAST


def test_templates_of_one_runtime_serve_the_other(
    opened: Pipeline, pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    assert opened.bundle.model_id == pipeline.bundle.model_id
    template = pipeline.largest_face(astronaut_bgr)
    assert opened.compare(template, opened.largest_face(astronaut_bgr[:, ::-1])).same
    assert not opened.compare(template, opened.largest_face(grace_hopper_bgr)).same


def test_selftest_is_against_the_files_own_vectors(opened: Pipeline) -> None:
    assert opened.selftest.embedding_cosine > 0.999


def test_batch_gives_what_single_crops_give(opened: Pipeline) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (19, 112, 112, 3)).astype(np.uint8)
    together = opened._embedder.embed_batch(crops)
    single = np.stack([opened.embed_aligned(crop) for crop in crops])
    assert (together * single).sum(axis=1).min() > 0.9999


def test_onnx_stays_the_default(path: Path, pipeline: Pipeline) -> None:
    bundle = Bundle.open(path)
    assert [found.title for found in artefacts(bundle)] == [
        "onnx whole int8",
        "onnx split int8",
        "tflite whole int8",
        "tflite split int8",
    ]
    assert choose_artefact(bundle).title == "onnx split int8"
    assert choose_artefact(bundle, runtime="tflite").title == "tflite split int8"


def test_a_variant_that_the_runtime_lacks_is_not_chosen_silently(path: Path) -> None:
    def only_split(manifest: dict) -> None:
        del manifest["stages"]["embedder"]["artefacts"][0]

    less = rebuilt(
        Bundle.open(path),
        path.with_name("split_only.efb"),
        members={"dsanet_s_whole_int8.tflite": None},
        change=only_split,
    )
    bundle = Bundle.open(less)
    assert choose_artefact(bundle, runtime="tflite").variant == "split"
    with pytest.raises(BundleIncompatibleError, match="no whole embedder for tflite, it has: onnx"):
        choose_artefact(bundle, runtime="tflite", variant="whole")


def test_runtime_that_the_bundle_lacks_is_refused_with_those_it_has(tmp_path: Path) -> None:
    less = whole_only(Bundle.open(), tmp_path / "less.efb")
    with pytest.raises(
        BundleIncompatibleError, match="no whole embedder for tflite on .*, it has: onnx whole"
    ):
        Pipeline.open(less, runtime="tflite")


def test_unknown_runtime_is_the_callers_mistake() -> None:
    with pytest.raises(
        ValueError, match="runtime 'rknnlite', expected None or one of onnx, tflite"
    ):
        Pipeline.open(runtime="rknnlite")


def test_vectors_of_another_file_fail_the_selftest(path: Path) -> None:
    bundle = Bundle.open(path)
    vectors = bundle.selftest_vectors()
    vectors["embedder_tflite_whole_int8_output"] = vectors["embedder_output"][::-1].copy()
    bad = path.with_name("bad.efb")
    rebuilt(bundle, bad, members={"selftest.npz": npz(vectors)})
    with pytest.raises(BundleIntegrityError, match="self-test failed: embedding cosine"):
        Pipeline.open(bad, runtime="tflite", variant="whole")


def test_missing_vectors_are_a_format_error(path: Path) -> None:
    bundle = Bundle.open(path)
    vectors = bundle.selftest_vectors()
    del vectors["embedder_tflite_whole_int8_output"]
    bad = path.with_name("without.efb")
    rebuilt(bundle, bad, members={"selftest.npz": npz(vectors)})
    with pytest.raises(BundleFormatError, match="no 'embedder_tflite_whole_int8_output'"):
        Pipeline.open(bad, runtime="tflite", variant="whole")


@pytest.mark.parametrize("change", [np.float64, lambda rows: rows[0], lambda rows: rows[:, :2]])
@pytest.mark.parametrize("runtime", ["onnx", "tflite"])
def test_selftest_inputs_that_do_not_fit_are_a_format_error(path: Path, runtime, change) -> None:
    bundle = Bundle.open(path)
    vectors = bundle.selftest_vectors()
    vectors["embedder_input"] = change(vectors["embedder_input"])
    bad = path.with_name("unfit.efb")
    rebuilt(bundle, bad, members={"selftest.npz": npz(vectors)})
    with pytest.raises(BundleFormatError, match=r"expected float32 \(N, 3, 112, 112\)"):
        Pipeline.open(bad, runtime=runtime)


def test_wrong_input_numbers_fail_the_selftest(path: Path) -> None:
    def swap(manifest: dict) -> None:
        manifest["stages"]["embedder"]["artefacts"][0]["input"].update(mean=[127.5] * 3)

    bad = path.with_name("mean.efb")
    rebuilt(Bundle.open(path), bad, members={}, change=swap)
    with pytest.raises(BundleIntegrityError, match="self-test failed"):
        Pipeline.open(bad, runtime="tflite", variant="whole")


def test_split_file_without_a_head_is_refused(path: Path) -> None:
    def forget(manifest: dict) -> None:
        del manifest["stages"]["embedder"]["split"]
        del manifest["stages"]["embedder"]["default_variant"]

    gone = {"backbone.onnx": None, "head.npz": None}
    with pytest.raises(
        BundleFormatError, match=r"artefacts\[1\]: found a split file, but there is"
    ):
        rebuilt(Bundle.open(path), path.with_name("h.efb"), members=gone, change=forget)


def test_file_that_is_no_member_is_refused(path: Path) -> None:
    def elsewhere(manifest: dict) -> None:
        manifest["stages"]["embedder"]["artefacts"][0]["file"] = "elsewhere.tflite"

    with pytest.raises(BundleFormatError, match=r"artefacts\[0\].file: found 'elsewhere.tflite'"):
        rebuilt(Bundle.open(path), path.with_name("m.efb"), members={}, change=elsewhere)


def test_expected_embeddings_must_fit_the_selftest(path: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(path)
    manifest = copy.deepcopy(bundle.manifest)
    files = {name: bundle.read(name) for name in manifest["members"]}
    made = Artefact("tflite", "whole", "int8", "x.tflite", "tflite", {}, ["embedding"])
    with pytest.raises(ValueError, match=r"they must be float32 \(2, 512\)"):
        add_artefact(manifest, files, made, tmp_path, np.zeros((1, 512), np.float32))


def test_command_line_takes_a_runtime(path: Path, photos: Path, capfd) -> None:
    common = ["--bundle", str(path), "--runtime", "tflite", "--json"]
    pair = [str(photos / "collins.png"), str(photos / "collins_mirrored.jpg")]
    assert main(["verify", *pair, *common]) == 0
    capfd.readouterr()
    assert main(["selftest", *common]) == 0
    assert json.loads(capfd.readouterr().out)["runtime"] == "tflite"
    assert main(["info", "--bundle", str(path)]) == 0
    printed = capfd.readouterr().out
    assert "tflite split: int8" in printed and "tflite whole: int8" in printed
    compared = ["bench", "--bundle", str(path), "--compare", "tflite:split,onnx:split", "--json"]
    assert main([*compared, "--runs", "120"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["cosine"] > 0.9 and "tflite" in report["setting"]["runtime"]
