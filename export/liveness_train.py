"""Train the liveness network on simulated attacks; resumable, on one core in about an hour."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from export.detector_data import Photos
from export.detector_train import learning_rate
from export.liveness_data import CAMERAS_PER_FRAME, Pool, Samples, fresh, joined, load_part
from export.liveness_scene import photo_frame
from export.liveness_teacher import Pair
from export.nets.liveness import LivenessConfig, LivenessNet, multiply_adds

PIXEL_MEAN = PIXEL_STD = 127.5
EMA_DECAY = 0.998


@dataclass(frozen=True)
class Recipe:
    """What is trained how; a JSON file with these names.

    Attributes
    ----------
    steps, batch : training steps, and faces in each.
    frames : new frames per step, two cameras each; the rest of a batch is drawn from the pool.
    pool : samples kept to be shown again.
    rate, decay : peak learning rate and weight decay of AdamW.
    smoothing : taken off both targets.
    teacher : how far the teacher's doubt about a live photo lowers its target, 0 to 1.
    branch : weight of the branches' own losses.
    seed : of weights, frames and cameras.
    """

    steps: int = 6000
    batch: int = 64
    frames: int = 12
    pool: int = 4000
    rate: float = 3e-3
    decay: float = 0.02
    smoothing: float = 0.02
    teacher: float = 0.2
    branch: float = 0.3
    seed: int = 1

    @classmethod
    def read(cls, path) -> Recipe:
        """Read a recipe file; ValueError names a key that does not belong."""
        values = json.loads(Path(path).read_text())
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"{path}: unknown keys {sorted(unknown)}")
        return cls(**values)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m export train liveness``."""
    parser.add_argument("--data", required=True, help="folder with fairface224/ and teachers/")
    parser.add_argument("--recipe", help="JSON file; without it the defaults")
    parser.add_argument("--checkpoint", required=True, help="written often, continued if there")
    parser.add_argument("--photos", type=int, default=None, help="first photos only")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=200, help="steps between checkpoints")
    parser.add_argument("--stop-after", type=int, default=None, help="stop after this many steps")


class Stream:
    """The batches of a run: new samples and some shown before."""

    def __init__(self, photos: Photos, recipe: Recipe):
        self._photos, self._recipe = photos, recipe
        self._pool = Pool(recipe.pool)

    def batch(self, step: int) -> Samples:
        """The batch of a step; the first ones are all new, until the pool is half full.

        A small pool shown again and again would be learned by heart, at every resumption.
        """
        recipe = self._recipe
        rng = np.random.default_rng((recipe.seed, step))
        filling = len(self._pool) < recipe.pool // 2
        wanted = recipe.batch // CAMERAS_PER_FRAME if filling else recipe.frames
        new = fresh(self._photos, rng, frames=wanted)
        shown = None if filling else self._pool.draw(rng, count=recipe.batch - len(new))
        self._pool.add(new)
        return new if shown is None else joined(new, shown)


class Trainer:
    """Network, its moving average, optimiser and step; everything that a checkpoint holds."""

    def __init__(self, recipe: Recipe, *, opinions: np.ndarray):
        self.recipe = recipe
        self.net = LivenessNet(LivenessConfig()).to(memory_format=torch.channels_last).train()
        self.opinions = torch.from_numpy(opinions)
        trained = [p for p in self.net.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(trained, lr=0.0, weight_decay=recipe.decay, fused=True)
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.step = 0

    def train_step(self, samples: Samples) -> float:
        """One step; the loss of the fused logit."""
        logits = self.net.all_logits(normalise(samples.tight), normalise(samples.wide))
        targets = self.targets(samples)[:, None].expand_as(logits)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none"
        ).mean(0)
        total = losses[0] + self.recipe.branch * losses[1:].sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        rate = learning_rate(self.step, steps=self.recipe.steps, peak=self.recipe.rate)
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.step()
        self._update_average()
        self.step += 1
        return float(losses[0].detach())

    def targets(self, samples: Samples) -> torch.Tensor:
        """(N,) 0 to 1: live or not, smoothed, and less live where the teacher doubts the photo."""
        live = torch.from_numpy(samples.live)
        doubt = 1 - self.opinions[torch.from_numpy(samples.photo)]
        kept = live * (1 - self.recipe.teacher * doubt)
        return kept * (1 - 2 * self.recipe.smoothing) + self.recipe.smoothing

    def _update_average(self) -> None:
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        now = self.net.state_dict()
        names = [name for name, value in now.items() if value.dtype.is_floating_point]
        get_ema_multi_avg_fn(decay)(
            [self.average[name] for name in names], [now[name] for name in names], None
        )

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs; never leaves half a file."""
        state = {
            "step": self.step,
            "config": self.net.config.to_dict(),
            "net": self.net.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)

    def load(self, path: Path) -> None:
        """Continue from ``save``."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.step = state["average"], state["step"]


def normalise(pixels: np.ndarray) -> torch.Tensor:
    """(N, S, S, 3) uint8 BGR to (N, 3, S, S) float32, -1 to 1, channels last in memory."""
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    return (values - PIXEL_MEAN) / PIXEL_STD


def load_network(path) -> LivenessNet:
    """The averaged network of a checkpoint, in evaluation mode."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    net = LivenessNet(LivenessConfig.from_dict(state["config"]))
    net.load_state_dict(state["average"])
    return net.eval()


def train(trainer: Trainer, stream: Stream, *, until: int, checkpoint: Path, save_every: int):
    """Run steps up to ``until``, printing every 50 and saving every ``save_every``."""
    losses, started = [], time.monotonic()
    while trainer.step < until:
        losses.append(trainer.train_step(stream.batch(trainer.step)))
        if len(losses) == 50 or trainer.step == until:
            rate = len(losses) / (time.monotonic() - started)
            left = (trainer.recipe.steps - trainer.step) / rate / 60
            mean = sum(losses) / len(losses)
            print(
                f"step {trainer.step}/{trainer.recipe.steps}  loss {mean:.4f}  "
                f"{rate:.2f} steps/s  {left:.1f} min left",
                flush=True,
            )
            losses, started = [], time.monotonic()
        if trainer.step % save_every == 0 or trainer.step == until:
            trainer.save(checkpoint)


def run(args: argparse.Namespace) -> int:
    """Train, or go on training, for the recipe's steps."""
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    recipe = Recipe.read(args.recipe) if args.recipe else Recipe()
    torch.manual_seed(recipe.seed)
    photos = load_part(f"{args.data}/fairface224", "train", limit=args.photos)
    frames = [photo_frame(photos, index) for index in range(len(photos))]
    trainer = Trainer(recipe, opinions=Pair(f"{args.data}/teachers").scores(frames))
    checkpoint = Path(args.checkpoint)
    if checkpoint.exists():
        trainer.load(checkpoint)
    print(
        f"{multiply_adds(trainer.net) / 1e6:.1f} M multiply-adds, {len(photos)} photos, teacher's "
        f"mean {trainer.opinions.mean():.2f}, step {trainer.step}",
        flush=True,
    )
    trainer.net.train()
    until = min(recipe.steps, trainer.step + args.stop_after) if args.stop_after else recipe.steps
    stream = Stream(photos, recipe)
    train(trainer, stream, until=until, checkpoint=checkpoint, save_every=args.save_every)
    return 0
