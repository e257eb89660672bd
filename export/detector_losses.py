"""The detector's loss: quality focal score, DIoU box, smooth-L1 landmarks."""

from __future__ import annotations

import torch
from torch.nn import functional

from export.detector_net import SHAPE_STRIDE, STRIDES
from export.detector_scene import CLOSE_FACE, CLOSE_SIDE
from export.detector_targets import cell_centres

BOX_WEIGHT, LANDMARK_WEIGHT = 2.0, 4.0
LANDMARK_BETA = 0.01


def join_levels(outputs: tuple) -> tuple:
    """Raw scores (N, C), boxes (N, C, 4) and landmarks (N, C, 10) of the first nine maps."""
    flat = [output.flatten(2).transpose(1, 2) for output in outputs[: 3 * len(STRIDES)]]
    scores, boxes, landmarks = (torch.cat(flat[i::3], 1) for i in range(3))
    return scores[..., 0], boxes, landmarks


def grid(height: int, width: int, *, device) -> tuple:
    """Cell centres (C, 2) in pixels and strides (C, 1), in the order of ``join_levels``."""
    centres = [torch.from_numpy(cell_centres(height, width, stride)) for stride in STRIDES]
    strides = [torch.full((len(c), 1), float(s)) for c, s in zip(centres, STRIDES)]
    return torch.cat(centres).to(device), torch.cat(strides).to(device)


def decode_boxes(raw: torch.Tensor, centres: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
    """Raw boxes (..., 4) to x1, y1, x2, y2 in pixels."""
    middle = centres + raw[..., :2] * strides
    half = raw[..., 2:].clamp(-4, 6).exp() * strides / 2
    return torch.cat([middle - half, middle + half], -1)


def distance_iou(a: torch.Tensor, b: torch.Tensor) -> tuple:
    """IoU and DIoU (Zheng et al. 2020) of boxes (P, 4), pair by pair; both (P,)."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    inter = shared.prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inter
    iou = inter / union.clamp(min=1e-6)
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    gap = ((a[:, :2] + a[:, 2:]) - (b[:, :2] + b[:, 2:])) / 2
    return iou, iou - gap.square().sum(1) / hull.square().sum(1).clamp(min=1e-6)


def quality_focal(logits: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Quality focal loss with beta 2 (Li et al. 2020, equation 4), element by element."""
    error = (torch.sigmoid(logits) - quality).square()
    return error * functional.binary_cross_entropy_with_logits(logits, quality, reduction="none")


def detector_loss(outputs: tuple, *, assigned, boxes, landmarks, height: int, width: int) -> tuple:
    """Total loss and its three parts (score, box, landmark), each per assigned cell.

    A cell's score target is the IoU that its own box reaches, so that the score ranks boxes.
    Landmark errors are in units of the face's size (the geometric mean of its box's sides).
    """
    scores, raw_boxes, raw_landmarks = (output.float() for output in join_levels(outputs))
    centres, strides = grid(height, width, device=scores.device)
    found = assigned == 1
    centres, strides = (v.expand(len(scores), *v.shape)[found] for v in (centres, strides))
    count = max(int(found.sum()), 1)
    iou, diou = distance_iou(decode_boxes(raw_boxes[found], centres, strides), boxes[found])
    quality = torch.zeros_like(scores)
    quality[found] = iou.detach().clamp(0, 1)
    score_loss = (quality_focal(scores, quality) * (assigned >= 0)).sum() / count
    box_loss = (1 - diou).sum() / count
    points = centres.repeat(1, 5) + raw_landmarks[found] * strides
    size = (boxes[found][:, 2:] - boxes[found][:, :2]).prod(1, keepdim=True).sqrt().clamp(min=1)
    landmark_loss = functional.smooth_l1_loss(
        points / size, landmarks[found] / size, beta=LANDMARK_BETA, reduction="sum"
    ) / (10 * count)
    total = score_loss + BOX_WEIGHT * box_loss + LANDMARK_WEIGHT * landmark_loss
    return total, {"score": score_loss, "box": box_loss, "landmark": landmark_loss}


def shape_loss(shape: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
    """Smooth-L1 of close-ups' landmarks, in units of the face's nominal size.

    ``shape`` (N, 10, 1, 1) is the network's last output, ``landmarks`` (N, 10) pixels; rows with
    NaN (nothing to learn) do not count.
    """
    known = ~landmarks.isnan().any(1)
    points = CLOSE_SIDE / 2 + shape[known, :, 0, 0] * SHAPE_STRIDE
    return functional.smooth_l1_loss(
        points / CLOSE_FACE, landmarks[known] / CLOSE_FACE, beta=LANDMARK_BETA
    )
