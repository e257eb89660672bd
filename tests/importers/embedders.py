"""Small embedders of the kinds that users bring, as ONNX files."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

DIM = 32
SIDE = 48


class Cnn(nn.Module):
    """(N, 3, S, S) → (N, 32) by convolutions, BatchNorm and a linear layer."""

    def __init__(self, *, nhwc: bool = False, end=lambda x: x):
        super().__init__()
        torch.manual_seed(3)
        self.nhwc, self.end = nhwc, end
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.PReLU(8), nn.Conv2d(8, 16, 3, 2, 1)
        )
        self.fc = nn.Linear(16 * 4 * 4, DIM)
        self.body[1].running_mean.normal_()
        self.body[1].running_var.uniform_(0.5, 2)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x.permute(0, 3, 1, 2) if self.nhwc else x)
        x = nn.functional.adaptive_avg_pool2d(x, 4)
        return self.end(self.fc(x.reshape(x.shape[0], -1)))


def export(
    net: nn.Module,
    path: Path,
    *,
    opset: int = 17,
    shape=(1, 3, SIDE, SIDE),
    free: bool = True,
    outputs=("out",),
) -> Path:
    """Write a network as ONNX with input "data"; ``free`` lets the batch size vary."""
    axes = {"data": {0: "n"}, **{name: {0: "n"} for name in outputs}} if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(shape),), str(path), dynamo=False, opset_version=opset,
            input_names=["data"], output_names=list(outputs), dynamic_axes=axes,
        )  # fmt: skip
    return path


def edited(path: Path, edit) -> Path:
    """Change an ONNX file by a function of its model."""
    model = onnx.load(str(path))
    edit(model)
    onnx.save(model, str(path))
    return path
