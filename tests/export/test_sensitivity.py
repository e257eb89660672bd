"""The sensitivity report: it finds the layer that was made bad, and what to keep in float."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from export import sensitivity
from export.checkpoint import load_checkpoint, save_checkpoint
from export.onnx_target import run_session, session
from export.partial_int8 import INPUT_LAYER, PartialInt8
from export.preprocessing import Preprocessing
from export.presets import PRESETS
from export.to_onnx import export_backbone, export_float

CHECKPOINT = Path(__file__).parents[2] / "export" / "checkpoints" / "dsanet_s.pt"
BAD_LAYER = "/segments.1/segments.1.3/expand/Conv"


@pytest.fixture(scope="module")
def inputs(portrait_views):
    return Preprocessing().apply(portrait_views)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory, inputs) -> sensitivity.Sensitivity:
    """The shipped backbone with one weight per row of one layer blown up beside a dead channel.

    In float nothing changes: the channel it reads is zero. Its row's other weights lose their
    INT8 levels.
    """
    net = load_checkpoint(CHECKPOINT)
    block = net.backbone.segments[1][3]
    block.norm.weight.data[0] = 0
    block.norm.bias.data[0] = 0
    block.expand.weight.data[:, 0] = 40 * block.expand.weight.data.abs().amax(1)
    path = tmp_path_factory.mktemp("spoilt") / "backbone.onnx"
    export_backbone(net, path)
    return sensitivity.Sensitivity(
        path, calibration=inputs[8:40], test=inputs[:8], preset=PRESETS["integer"]
    )


def test_the_bad_layer_comes_first_and_keeping_it_in_float_is_enough(spoilt):
    names = [name for name in spoilt.partial.layers if name.startswith("/segments.1/segments.1.3")]
    rows = sorted((spoilt.layer(name) for name in names), key=lambda row: -row.but.cosine)
    assert rows[0].layer == BAD_LAYER and rows[0].operator == "Conv"
    assert rows[0].only.sqnr_db < min(row.only.sqnr_db for row in rows[1:]) - 6
    assert 1 - spoilt.measure({BAD_LAYER}).cosine < 0.5 * (1 - spoilt.measure(()).cosine)


def test_with_all_layers_in_float_the_graph_is_the_float_one(spoilt):
    assert spoilt.measure(spoilt.partial.layers).least > 0.99999


def test_with_none_in_float_it_is_the_int8_one(spoilt, inputs):
    taken_apart = spoilt.partial.with_float(())
    same = [
        run_session(session(model, exact=True), inputs[:4])
        for model in (taken_apart, spoilt.partial.model.SerializeToString())
    ]
    np.testing.assert_array_equal(*same)


def test_every_quantised_tensor_belongs_to_a_layer_of_the_float_graph(spoilt):
    layers = spoilt.partial.layers
    pairs = sum(len(layer.pairs) + len(layer.weights) for layer in layers.values())
    model = spoilt.partial.model
    assert pairs == sum(n.op_type == "DequantizeLinear" for n in model.graph.node)
    assert INPUT_LAYER in layers and not any("QuantizeLinear" in name for name in layers)


def test_a_float_graph_is_refused(tmp_path):
    export_backbone(load_checkpoint(CHECKPOINT), tmp_path / "float.onnx")
    model = onnx.load(str(tmp_path / "float.onnx"))
    with pytest.raises(ValueError, match="no quantised layer"):
        PartialInt8(model, model)


def test_the_command_reports_as_json_and_table(portrait_views, tmp_path, monkeypatch, capsys):
    """A DSA-Net of one block per segment: few layers, so that all can be measured here."""
    net = load_checkpoint(CHECKPOINT)
    config = {**net.config.to_dict(), "depths": (1, 1, 1), "attention_blocks": 0}
    small = type(net)(type(net.config).from_dict(config)).eval()
    kept = {k: v for k, v in net.state_dict().items() if k in small.state_dict()}
    same = {k: v for k, v in kept.items() if v.shape == small.state_dict()[k].shape}
    small.load_state_dict(same, strict=False)
    save_checkpoint(small, tmp_path / "small.pt")
    np.save(tmp_path / "crops.npy", portrait_views[:40])
    parser = sensitivity.argparse.ArgumentParser()
    sensitivity.add_arguments(parser)
    words = ["--checkpoint", "small.pt", "--calibration", "crops.npy", "--out", "report.json"]
    monkeypatch.chdir(tmp_path)
    args = parser.parse_args([*words, "--faces", "8", "--target", "0.9999"])
    assert sensitivity.run(args) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    gains = [row["but"]["cosine"] for row in report["layers"]]
    assert gains == sorted(gains, reverse=True) and report["faces"] == 8
    assert report["kept"] and report["with_kept"]["cosine"] > report["int8"]["cosine"]
    printed = capsys.readouterr().out
    assert report["kept"][0] in printed and "keep in float" in printed


def test_any_onnx_network_is_measured(portrait_views, inputs, tmp_path):
    export_float(load_checkpoint(CHECKPOINT), tmp_path / "whole.onnx")
    job = sensitivity.Sensitivity(
        tmp_path / "whole.onnx",
        calibration=inputs[:16],
        test=inputs[16:20],
        preset=PRESETS["mixed"],
    )
    row = job.layer("/head/project/Gemm")
    assert 0.99 < row.only.cosine < 1 and row.but.cosine > 0.9
