"""Losses that teach an embedding who is who: ArcFace, batch-hard triplets, distillation, stages.

Embeddings are (N, D) float and need not be normalised: each loss normalises, because the cosine is
what decides at run time. Labels are (N,) int64. Every loss returns a scalar that can be
differentiated, also for a batch that teaches nothing (then it is zero).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST_SINE2 = 1e-6  # of 1 - cos²: the square root's slope is infinite at zero
SMALLEST_DISTANCE2 = 1e-12


def require_batch(embeddings: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless ``embeddings`` is (N, D) and ``labels`` is (N,), N at least 1."""
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1] or len(labels) == 0:
        raise ValueError(
            f"embeddings {tuple(embeddings.shape)} and labels {tuple(labels.shape)}: "
            "expected (N, D) and (N,) with N of 1 or more"
        )


class Softmax(nn.Module):
    """Plain softmax classification, the baseline: −log softmax(Wx + b)_y, averaged."""

    def __init__(self, classes: int, dim: int):
        super().__init__()
        self.classify = nn.Linear(dim, classes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of (N, D) embeddings and (N,) labels."""
        require_batch(embeddings, labels)
        return F.cross_entropy(self.classify(embeddings), labels)


class ArcFace(nn.Module):
    """Additive angular margin on a softmax over cosines.

    Source: Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR
    2019, equation 3::

        L = −1/N Σ_i log  exp(s·cos(θ_y + m)) / (exp(s·cos(θ_y + m)) + Σ_{j≠y} exp(s·cos θ_j))

    θ_j is the angle between embedding i and class weight j. cos(θ + m) rises again beyond
    θ = π − m, where a larger error would cost less. There ``easy_margin=False`` goes on with
    cos θ − m·sin m, which keeps falling. ``easy_margin=True`` has the margin only where
    θ < π/2 and plain cos θ elsewhere. Both as in the authors' code.

    Parameters
    ----------
    classes, dim : number of people, and length of an embedding.
    scale : s, above 0.
    margin : m in radians, 0 to below π/2; 0 gives the softmax over scaled cosines (NormFace).

    Raises
    ------
    ValueError
        A parameter out of its range, or a batch of another shape.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        scale: float = 64.0,
        margin: float = 0.5,
        easy_margin: bool = False,
    ):
        super().__init__()
        if scale <= 0 or not 0 <= margin < math.pi / 2:
            raise ValueError(
                f"scale {scale} and margin {margin}: expected scale above 0 and 0 ≤ margin < π/2"
            )
        self.scale, self.margin, self.easy_margin = scale, margin, easy_margin
        self.weight = nn.Parameter(F.normalize(torch.randn(classes, dim)))

    def with_margin(self, cosine: Tensor) -> Tensor:
        """Return what replaces cos θ of the own class, element by element."""
        sine = (1 - cosine.square()).clamp_min(SMALLEST_SINE2).sqrt()
        shifted = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        if self.easy_margin:
            return torch.where(cosine > 0, shifted, cosine)
        beyond = cosine - self.margin * math.sin(self.margin)
        return torch.where(cosine > -math.cos(self.margin), shifted, beyond)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of (N, D) embeddings and (N,) labels in 0..classes-1."""
        require_batch(embeddings, labels)
        cosines = F.normalize(embeddings) @ F.normalize(self.weight).T
        own = cosines.gather(1, labels[:, None])
        logits = cosines.scatter(1, labels[:, None], self.with_margin(own))
        return F.cross_entropy(self.scale * logits, labels)


class BatchHardTriplet(nn.Module):
    """Each anchor against its farthest positive and its nearest negative in the batch.

    Source: Hermans, Beyer and Leibe, "In Defense of the Triplet Loss for Person
    Re-Identification", 2017, equation 5, with the cosine distance d = 1 − cos in place of the
    Euclidean one::

        L = mean_a  [m + max_p d(a, p) − min_n d(a, n)]₊

    With ``margin=None`` their soft margin, ln(1 + exp(·)), here with a ``sharpness`` k for
    distances that end at 2: ln(1 + exp(k·(d_p − d_n)))/k. An anchor without another photo of its
    person, or without another person, is left out; if no anchor is left the loss is 0.

    Raises
    ------
    ValueError
        A margin or sharpness that is not above 0, or a batch of another shape.
    """

    def __init__(self, *, margin: float | None = 0.2, sharpness: float = 10.0):
        super().__init__()
        if (margin is not None and margin <= 0) or sharpness <= 0:
            raise ValueError(f"margin {margin}, sharpness {sharpness}: expected both above 0")
        self.margin, self.sharpness = margin, sharpness

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of (N, D) embeddings and (N,) labels."""
        require_batch(embeddings, labels)
        gap, valid = self.gaps(embeddings, labels)
        if self.margin is None:
            each = F.softplus(self.sharpness * gap) / self.sharpness
        else:
            each = (gap + self.margin).clamp_min(0)
        return torch.where(valid, each, 0.0).sum() / valid.sum().clamp_min(1)

    @staticmethod
    def gaps(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N,) hardest positive minus hardest negative distance, and which anchors count."""
        unit = F.normalize(embeddings)
        distance = 1 - unit @ unit.T
        same = labels[:, None] == labels[None]
        positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        valid = positive.any(1) & (~same).any(1)
        farthest = distance.masked_fill(~positive, -1).amax(1)
        nearest = distance.masked_fill(same, 3).amin(1)
        return farthest - nearest, valid


def pair_distances(x: Tensor) -> Tensor:
    """Return the Euclidean distances (N, N) of rows; the gradient at distance 0 is 0."""
    squared = (x[:, None] - x[None]).square().sum(2)
    return squared.clamp_min(SMALLEST_DISTANCE2).sqrt() * (squared > SMALLEST_DISTANCE2)


def relative_distances(x: Tensor) -> Tensor:
    """ψ_D of Park et al.: distances of rows (N, D) over their mean across pairs, (N, N)."""
    distance = pair_distances(x)
    pairs = max(len(x) * (len(x) - 1), 1)
    return distance / (distance.sum() / pairs).clamp_min(1e-6)


def angles(x: Tensor) -> Tensor:
    """ψ_A of Park et al.: cos∠(x_j x_i x_k) at corner i, (N, N, N), of rows (N, D)."""
    towards = x[None] - x[:, None]
    squared = towards.square().sum(2, keepdim=True)
    unit = towards * squared.clamp_min(SMALLEST_DISTANCE2).rsqrt() * (squared > SMALLEST_DISTANCE2)
    return unit @ unit.transpose(1, 2)


class Distillation(nn.Module):
    """A student's embeddings against the teacher's of the same photos.

    The sum of three terms, each with its weight:

    - ``cosine``: mean of 1 − cos(student_i, teacher_i); both must have the same length.
    - ``distance``: Huber loss between the relative distances of all pairs in the batch.
    - ``angle``: Huber loss between the cosines of the angles of all triples in the batch.

    Source of the last two: Park et al., "Relational Knowledge Distillation", CVPR 2019, its
    distance-wise and angle-wise losses (RKD-D and RKD-A), here on unit embeddings and averaged
    over pairs and triples of different photos.

    Raises
    ------
    ValueError
        Shapes that do not fit, or a negative weight.
    """

    def __init__(self, *, cosine: float = 1.0, distance: float = 1.0, angle: float = 2.0):
        super().__init__()
        if min(cosine, distance, angle) < 0:
            raise ValueError(f"weights {cosine}, {distance}, {angle}: expected none below 0")
        self.cosine, self.distance, self.angle = cosine, distance, angle

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the scalar loss of (N, D) student and (N, T) teacher embeddings."""
        same_width = student.shape[1:] == teacher.shape[1:] or self.cosine == 0
        if student.ndim != 2 or teacher.ndim != 2 or len(student) != len(teacher) or not same_width:
            raise ValueError(
                f"student {tuple(student.shape)} and teacher {tuple(teacher.shape)}: expected "
                "(N, D) twice; with cosine=0 the lengths may differ"
            )
        student, teacher = F.normalize(student), F.normalize(teacher.detach())
        loss = student.sum() * 0.0
        if self.cosine:
            loss = loss + self.cosine * (1 - (student * teacher).sum(1)).mean()
        if self.distance:
            loss = loss + self.distance * distance_loss(student, teacher)
        if self.angle:
            loss = loss + self.angle * angle_loss(student, teacher)
        return loss


def distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-D of Park et al.: Huber loss between relative distances, mean over pairs."""
    pairs = len(student) * (len(student) - 1)
    found, wanted = relative_distances(student), relative_distances(teacher)
    return F.smooth_l1_loss(found, wanted, reduction="sum") / max(pairs, 1)


def angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-A of Park et al.: Huber loss between angles' cosines, mean over triples.

    A triple whose corner coincides with one of its ends has cosine 0 on both sides.
    """
    count = len(student)
    apart = ~torch.eye(count, dtype=torch.bool, device=student.device)
    valid = apart[:, :, None] & apart[:, None] & apart[None]
    error = F.smooth_l1_loss(angles(student), angles(teacher), reduction="none")
    return torch.where(valid, error, 0.0).sum() / valid.sum().clamp_min(1)


@dataclass(frozen=True)
class Staged:
    """Weights of several losses over the progress of training, 0 to 1.

    ``stages`` are (start, {loss: weight}) with rising starts, the first at 0. A new stage fades in
    over ``ramp`` of the training, so that no loss appears at full weight in one step. The default
    is the order of the field: ArcFace sorts the people, triplets join, and triplets alone finish
    (as FaceNet's hard examples, Schroff et al. 2015, on an embedding that is already sorted).
    """

    stages: tuple[tuple[float, dict[str, float]], ...] = (
        (0.0, {"arcface": 1.0}),
        (0.5, {"arcface": 1.0, "triplet": 4.0}),
        (0.85, {"triplet": 4.0}),
    )
    ramp: float = 0.05

    def __post_init__(self) -> None:
        starts = [start for start, _ in self.stages]
        if not starts or starts[0] != 0 or sorted(set(starts)) != starts or starts[-1] >= 1:
            raise ValueError(f"stages start at {starts}: expected 0 first, then rising, below 1")

    @property
    def names(self) -> tuple[str, ...]:
        """Every loss that some stage weighs, sorted."""
        return tuple(sorted({name for _, weights in self.stages for name in weights}))

    def weights(self, progress: float) -> dict[str, float]:
        """Return the weight of every loss at ``progress``, 0 to 1."""
        index = max(i for i, (start, _) in enumerate(self.stages) if progress >= start)
        start, now = self.stages[index]
        before = self.stages[max(index - 1, 0)][1]
        share = min((progress - start) / self.ramp, 1.0) if index and self.ramp else 1.0
        return {
            name: share * now.get(name, 0.0) + (1 - share) * before.get(name, 0.0)
            for name in self.names
        }
