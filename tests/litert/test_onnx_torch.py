"""ONNX graphs as PyTorch modules compute what onnxruntime computes; others are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from export import importers
from export.checkpoint import load_checkpoint
from export.importers.edgeface import create
from export.importers.onnx_graph import folded
from export.litert.convert import fixed_batch
from export.litert_worker.onnx_torch import OnnxModule, UnsupportedError
from export.preprocessing import Preprocessing
from export.source import Source
from export.to_onnx import export_float
from tests.importers.embedders import SIDE, Cnn, export

CHECKPOINT = Path(__file__).parents[2] / "export" / "checkpoints" / "dsanet_s.pt"


class Everything(nn.Module):
    """Pooling, padding, pre-activation BatchNorm, gates and activations of CNN embedders."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.norm = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 8, 3, groups=1)
        self.gate = nn.Conv2d(8, 8, 1)
        self.deep = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.fc = nn.Linear(8 * 6 * 6, 32)
        self.acts = nn.ModuleList(
            [nn.PReLU(8), nn.LeakyReLU(0.2), nn.Hardswish(), nn.ReLU6(), nn.Sigmoid(), nn.Tanh()]
        )
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        self.eval()

    def forward(self, x):
        x = nn.functional.pad(self.norm(x), (1, 0, 1, 0))
        x = self.conv(x) * self.gate(self.conv(x).mean((2, 3), keepdim=True)).sigmoid()
        x = x + self.deep(x) / 3 - 0.5
        for act in self.acts:
            x = act(x)
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        x = nn.functional.avg_pool2d(x, 2, 2, 0)
        a, b = x.chunk(2, dim=1)
        x = torch.cat([b, a], 1)[:, :, :6, :6]
        x = nn.functional.pad(x, (0, 6 - x.shape[3], 0, 6 - x.shape[2]))
        return self.fc(x.flatten(1)).softmax(1).unsqueeze(1).squeeze(1)


def both(model: onnx.ModelProto, *, side: int) -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).standard_normal((1, 3, side, side)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    wanted = session.run(None, {model.graph.input[0].name: image})[0]
    with torch.inference_mode():
        return OnnxModule(model)(torch.from_numpy(image)).numpy(), wanted


@pytest.mark.parametrize("net", [Cnn(), Everything()], ids=["cnn", "everything"])
def test_operators_of_cnn_embedders(net, tmp_path):
    file = export(net, tmp_path / "net.onnx", free=False)
    found, wanted = both(folded(onnx.load(str(file)), file=file), side=SIDE)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def dsanet(folder: Path) -> Source:
    export_float(load_checkpoint(CHECKPOINT), folder / "whole.onnx")
    return Source("dsanet_s", folder / "whole.onnx", Preprocessing(), 512)


def edgeface(folder: Path) -> Source:
    torch.manual_seed(0)
    torch.save(create("edgenext_xx_small", num_classes=64).state_dict(), folder / "net.pt")
    return importers.load("edgeface", folder / "net.pt", folder=folder)


@pytest.mark.parametrize("make", [dsanet, edgeface])
def test_whole_networks(make, tmp_path):
    source = make(tmp_path)
    model = fixed_batch(source)
    found, wanted = both(model, side=source.preprocessing.size)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(("make", "gelu"), [(dsanet, "GeluTanh"), (edgeface, "Gelu")])
def test_what_a_runtime_has_as_one_operator_is_one(make, gelu, tmp_path):
    kinds = [step.kind for step in OnnxModule(fixed_batch(make(tmp_path))).steps]
    assert gelu in kinds
    assert not {"Erf", "Tanh", "Pow", "Sqrt", "ReduceL2", "Shape", "Constant"} & set(kinds)
    if make is edgeface:
        assert kinds.count("UnitLength") == 6


def test_an_operator_without_a_twin_is_refused_by_name(tmp_path):
    class Odd(Cnn):
        def forward(self, x):
            return super().forward(x).cumsum(1)

    model = onnx.load(str(export(Odd(), tmp_path / "net.onnx", free=False)))
    with pytest.raises(UnsupportedError, match="CumSum"):
        OnnxModule(model)
