"""The trainer of embedders on photos of labelled people; resumable and seeded.

Batches are P people × K photos, augmented; Muon and AdamW; bfloat16 autocast, on a GPU when there
is one. `export.identity` and `export.ablation` are its commands.
"""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from export import faces
from export.dsanet import EMBEDDING_DIM, Pointwise
from export.errors import ExportError
from export.identity_data import People, pk_rows
from export.muon import Muon
from export.nets.standardised import Standardised
from export.objectives import Objective, ObjectiveConfig
from export.teacher import normalise

SAVE_EVERY_S = 60
REPORT_EVERY_S = 10
EMBED_BATCH = 32
WARM_UP = 0.05  # of the training
ADAMW_SHARE = 0.15  # of Muon's rate


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; ``people`` × ``photos`` make a batch."""

    samples: int = 100_000
    people: int = 16
    photos: int = 4
    rate: float = 0.02
    weight_decay: float = 0.02
    seed: int = 1

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return max(1, self.samples // (self.people * self.photos))


def hidden_matrices(net: nn.Module) -> list[nn.Parameter]:
    """Return the weights that Muon may orthogonalise: those of matrices that mix channels.

    A convolution (out, in / groups, k, k) counts as the matrix (out, in / groups · k · k);
    depthwise ones, and those with fewer than ten rows or columns, are left to AdamW.
    """
    layers = (m for m in net.modules() if isinstance(m, (Pointwise, nn.Linear, nn.Conv2d)))
    weights = (m.weight for m in layers if m.weight.requires_grad)
    return [w for w in weights if min(w.flatten(1).shape) > 9]


class Optimiser:
    """Muon for hidden matrices, AdamW for all other weights, the losses' own among them."""

    def __init__(self, net: nn.Module, objective: nn.Module, plan: Plan):
        self.plan = plan
        self.parameters = hidden_matrices(net)
        self.matrices = [p.detach().flatten(1) for p in self.parameters]  # share memory
        chosen = {id(p) for p in self.parameters}
        rest = [p for p in net.parameters() if id(p) not in chosen and p.requires_grad]
        self.parts = {
            "muon": Muon(self.matrices, weight_decay=plan.weight_decay),
            "adamw": torch.optim.AdamW([*rest, *objective.parameters()], betas=(0.9, 0.98)),
        }

    def step(self, progress: float) -> None:
        """Update every weight at the rate of ``progress`` and forget the gradients."""
        rise = min(1.0, (progress + 1e-3) / WARM_UP)
        rate = self.plan.rate * rise * (0.505 + 0.495 * math.cos(math.pi * progress))
        for matrix, parameter in zip(self.matrices, self.parameters):
            matrix.grad = None if parameter.grad is None else parameter.grad.flatten(1)
            parameter.grad = None
        for part, share in zip(self.parts.values(), (1.0, ADAMW_SHARE)):
            for group in part.param_groups:
                group["lr"] = rate * share
            part.step()
            part.zero_grad(set_to_none=True)


class IdentityTrainer:
    """One training: network, objective, optimiser and the step that it has reached.

    ``teacher`` is (N, D) unit embeddings of the photos, for objectives that distil.
    """

    def __init__(
        self,
        net: Standardised,
        people: People,
        *,
        objective: ObjectiveConfig,
        plan: Plan,
        teacher: np.ndarray | None = None,
    ):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = net.to(self.device)  # images are channels-last, weights stay as Muon needs them
        self.people, self.plan, self.config = people, plan, objective
        self.labels, self.teacher = people.labels, teacher
        made = Objective(objective, classes=people.count, dim=EMBEDDING_DIM)
        self.objective = made.to(self.device)
        if made.needs_teacher and teacher is None:
            raise ValueError(f"loss {objective.name!r} distils: expected the teacher's embeddings")
        self.optimiser = Optimiser(self.net, self.objective, plan)
        self.step, self.seconds = 0, 0.0

    def batch(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return images, labels and teacher rows of this step: the same ones for the same seed."""
        seed = (self.plan.seed, self.step)
        size = {"people": self.plan.people, "photos": self.plan.photos}
        rows = pk_rows(self.labels, seed=seed, **size)
        rng = np.random.default_rng((*seed, 1))
        images = normalise(np.stack([faces.view(self.people.crops[row], rng) for row in rows]))
        labels = torch.from_numpy(self.labels[rows])
        targets = None if self.teacher is None else torch.from_numpy(self.teacher[rows])
        found = (images, labels, targets)
        return tuple(None if x is None else x.to(self.device) for x in found)

    def train_step(self) -> dict[str, float]:
        """Take one optimiser step and return the losses by name."""
        begun = time.process_time()
        self.net.train()
        progress = self.step / self.plan.steps
        images, labels, teacher = self.batch()
        with torch.autocast(self.device.type, torch.bfloat16):
            raw = self.net(images)
        terms = self.objective(raw.float(), labels, progress=progress, teacher=teacher)
        terms["loss"].backward()
        self.optimiser.step(progress)
        self.step += 1
        self.seconds += time.process_time() - begun
        return {name: float(value.detach()) for name, value in terms.items()}

    def run(self, *, state: Path, log: Path | None = None) -> None:
        """Train to the plan's end, from ``state`` where there is one; it is kept up to date."""
        self.load(state)
        saved = reported = time.monotonic()
        while self.step < self.plan.steps:
            terms = self.train_step()
            now, last = time.monotonic(), self.step == self.plan.steps
            if last or now - reported > REPORT_EVERY_S:
                self.report(terms, log)
                reported = now
            if last or now - saved > SAVE_EVERY_S:
                self.save(state)
                saved = now

    def report(self, terms: dict[str, float], log: Path | None) -> None:
        """Print one line and append it to ``log``."""
        values = "  ".join(f"{name} {value:.4f}" for name, value in terms.items())
        left = self.seconds / self.step * (self.plan.steps - self.step) / 60
        print(f"step {self.step}/{self.plan.steps}  {values}  {left:.1f} CPU min left", flush=True)
        if log:
            with log.open("a") as handle:
                handle.write(json.dumps({"step": self.step, **terms}) + "\n")

    def identity(self) -> dict:
        """Return what a saved state must share with this training to be continued by it."""
        return {
            "network": str(self.net.net.config),
            "plan": asdict(self.plan),
            "objective": asdict(self.config),
            "people": [self.people.count, len(self.labels)],
        }

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs; never leaves half a file."""
        state = {
            "identity": self.identity(),
            "step": self.step,
            "seconds": self.seconds,
            "net": self.net.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": {name: part.state_dict() for name, part in self.optimiser.parts.items()},
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)

    def load(self, path: Path) -> None:
        """Continue from `save`, if ``path`` is there; ExportError if it is another training's."""
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["identity"] != self.identity():
            raise ExportError(
                f"{path}: belongs to {state['identity']}, not to {self.identity()}; "
                "use the same options, or another folder"
            )
        self.net.load_state_dict(state["net"])
        self.objective.load_state_dict(state["objective"])
        for name, part in self.optimiser.parts.items():
            part.load_state_dict(state["optimiser"][name])
        self.step, self.seconds = state["step"], state["seconds"]
