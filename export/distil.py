"""Distil a DSA-Net from cached teacher features, in the order that was measured to work.

Phases: ``head`` (the head alone, on the teacher's 7×7 map), ``backbone`` (each segment against the
teacher's map; with probability ``forcing`` a sample enters a segment as the teacher's own map, so
that all segments learn at once), ``joint`` (the whole chain: embedding and hints together).
The embedding loss is 2·(1 − cosine) plus cross-entropy of 20·y·tᵀ over the sample's own teacher
embedding among those of ``bank`` other faces.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.dsanet import DsaNet

SHARPNESS = 20.0
HINT_WEIGHTS = (0.25, 0.5, 1.0)
JOINT_HINT_SHARE = 2.0
CONTRAST_WEIGHT = 0.5
PHASES = ("head", "backbone", "joint")


def relative_errors(student: list[Tensor], teacher: list[Tensor]) -> list[Tensor]:
    """Return the mean squared error of each map; teacher maps have unit variance."""
    return [F.mse_loss(s, t) for s, t in zip(student, teacher)]


def embedding_loss(raw: Tensor, batch: dict) -> dict[str, Tensor]:
    """Contrastive and cosine terms for raw embeddings (N, 512) and unit targets (N, 512).

    Bank entries of the sample's own face (another view of it) are no negatives.
    """
    unit = F.normalize(raw)
    own = (unit * batch["embedding"]).sum(1)
    others = unit @ batch["bank"].T
    others = others.masked_fill(batch["rows"][:, None] == batch["bank_rows"], -torch.inf)
    logits = SHARPNESS * torch.cat([own[:, None], others], 1)
    first = torch.zeros(len(raw), dtype=torch.long, device=raw.device)
    return {"contrast": F.cross_entropy(logits, first), "cosine": own.mean()}


class Distiller(nn.Module):
    """The student and its loss, as one module that DistributedDataParallel can wrap."""

    def __init__(self, net: DsaNet, phase: str):
        super().__init__()
        self.net, self.phase = net, phase
        net.backbone.requires_grad_(phase != "head")
        net.head.requires_grad_(phase != "backbone")

    def chain(self, image: Tensor, teacher: list[Tensor], forcing: float) -> list[Tensor]:
        """Run the segments, feeding the teacher's map in place of the student's at random."""
        maps, entering = [], image
        for part, target in zip(self.net.backbone.segments, teacher):
            maps.append(part(entering))
            entering = maps[-1]
            if forcing > 0:
                forced = torch.rand(len(image), 1, 1, 1, device=image.device) < forcing
                entering = torch.where(forced, target, entering)
        return maps

    def forward(self, batch: dict, forcing: float) -> dict[str, Tensor]:
        """Return ``loss`` and the terms it is made of."""
        terms: dict[str, Tensor] = {}
        feature = batch["features"][-1]
        if self.phase != "head":
            maps = self.chain(batch["image"], batch["features"], forcing)
            errors = relative_errors(maps, batch["features"])
            terms.update({f"hint{i}": e for i, e in enumerate(errors)})
            feature = maps[-1]
        if self.phase != "backbone":
            terms.update(embedding_loss(self.net.head(feature), batch))
        return {"loss": self.total(terms), **{k: v.detach() for k, v in terms.items()}}

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """Weigh the terms; in ``joint`` the dense hints keep the backbone from drifting."""
        loss = sum(w * terms[f"hint{i}"] for i, w in enumerate(HINT_WEIGHTS) if f"hint{i}" in terms)
        if "contrast" in terms:
            share = JOINT_HINT_SHARE if self.phase == "joint" else 0.0
            loss = CONTRAST_WEIGHT * terms["contrast"] + 2 * (1 - terms["cosine"]) + share * loss
        return loss
