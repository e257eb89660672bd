"""minivision's pair of MiniFASNets (Apache-2.0), as teacher and as peer.

Written from the published description and the shapes in the two files: a MobileFaceNet-like body
(Chen et al. 2018) whose blocks have learned widths, PReLU throughout, squeeze-and-excitation (Hu et
al. 2018) at the end of each stage in one of them. Input: 80x80 BGR 0 to 255, a square-ish crop of
2.7 or 4.0 box sides. Output: three classes, of which the second is live.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from export.errors import ExportError
from export.liveness_frame import Frame

FILES = {"2.7_80x80_MiniFASNetV2.pth": 2.7, "4_0_0_80x80_MiniFASNetV1SE.pth": 4.0}
SIDE, LIVE_CLASS = 80, 1
STRIDED = ("conv1", "conv_23.conv_dw", "conv_34.conv_dw", "conv_45.conv_dw")


class MiniFasNet(nn.Module):
    """One of the two networks, run straight from its state dict."""

    def __init__(self, weights: dict):
        super().__init__()
        self.weights = {name.removeprefix("module."): value for name, value in weights.items()}

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 80, 80) float32 BGR 0 to 255 to the probability of live, (N,)."""
        x = self._unit(self._unit(x, "conv1"), "conv2_dw")
        for stage in (2, 3, 4):
            x = self._bottleneck(x, f"conv_{stage}{stage + 1}")
            for i in range(self._depth(f"conv_{stage + 1}.model.")):
                x = self._residual(x, f"conv_{stage + 1}.model.{i}")
        x = self._unit(self._unit(x, "conv_6_sep"), "conv_6_dw", padding=0)
        x = nn.functional.linear(x.flatten(1), self.weights["linear.weight"])
        logits = nn.functional.linear(self._norm(x, "bn"), self.weights["prob.weight"])
        return torch.softmax(logits, 1)[:, LIVE_CLASS]

    def _depth(self, prefix: str) -> int:
        found = {
            name[len(prefix) :].split(".")[0] for name in self.weights if name.startswith(prefix)
        }
        return len(found)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        w = self.weights
        return nn.functional.batch_norm(
            x,
            w[f"{name}.running_mean"],
            w[f"{name}.running_var"],
            w[f"{name}.weight"],
            w[f"{name}.bias"],
        )

    def _unit(self, x: Tensor, name: str, *, padding=None) -> Tensor:
        """Convolution, BatchNorm, and PReLU where the file has one."""
        kernel = self.weights[f"{name}.conv.weight"]
        x = nn.functional.conv2d(
            x,
            kernel,
            stride=2 if name in STRIDED else 1,
            padding=kernel.shape[2] // 2 if padding is None else padding,
            groups=x.shape[1] if kernel.shape[1] == 1 else 1,
        )
        x = self._norm(x, f"{name}.bn")
        slope = self.weights.get(f"{name}.prelu.weight")
        return x if slope is None else nn.functional.prelu(x, slope)

    def _bottleneck(self, x: Tensor, name: str) -> Tensor:
        for part in ("conv", "conv_dw", "project"):
            x = self._unit(x, f"{name}.{part}")
        return x

    def _residual(self, x: Tensor, name: str) -> Tensor:
        inner = self._bottleneck(x, name)
        gate = f"{name}.se_module"
        if f"{gate}.fc1.weight" in self.weights:
            w = self.weights
            mean = inner.mean((2, 3), keepdim=True)
            squeezed = nn.functional.conv2d(
                mean, w[f"{gate}.fc1.weight"], w.get(f"{gate}.fc1.bias")
            )
            squeezed = torch.relu(self._norm(squeezed, f"{gate}.bn1"))
            scale = nn.functional.conv2d(
                squeezed, w[f"{gate}.fc2.weight"], w.get(f"{gate}.fc2.bias")
            )
            inner = inner * torch.sigmoid(self._norm(scale, f"{gate}.bn2"))
        return x + inner


class Pair:
    """Both networks; their mean is the score, as their makers use them.

    Raises
    ------
    ExportError
        One of the two files is missing.
    """

    def __init__(self, folder):
        self._nets = []
        for name, scale in FILES.items():
            path = Path(folder) / name
            if not path.is_file():
                raise ExportError(f"{path} is missing: expected both files of minivision's pair")
            weights = torch.load(path, map_location="cpu", weights_only=True)
            self._nets.append((MiniFasNet(weights).eval(), scale))

    @torch.no_grad()
    def scores(self, frames: list, *, batch: int = 32) -> np.ndarray:
        """Probability of live of each Frame, (N,) float32."""
        parts = []
        for start in range(0, len(frames), batch):
            some = frames[start : start + batch]
            both = [net(_batch(some, scale)) for net, scale in self._nets]
            parts.append(torch.stack(both).mean(0).numpy())
        return np.concatenate(parts)


def _batch(frames: list, scale: float) -> Tensor:
    crops = np.stack([crop(frame, scale) for frame in frames])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float()


def crop(frame: Frame, scale: float) -> np.ndarray:
    """(80, 80, 3) uint8: the box ``scale`` times as large, or less, inside the frame."""
    height, width = frame.image.shape[:2]
    x, y, w, h = (float(v) for v in frame.box)
    scale = min(scale, (height - 1) / h, (width - 1) / w)
    left = np.clip(x + w / 2 - w * scale / 2, 0, width - 1 - w * scale)
    top = np.clip(y + h / 2 - h * scale / 2, 0, height - 1 - h * scale)
    right, bottom = int(left + w * scale), int(top + h * scale)
    part = frame.image[int(top) : bottom + 1, int(left) : right + 1]
    return cv2.resize(part, (SIDE, SIDE))
