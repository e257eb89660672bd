"""What to train for, by name: one or several losses and their weights over the training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from export.losses import ArcFace, BatchHardTriplet, Distillation, Softmax, Staged

SCHEDULES = {
    "softmax": Staged(((0.0, {"softmax": 1.0}),)),
    "arcface": Staged(((0.0, {"arcface": 1.0}),)),
    "triplet": Staged(((0.0, {"triplet": 1.0}),)),
    "staged": Staged(),
    "distil": Staged(((0.0, {"distil": 1.0}),)),
    "distil+arcface": Staged(((0.0, {"arcface": 1.0, "distil": 2.0}),)),
}


@dataclass(frozen=True)
class ObjectiveConfig:
    """``name`` is a key of `SCHEDULES`; the rest are the losses' parameters.

    ``triplet_margin=None`` is the soft margin.
    """

    name: str = "arcface"
    scale: float = 32.0
    margin: float = 0.3
    triplet_margin: float | None = None
    distil_distance: float = 5.0
    distil_angle: float = 10.0


class Objective(nn.Module):
    """The losses that a schedule weighs, as one module whose parameters are trained along."""

    def __init__(self, config: ObjectiveConfig, *, classes: int, dim: int):
        super().__init__()
        if config.name not in SCHEDULES:
            raise ValueError(
                f"loss is {config.name!r}; expected one of {', '.join(sorted(SCHEDULES))}"
            )
        self.schedule = SCHEDULES[config.name]
        makers = {
            "softmax": lambda: Softmax(classes, dim),
            "arcface": lambda: ArcFace(classes, dim, scale=config.scale, margin=config.margin),
            "triplet": lambda: BatchHardTriplet(margin=config.triplet_margin),
            "distil": lambda: Distillation(
                distance=config.distil_distance, angle=config.distil_angle
            ),
        }
        self.losses = nn.ModuleDict({name: makers[name]() for name in self.schedule.names})

    @property
    def needs_teacher(self) -> bool:
        """Whether `forward` wants the teacher's embeddings."""
        return "distil" in self.losses

    def forward(
        self, embeddings: Tensor, labels: Tensor, *, progress: float, teacher: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return ``loss``, to be minimised, and the single losses that it is made of.

        ``embeddings`` (N, D) raw, ``labels`` (N,) int64, ``teacher`` (N, D) where
        `needs_teacher`; ``progress`` runs from 0 to 1 over the training.
        """
        weights = {n: w for n, w in self.schedule.weights(progress).items() if w}
        terms = {
            name: self.losses[name](embeddings, teacher if name == "distil" else labels)
            for name in weights
        }
        loss = sum(weights[name] * term for name, term in terms.items())
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}
