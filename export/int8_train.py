"""Teach a trained DSA-Net to survive INT8: the float checkpoint is its own teacher.

``python -m export train int8 --checkpoint dsanet_s.pt --data ../shared/data --out runs/int8``. A
copy with 8-bit weights and activations in the loop (`export.int8_net`) learns to give the float
network's feature maps and embedding, so its embeddings stay comparable with the float network's.
Every other step rounds weights to 7 bits, which is what x86 without VNNI needs (decision 0002):
one checkpoint serves both presets. The head is not touched. Channels are equalised first, ranges
are measured anew on calibration pictures as weights move. Runs in one process, on a GPU if there is
one; stops and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from export import faces
from export.checkpoint import load_checkpoint, save_checkpoint
from export.dsanet import DsaNet
from export.equalise import equalise
from export.errors import ExportError
from export.hints import pack
from export.int8_net import Int8Backbone, unfold
from export.to_onnx import fold

HINT_WEIGHTS = (0.25, 0.5, 1.0)
EMBEDDING_WEIGHT = 2.0
WEIGHT_BITS = (8, 7)
START_SHARE = 0.5
WARMUP_STEPS = 50
RANGE_FACES, VALIDATION_FACES = 64, 192
REFRESH_STEPS = 50
VALIDATE_STEPS = 200
SAVE_EVERY_S = 60


def losses(maps: list[Tensor], wanted: list[Tensor], embedding: Tensor, target: Tensor) -> dict:
    """Return ``loss`` and its terms: squared error over variance per map, and 1 - cosine."""
    terms = {f"hint{i}": F.mse_loss(a, b) / b.var() for i, (a, b) in enumerate(zip(maps, wanted))}
    terms["cosine"] = F.cosine_similarity(embedding, target).mean()
    hints = sum(weight * terms[f"hint{i}"] for i, weight in enumerate(HINT_WEIGHTS))
    loss = hints + EMBEDDING_WEIGHT * (1 - terms["cosine"])
    return {"loss": loss, **{name: value.detach() for name, value in terms.items()}}


def rate_factor(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine from 1 to 0."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * 0.5 * (1 + math.cos(math.pi * step / steps))


class Recovery:
    """The float network, its INT8 copy, and the place in the run.

    Parameters
    ----------
    net : trained network.
    crops : training crops (N, 112, 112, 3) RGB uint8.
    calibration : crops of the same form for ranges (the last 64) and validation (the others).
    steps, batch, rate, seed : length of the run; ``rate`` is the step relative to a tensor's RMS.
    """

    def __init__(
        self,
        net: DsaNet,
        *,
        crops: np.ndarray,
        calibration: np.ndarray,
        steps: int,
        batch: int = 16,
        rate: float = 3e-4,
        seed: int = 0,
    ):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.like, self.crops, self.steps, self.batch, self.rate, self.seed, self.step = (
            net, crops, steps, batch, rate, seed, 0,
        )  # fmt: skip
        self.images = self.pixels(calibration[-RANGE_FACES:])
        self.validation = self.pixels(calibration[:-RANGE_FACES])
        self.teacher = fold(net).to(self.device, memory_format=torch.channels_last)
        self.teacher.requires_grad_(False)
        start = copy.deepcopy(self.teacher)
        equalise(start, self.images)
        self.start = copy.deepcopy(start.backbone.segments)
        self.student = Int8Backbone(start.requires_grad_(True)).to(self.device)
        self.optimiser = self.make_optimiser()

    def pixels(self, crops: np.ndarray) -> Tensor:
        """Return crops as network input on the device, channels last (a sixth faster on CPUs)."""
        images = torch.from_numpy(faces.normalised(crops))
        return images.to(self.device, memory_format=torch.channels_last)

    def make_optimiser(self) -> torch.optim.Optimizer:
        """Adam whose rate for each tensor is a share of that tensor's RMS."""
        groups = [
            {"params": [p], "size": float(p.detach().square().mean().sqrt().clamp_min(1e-3))}
            for p in self.student.parameters()
        ]
        return torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12)

    def maps(self, image: Tensor) -> list[Tensor]:
        """Return the float network's feature maps."""
        found = []
        for part in self.teacher.backbone.segments:
            image = part(image)
            found.append(image)
        return found

    def draw(self) -> Tensor:
        """Return this step's batch: augmented views, the same ones for the same seed and step."""
        rng = np.random.default_rng((self.seed, self.step))
        rows = np.sort(rng.choice(len(self.crops), min(self.batch, len(self.crops)), replace=False))
        return self.pixels(np.stack([faces.view(self.crops[row], rng) for row in rows]))

    def train_step(self) -> dict[str, float]:
        """Take one optimiser step and return the loss terms."""
        if self.step % REFRESH_STEPS == 0:
            self.student.calibrate(self.images)
        self.student.bits = WEIGHT_BITS[self.step % len(WEIGHT_BITS)]
        image = self.draw()
        with torch.no_grad():
            wanted = self.maps(image)
            target = self.teacher.head(wanted[-1])
        maps = self.student(image)
        terms = losses(maps, wanted, self.teacher.head(maps[-1]), target)
        terms["loss"].backward()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * group["size"] * rate_factor(self.step, self.steps)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return mean and least cosine to the float network on faces not trained on, per bits."""
        result = {}
        self.student.calibrate(self.images)
        for bits in WEIGHT_BITS:
            self.student.bits = bits
            cosines = torch.cat(
                [
                    F.cosine_similarity(
                        self.teacher.head(self.student(part)[-1]),
                        self.teacher.head(self.maps(part)[-1]),
                    )
                    for part in self.validation.split(32)
                ]
            )
            result[f"mean{bits}"], result[f"min{bits}"] = (
                float(cosines.mean()),
                float(cosines.min()),
            )
        return result

    def result(self) -> DsaNet:
        """Return the recovered network, a plain one of the same configuration.

        Its weights are the mean of those before and after training (Wortsman et al. 2022, "Robust
        fine-tuning of zero-shot models"): nearer to the float network, and no worse in INT8.
        """
        folded = copy.deepcopy(self.teacher)
        segments = copy.deepcopy(self.student.segments)
        for weight, first in zip(segments.parameters(), self.start.parameters()):
            weight.data.lerp_(first, START_SHARE)
        folded.backbone.segments = segments
        return unfold(folded.cpu(), self.like)

    def state(self) -> dict:
        """Return what :meth:`restore` needs to go on bit for bit."""
        return {
            "weights": self.student.state_dict(),
            "limits": self.student.ranges.limits,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }

    def restore(self, state: dict) -> None:
        """Go on from a saved state."""
        self.student.load_state_dict(state["weights"])
        self.student.ranges.limits, self.student.ranges.mode = state["limits"], "int8"
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def train(job: Recovery, out: Path) -> None:
    """Run what is left of a job; state and log go to ``out``."""
    saved = time.monotonic()
    bar = tqdm(total=job.steps, initial=job.step, desc="int8", mininterval=10)
    while job.step < job.steps:
        terms = job.train_step()
        bar.update()
        if job.step % VALIDATE_STEPS == 0 or job.step == job.steps:
            report(out, {"step": job.step, **terms, **job.validate()})
        if time.monotonic() - saved > SAVE_EVERY_S or job.step == job.steps:
            save(job, out)
            saved = time.monotonic()
    bar.close()


def report(out: Path, row: dict) -> None:
    """Print one line and append it to ``log.jsonl``."""
    text = json.dumps({name: round(value, 5) for name, value in row.items()})
    print(text, flush=True)
    with (out / "log.jsonl").open("a") as handle:
        handle.write(text + "\n")


def save(job: Recovery, out: Path) -> None:
    """Write the state, atomically."""
    unfinished = out / "state.pt.partial"
    torch.save(job.state(), unfinished)
    os.replace(unfinished, out / "state.pt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export train int8``."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="float network to recover")
    parser.add_argument("--data", type=Path, required=True, help="fairface112, fairface224")
    parser.add_argument("--out", type=Path, required=True, help="folder: state, log, checkpoint")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=3e-4, help="step relative to a tensor's RMS")
    parser.add_argument("--seed", type=int, default=0)


def require_same_run(args: argparse.Namespace) -> None:
    """Write down what a run is of, or refuse to go on with another one's state.

    Raises
    ------
    ExportError
        ``--out`` holds a run of another checkpoint, data or options.
    """
    own = {
        "checkpoint": sha256(args.checkpoint.read_bytes()).hexdigest(),
        "data": str(args.data.resolve()),
        **{name: getattr(args, name) for name in ("steps", "batch", "rate", "seed")},
    }
    path = args.out / "run.json"
    if not path.exists():
        path.write_text(json.dumps(own, indent=1) + "\n")
    found = json.loads(path.read_text())
    if found != own:
        raise ExportError(f"{args.out} holds a run of {found}, this is {own}: take another --out")


def run(args: argparse.Namespace) -> int:
    """Recover the checkpoint, or continue; returns the exit code."""
    torch.set_flush_denormal(True)
    args.out.mkdir(parents=True, exist_ok=True)
    require_same_run(args)
    packed = pack(args.out / "train.npy", lambda: faces.training_faces(args.data))
    job = Recovery(
        load_checkpoint(args.checkpoint),
        crops=np.load(packed, mmap_mode="r"),
        calibration=faces.calibration_faces(args.data, RANGE_FACES + VALIDATION_FACES),
        steps=args.steps,
        batch=args.batch,
        rate=args.rate,
        seed=args.seed,
    )
    state = args.out / "state.pt"
    if state.exists():
        job.restore(torch.load(state, map_location=job.device, weights_only=True))
    else:
        report(args.out, {"step": 0, **job.validate()})
    train(job, args.out)
    target = args.out / f"{args.checkpoint.stem}_int8.pt"
    save_checkpoint(job.result(), target)
    print(target)
    return 0
