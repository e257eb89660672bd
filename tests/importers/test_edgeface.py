"""EdgeFace checkpoints: every published size, plain and low-rank, and the real EdgeFace-XS."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

from edgeface.align import align
from export import importers
from export.errors import ExportError
from export.importers.edgeface import SIZES, build, create
from export.to_onnx import INPUT, OUTPUT


def run(source, crops: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(source.onnx), providers=["CPUExecutionProvider"])
    return session.run([OUTPUT], {INPUT: source.preprocessing.apply(crops)})[0]


def low_rank(state: dict, ratio: float) -> dict:
    """Factor every linear layer as the published "gamma" files have it, exactly at full rank."""
    made = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        if f"{layer}.weight" not in state or state[f"{layer}.weight"].ndim != 2:
            made[name] = value
        elif kind == "bias":
            made[f"{layer}.linear2.bias"] = value
        else:
            u, s, v = torch.linalg.svd(value, full_matrices=False)
            rank = max(2, int(len(s) * ratio))
            made[f"{layer}.linear1.weight"] = (s[:rank, None] * v[:rank]).contiguous()
            made[f"{layer}.linear2.weight"] = u[:, :rank].contiguous()
    return made


@pytest.fixture(scope="module")
def crops(pipeline, astronaut_bgr, grace_hopper_bgr):
    photos = (astronaut_bgr, grace_hopper_bgr)
    found = [align(p, pipeline.largest_face(p).landmarks) for p in photos]
    return np.stack([crop[:, :, ::-1] for crop in found])


@pytest.mark.parametrize("name", SIZES.values())
def test_size_is_told_by_the_weights(name, tmp_path):
    state = create(name, num_classes=64).state_dict()
    net = build(state, file=tmp_path)
    assert net.default_cfg["architecture"] == name
    assert net.num_classes == 64


@pytest.mark.parametrize("ratio", [1.0, 0.6])
def test_low_rank_file_is_the_plain_network_with_factored_layers(ratio, tmp_path, crops):
    torch.manual_seed(0)
    state = create("edgenext_xx_small", num_classes=512).state_dict()
    factored = low_rank(state, ratio)
    torch.save({"state_dict": {f"model.{k}": v for k, v in factored.items()}}, tmp_path / "g.pt")
    save_file(state, tmp_path / "plain.safetensors")
    gamma = importers.load("edgeface", tmp_path / "g.pt", folder=tmp_path / "gamma")
    plain = importers.load("edgeface", tmp_path / "plain.safetensors", folder=tmp_path / "plain")
    difference = (
        np.abs(run(gamma, crops) - run(plain, crops)).max() / np.abs(run(plain, crops)).max()
    )
    assert difference < 1e-3 if ratio == 1 else 1e-3 < difference < 1
    count = [
        sum(n.op_type == "MatMul" for n in onnx.load(str(s.onnx)).graph.node)
        for s in (gamma, plain)
    ]
    assert count[0] > count[1]


def test_the_real_edgeface_xs(data_folder, tmp_path, crops):
    file = data_folder / "teachers" / "edgeface_xs.safetensors"
    source = importers.load("edgeface", file, folder=tmp_path)
    assert (source.name, source.dim, source.preprocessing.size) == ("edgeface_xs", 512, 112)
    assert source.licence["weights"] == "BSD-3-Clause"
    net = build(load_file(file), file=file)
    with torch.inference_mode():
        expected = net(torch.from_numpy(source.preprocessing.apply(crops))).numpy()
    np.testing.assert_allclose(run(source, crops), expected, atol=1e-4)
    kinds = {node.op_type for node in onnx.load(str(source.onnx)).graph.node}
    assert not kinds & {"Shape", "Gather", "CumSum", "Sin", "BatchNormalization"}


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "net.pt")
    with pytest.raises(ExportError, match="not the weights of kind edgeface.*no stem.0.weight"):
        importers.load("edgeface", tmp_path / "net.pt", folder=tmp_path)
    state = create("edgenext_xx_small", num_classes=8).state_dict()
    del state["stages.0.blocks.0.gamma"]
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(ExportError, match="edgeface: no stages.0.blocks.0.gamma"):
        importers.load("edgeface", tmp_path / "net.pt", folder=tmp_path)


def test_damaged_safetensors_are_refused(tmp_path):
    (tmp_path / "net.safetensors").write_bytes(b"\x10" + bytes(40))
    with pytest.raises(ExportError, match="not a safetensors file"):
        importers.load("edgeface", tmp_path / "net.safetensors", folder=tmp_path)


@pytest.mark.parametrize("package", ["timm", "safetensors"])
def test_a_missing_package_is_named_with_the_fix(package, tmp_path, monkeypatch):
    state = create("edgenext_xx_small", num_classes=8).state_dict()
    save_file(state, tmp_path / "net.safetensors")
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(ExportError, match=f"{package}.*requirements-importers.txt"):
        importers.load("edgeface", tmp_path / "net.safetensors", folder=tmp_path)
