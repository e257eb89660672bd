"""FaceNet as facenet-pytorch stores it: Inception-ResNet v1 (Szegedy 2016, arXiv:1602.07261).

Written from the paper's figures 7 to 14 and the shapes of the released weights, with the parameter
names of facenet-pytorch, so that its state dicts (``20180402-114759-vggface2.pt`` and such) load by
name.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from export.importers import onnx_file
from export.importers.known import PREPROCESSINGS
from export.importers.state import fill, read_state
from export.preprocessing import Preprocessing

DIM = 512
BN_EPS = 1e-3
IGNORED = ("logits.",)  # the classifier of the training identities


class Unit(nn.Module):
    """Convolution without bias, BatchNorm, ReLU."""

    def __init__(self, inputs: int, outputs: int, size=1, *, stride: int = 1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


class Branches(nn.Module):
    """Branches ``branch0``, ``branch1`` … side by side, concatenated along the channels."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.count = len(branches)
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", branch)

    def concatenated(self, x: Tensor) -> Tensor:
        return torch.cat([getattr(self, f"branch{i}")(x) for i in range(self.count)], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.concatenated(x)


class Residual(Branches):
    """x + scale · conv1x1(branches(x)), then ReLU unless it is the last block."""

    def __init__(self, channels: int, *branches, width: int, scale: float, relu: bool = True):
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(width, channels, 1)
        self.scale, self.relu = scale, relu

    def forward(self, x: Tensor) -> Tensor:
        out = x + self.conv2d(self.concatenated(x)) * self.scale
        return torch.relu(out) if self.relu else out


def block35() -> Residual:
    """Inception-ResNet-A, 35x35 at 299 pixels (figure 10)."""
    narrow = nn.Sequential(Unit(256, 32), Unit(32, 32, 3, padding=1))
    deep = nn.Sequential(Unit(256, 32), Unit(32, 32, 3, padding=1), Unit(32, 32, 3, padding=1))
    return Residual(256, Unit(256, 32), narrow, deep, width=96, scale=0.17)


def separated(channels: int, width: int, size: int) -> nn.Sequential:
    """1x1, then 1 x size, then size x 1."""
    half = size // 2
    return nn.Sequential(
        Unit(channels, width),
        Unit(width, width, (1, size), padding=(0, half)),
        Unit(width, width, (size, 1), padding=(half, 0)),
    )


def block17() -> Residual:
    """Inception-ResNet-B (figure 11)."""
    return Residual(896, Unit(896, 128), separated(896, 128, 7), width=256, scale=0.10)


def block8(*, scale: float = 0.20, relu: bool = True) -> Residual:
    """Inception-ResNet-C (figure 13)."""
    branches = Unit(1792, 192), separated(1792, 192, 3)
    return Residual(1792, *branches, width=384, scale=scale, relu=relu)


def reduction_a() -> Branches:
    """Reduction-A (figure 7): 256 → 896 channels, half the side."""
    deep = nn.Sequential(Unit(256, 192), Unit(192, 192, 3, padding=1), Unit(192, 256, 3, stride=2))
    return Branches(Unit(256, 384, 3, stride=2), deep, nn.MaxPool2d(3, stride=2))


def reduction_b() -> Branches:
    """Reduction-B (figure 12): 896 → 1792 channels, half the side."""
    deep = nn.Sequential(Unit(896, 256), Unit(256, 256, 3, padding=1), Unit(256, 256, 3, stride=2))
    return Branches(
        nn.Sequential(Unit(896, 256), Unit(256, 384, 3, stride=2)),
        nn.Sequential(Unit(896, 256), Unit(256, 256, 3, stride=2)),
        deep,
        nn.MaxPool2d(3, stride=2),
    )


class InceptionResnetV1(nn.Module):
    """(N, 3, 160, 160) → (N, 512), not normalised; the stem is the paper's figure 14."""

    def __init__(self):
        super().__init__()
        self.conv2d_1a = Unit(3, 32, 3, stride=2)
        self.conv2d_2a = Unit(32, 32, 3)
        self.conv2d_2b = Unit(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = Unit(64, 80)
        self.conv2d_4a = Unit(80, 192, 3)
        self.conv2d_4b = Unit(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(block35() for _ in range(5)))
        self.mixed_6a = reduction_a()
        self.repeat_2 = nn.Sequential(*(block17() for _ in range(10)))
        self.mixed_7a = reduction_b()
        self.repeat_3 = nn.Sequential(*(block8() for _ in range(5)))
        self.block8 = block8(scale=1.0, relu=False)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.last_linear = nn.Linear(1792, DIM, bias=False)
        self.last_bn = nn.BatchNorm1d(DIM, eps=BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        for part in list(self.children())[:-2]:  # in the order of the lines above
            x = part(x)
        return self.last_bn(self.last_linear(x.flatten(1)))


def build(state: dict[str, Tensor], *, file: Path) -> InceptionResnetV1:
    """Return the network of a state dict in evaluation mode, its last BatchNorm folded.

    Raises
    ------
    ExportError
        These are not its weights.
    """
    net = InceptionResnetV1()
    kept = {name: value for name, value in state.items() if not name.startswith(IGNORED)}
    fill(net, kept, file=file, kind="facenet")
    net.eval()
    net.last_linear, net.last_bn = fuse_linear_bn_eval(net.last_linear, net.last_bn), nn.Identity()
    return net


def write_onnx(
    file: Path, path: Path, *, preprocessing: Preprocessing | None, output: str | None
) -> onnx_file.Imported:
    """Write a checkpoint's network as ONNX; see `export.importers.load`.

    Faces come as crops aligned to the ArcFace template, resized to 160 pixels, which is tighter
    than the MTCNN boxes that the released weights were trained on.
    """
    known = preprocessing or PREPROCESSINGS["facenet"]
    made = onnx_file.from_torch(build(read_state(file), file=file), path, preprocessing=known)
    return made.noting("crops are aligned to the ArcFace template, tighter than in training")
