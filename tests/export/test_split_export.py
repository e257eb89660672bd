"""Adding the split variant: the backbone is the bundle's own, the head is the checkpoint's."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgeface import _native
from edgeface.artefact import choose_artefact
from edgeface.bundle import Bundle
from edgeface.pipeline import Pipeline
from edgeface.split import open_embedder
from export import faces, split
from export.checkpoint import load_checkpoint
from export.dsanet import CONFIGS, DsaNet, DsaNetConfig
from export.to_onnx import fold
from tests.bundles import whole_only

CHECKPOINT = Path(__file__).parents[2] / "export" / "checkpoints" / "dsanet_s.pt"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open()


@pytest.fixture(scope="module")
def net() -> DsaNet:
    return load_checkpoint(CHECKPOINT)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((4, 3, 28, 28), np.float32)
    return np.clip(noise.repeat(4, axis=2).repeat(4, axis=3), -1, 1)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def run_onnx(model: bytes, pictures: np.ndarray, output: str) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run([output], {"image": pictures})[0]


def embed(head: torch.nn.Module, feature: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return unit(head(torch.from_numpy(feature)).numpy())


def command(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    split.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def test_cut_backbone_is_the_whole_networks_bit_for_bit(
    bundle: Bundle, pictures: np.ndarray
) -> None:
    whole = onnx.load_model_from_string(bundle.read("embedder.onnx"))
    backbone = onnx.load_model_from_string(
        split.cut_backbone(bundle.read("embedder.onnx"), "image")
    )
    known = {tensor.name: tensor for tensor in whole.graph.initializer}
    assert all(tensor == known[tensor.name] for tensor in backbone.graph.initializer)
    seam = split.feature_tensor(whole.graph)
    whole.graph.output.append(onnx.helper.make_tensor_value_info(seam, 1, None))
    inside = run_onnx(whole.SerializeToString(), pictures, seam)
    cut = run_onnx(backbone.SerializeToString(), pictures, split.FEATURE)
    assert cut.shape == (4, 100, 7, 7) and (cut == inside).all()


def test_backbone_file_is_what_old_runtimes_load(bundle: Bundle) -> None:
    backbone = onnx.load_model_from_string(bundle.read("backbone.onnx"))
    onnx.checker.check_model(backbone, full_check=True)
    assert backbone.ir_version <= 10
    assert {entry.domain: entry.version for entry in backbone.opset_import}[""] == 17
    assert {node.op_type for node in backbone.graph.node} <= {
        "Conv", "Relu", "Sum", "QuantizeLinear", "DequantizeLinear",
    }  # fmt: skip
    assert [output.name for output in backbone.graph.output] == ["feature"]


def test_default_bundle_holds_the_checkpoints_head(bundle: Bundle, net: DsaNet) -> None:
    stored = bundle.arrays("head.npz")
    assert split.packed(split.head_weights(net, "int8")) == bundle.read("head.npz")
    assert {name for name, value in stored.items() if value.dtype == np.int8} == {
        "inlet.weight", "project.weight",
        *(f"blocks.{i}.{m}.weight" for i in (0, 1) for m in ("qkv", "out", "fc1", "fc2")),
    }  # fmt: skip
    for name, value in net.head.state_dict().items():
        scale = stored.get(f"{name}.scale", np.float32([1]))
        error = np.abs(stored[name].astype(np.float32).T * scale - value.numpy().T)
        assert (error <= scale / 2 * 1.001 if stored[name].dtype == np.int8 else error == 0).all()


@pytest.mark.parametrize(("precision", "least"), [("float32", 0.99999), ("int8", 0.999)])
def test_native_head_is_the_pytorch_head(
    bundle: Bundle, net: DsaNet, pictures: np.ndarray, precision: str, least: float
) -> None:
    feature = run_onnx(bundle.read("backbone.onnx"), pictures, "feature")
    weights = split.head_weights(net, precision)
    head = _native.AttentionHead(weights, heads=net.config.heads, precision=precision)
    assert (head.embed(feature) * embed(net.head, feature)).sum(axis=1).min() > least


def test_split_adds_both_files_and_changes_nothing_else(bundle: Bundle, tmp_path: Path) -> None:
    old = whole_only(bundle, tmp_path / "old.efb")
    out = tmp_path / "new.efb"
    words = ["--bundle", old, "--checkpoint", CHECKPOINT, "--out", out]
    assert split.run(command(*words, "--head-precision", "float32")) == 0
    new = Bundle.open(out)
    assert new.model_id == bundle.model_id
    assert new.read("embedder.onnx") == bundle.read("embedder.onnx")
    assert new.read("backbone.onnx") == split.cut_backbone(bundle.read("embedder.onnx"), "image")
    assert new.manifest["thresholds"] == bundle.manifest["thresholds"]
    assert "`backbone.onnx`" in new.read("MODEL_CARD.md").decode()
    with Pipeline.open(out, variant="split") as pipeline:
        assert pipeline.selftest.embedding_cosine > 0.9999


def test_split_on_the_default_bundle_keeps_all_but_the_backbone(
    bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / "new.efb"
    words = ["--bundle", bundle.path, "--checkpoint", CHECKPOINT, "--out", out]
    assert split.run(command(*words)) == 0
    new = Bundle.open(out)
    for name in ("embedder.onnx", "head.npz"):
        assert new.read(name) == bundle.read(name), name
    expected = bundle.selftest_vectors()["embedder_split_output"]
    found = new.selftest_vectors()["embedder_split_output"]  # as this machine computes it
    assert (unit(found) * unit(expected)).sum(axis=1).min() > 0.98


def test_another_networks_checkpoint_is_refused(bundle: Bundle) -> None:
    torch.manual_seed(0)
    files = {name: bundle.read(name) for name in bundle.manifest["members"]}
    other = DsaNet(CONFIGS["dsanet_s"]).eval()
    files["head.npz"] = split.packed(split.head_weights(other, "int8"))
    with pytest.raises(ValueError, match="is this the checkpoint that the bundle was packed from"):
        split.add_split(dict(bundle.stage("embedder")), files, other, "int8")


def test_head_that_the_runtime_lacks_is_refused() -> None:
    net = DsaNet(DsaNetConfig(pooling="gdconv"))
    with pytest.raises(ValueError, match="'gdconv', expected 'attention'.*pack this network whole"):
        split.head_weights(net, "int8")


def test_graph_without_a_seam_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match=r"found \[\], expected one; export the network with"):
        split.feature_tensor(onnx.load_model_from_string(bundle.read("detector.onnx")).graph)


def test_split_is_no_further_from_the_float_network_than_whole(
    bundle: Bundle, net: DsaNet, data_folder: Path
) -> None:
    """On 300 held-out FairFace crops: whole 0.9878 (worst 0.972), split 0.9898 (worst 0.977)."""
    inputs = faces.normalised(faces.held_out_faces(data_folder, 300))
    with torch.no_grad():
        exact = unit(fold(net)(torch.from_numpy(inputs)).numpy())
    cosines, embeddings = {}, {}
    for variant in ("whole", "split"):
        with open_embedder(bundle, choose_artefact(bundle, variant=variant)) as model:
            batches = np.array_split(inputs, 20)
            rows = [model.run({"image": batch})["embedding"] for batch in batches]
        embeddings[variant] = unit(np.concatenate(rows))
        cosines[variant] = (embeddings[variant] * exact).sum(axis=1)
    assert cosines["split"].mean() > cosines["whole"].mean() > 0.985
    assert cosines["split"].min() > 0.97
    assert (embeddings["split"] * embeddings["whole"]).sum(axis=1).min() > 0.99
