"""The two functions of torchvision that facenet-pytorch calls, to run it beside torch's CPU build.

PyPI's torchvision does not load there ("operator torchvision::nms does not exist"). What replaces
it is OpenCV's compiled non-maximum suppression; it takes a small part of MTCNN's time.
"""

from __future__ import annotations

import sys
from types import ModuleType

import cv2
import numpy as np
import torch


def batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, iou: float
) -> torch.Tensor:
    """Return indices of the boxes (N, 4) x1 y1 x2 y2 that stay, best first; groups do not meet."""
    corners = boxes.numpy()
    sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(
        sides.astype(np.float64), scores.numpy(), groups.numpy().astype(np.int32), -1.0, iou
    )
    found = torch.as_tensor(np.asarray(kept, np.int64).reshape(-1))
    return found[scores[found].argsort(descending=True)]


def to_tensor(picture: object) -> torch.Tensor:
    """Return a picture's pixels (3, H, W) float32 from 0 to 1."""
    return torch.from_numpy(np.array(picture, np.float32)).permute(2, 0, 1) / 255


def install() -> None:
    """Put it in torchvision's place, for this process."""
    root = _module("torchvision")
    for parent, leaf, function in (
        ("ops", "boxes", batched_nms),
        ("transforms", "functional", to_tensor),
    ):
        package, module = (_module(f"torchvision.{name}") for name in (parent, f"{parent}.{leaf}"))
        setattr(module, function.__name__, function)
        setattr(package, leaf, module)
        setattr(root, parent, package)


def _module(name: str) -> ModuleType:
    return sys.modules.setdefault(name, ModuleType(name))
