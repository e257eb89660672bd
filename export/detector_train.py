"""Train the detector on composed scenes; resumable, on a GPU when there is one."""

from __future__ import annotations

import argparse
import math
import os
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from export.detector_data import load_photos
from export.detector_losses import detector_loss, shape_loss
from export.detector_net import DetectorConfig, DetectorNet, parameter_count
from export.detector_stream import batches, scheduled_batch
from export.muon import Muon

EMA_DECAY = 0.998
WARM_UP_STEPS = 200
MUON_RATE_FACTOR = 3.0
READING_RATE_FACTOR = 0.1
FROZEN_PART = 0.4
PIXEL_MEAN = PIXEL_STD = 127.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m export train detector``."""
    parser.add_argument("--data", required=True, help="folder with scenes.tar and scenes.csv")
    parser.add_argument("--labels", help="CSV from export.detector_labels, instead of scenes.csv")
    parser.add_argument("--checkpoint", required=True, help="written often, continued if there")
    parser.add_argument(
        "--part",
        choices=("cells", "shape"),
        default="cells",
        help="what to train: first the grids, then the close-ups' landmarks on the same stem",
    )
    parser.add_argument(
        "--keep-stem",
        action="store_true",
        help="train the grids on the stem as it is, so that a trained close-up branch still fits",
    )
    parser.add_argument("--start", help="checkpoint of the other part, to begin with")
    parser.add_argument("--samples", type=int, default=160_000, help="canvases in all")
    parser.add_argument("--photos", type=int, default=None, help="first photos only")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="threads of the training process")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that compose scenes; 0: none"
    )
    parser.add_argument("--save-every", type=int, default=200, help="steps between checkpoints")
    parser.add_argument("--stop-after", type=int, default=None, help="stop after this many steps")


def learning_rate(step: int, *, steps: int, peak: float) -> float:
    """Linear warm-up, then half a cosine down to one hundredth of the peak."""
    warm_up = min(WARM_UP_STEPS, max(steps // 10, 1))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = min((step - warm_up) / max(steps - warm_up, 1), 1.0)
    return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


class Trainer:
    """Network, its moving average, optimiser and step; everything that a checkpoint holds."""

    def __init__(
        self,
        *,
        steps: int,
        peak: float,
        device: str,
        config: DetectorConfig,
        part: str = "cells",
        keep_stem: bool = False,
    ):
        self.steps, self.peak, self.device = steps, peak, device
        self.part, self.keep_stem = part, keep_stem
        self.net = DetectorNet(config).to(device, memory_format=torch.channels_last).train()
        trained = self._trained_parameters()
        self.pointwise = [p for p in trained if is_pointwise(p)]
        self.matrices = [p.detach().flatten(1) for p in self.pointwise]
        reading = self.net.shape.read.weight
        others = [p for p in trained if not is_pointwise(p) and p is not reading]
        groups = [{"params": others}]
        if part == "shape":
            groups.append({"params": [reading]})
        self.optimisers = {
            "muon": Muon(self.matrices, lr=0.0, weight_decay=0.02),
            "adam": torch.optim.Adam(groups, fused=True),
        }
        self._set_factors(muon=MUON_RATE_FACTOR, others=1.0, reading=READING_RATE_FACTOR)
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.step = 0

    def train_step(self, batch) -> dict:
        """One step on a ``detector_targets.Batch``; the parts of its loss by name."""
        self._choose_statistics()
        total, parts = self._loss(batch)
        self.net.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self._optimise()
        self._update_average()
        self.step += 1
        return {name: float(part.detach()) for name, part in parts.items()}

    def _choose_statistics(self) -> None:
        """In the end, and wherever weights are frozen, BatchNorm uses the statistics it kept."""
        late = self.step >= (1 - FROZEN_PART) * self.steps
        for layer in self.net.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.train(layer.weight.requires_grad and not late)

    def _trained_parameters(self) -> list:
        for name, parameter in self.net.named_parameters():
            trained = name.startswith("shape.") == (self.part == "shape")
            kept = self.keep_stem and name.startswith("stem.")
            parameter.requires_grad_(trained and not kept)
        return [parameter for parameter in self.net.parameters() if parameter.requires_grad]

    def _set_factors(self, *, muon: float, others: float, reading: float) -> None:
        groups = [g for optimiser in self.optimisers.values() for g in optimiser.param_groups]
        for group, factor in zip(groups, (muon, others, reading)):
            group["factor"] = factor

    def _loss(self, batch) -> tuple:
        images = normalise(torch.from_numpy(batch.images).to(self.device))
        if self.part == "shape":
            shape = self.net.shape(self.net.stem(images))
            loss = shape_loss(shape, torch.from_numpy(batch.shapes).to(self.device))
            return loss, {"shape": loss}
        targets = {
            name: torch.from_numpy(getattr(batch, name)).to(self.device)
            for name in ("assigned", "boxes", "landmarks")
        }
        outputs = self.net.cells(self.net.stem(images))
        height, width = images.shape[2:]
        return detector_loss(outputs, height=height, width=width, **targets)

    def _optimise(self) -> None:
        rate = learning_rate(self.step, steps=self.steps, peak=self.peak)
        for matrix, parameter in zip(self.matrices, self.pointwise):
            matrix.grad = None if parameter.grad is None else parameter.grad.flatten(1)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate * group["factor"]
            optimiser.step()

    def _update_average(self) -> None:
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        now = self.net.state_dict()
        names = [name for name, value in now.items() if value.dtype.is_floating_point]
        get_ema_multi_avg_fn(decay)(
            [self.average[name] for name in names], [now[name] for name in names], None
        )
        for name in now.keys() - set(names):
            self.average[name].copy_(now[name])

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs; never leaves half a file."""
        state = {
            "step": self.step,
            "config": asdict(self.net.config),
            "net": self.net.state_dict(),
            "average": self.average,
            "optimisers": {k: v.state_dict() for k, v in self.optimisers.items()},
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)

    def begin_with(self, path) -> None:
        """Take the averaged weights of a run of the other part."""
        average = torch.load(path, map_location=self.device, weights_only=True)["average"]
        self.net.load_state_dict(average)
        self.average = {name: value.clone() for name, value in average.items()}

    def load(self, path: Path) -> None:
        """Continue from ``save``."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.average, self.step = state["average"], state["step"]


def is_pointwise(parameter: torch.Tensor) -> bool:
    """Whether it is the weight of a 1x1 convolution inside the network: a matrix, for Muon."""
    return parameter.ndim == 4 and parameter.shape[2] == 1 and len(parameter) > 10


def normalise(images: torch.Tensor) -> torch.Tensor:
    """(N, H, W, 3) uint8 BGR to the network's (N, 3, H, W) float32, -1 to 1."""
    return (images.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_STD


def load_network(path) -> DetectorNet:
    """The averaged network of a checkpoint, in evaluation mode on the CPU."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    config = {k: tuple(v) if isinstance(v, list) else v for k, v in state["config"].items()}
    net = DetectorNet(DetectorConfig(**config))
    net.load_state_dict(state["average"])
    return net.eval()


def _report(trainer: Trainer, losses: list, *, rate: float) -> None:
    names = ("score", "box", "landmark", "shape")
    values = {name: [loss[name] for loss in losses if name in loss] for name in names}
    means = "  ".join(f"{n} {sum(v) / len(v):.4f}" for n, v in values.items() if v)
    left = (trainer.steps - trainer.step) / max(rate, 1e-9) / 60
    print(
        f"step {trainer.step}/{trainer.steps}  {means}  {rate:.2f} steps/s  {left:.1f} min left",
        flush=True,
    )


def train(trainer: Trainer, stream, *, until: int, checkpoint: Path, save_every: int) -> None:
    """Run steps up to ``until``, printing every 50 and saving every ``save_every``."""
    losses, started = [], time.monotonic()
    while trainer.step < until:
        losses.append(trainer.train_step(next(stream)))
        if len(losses) == 50 or trainer.step == until:
            _report(trainer, losses, rate=len(losses) / (time.monotonic() - started))
            losses, started = [], time.monotonic()
        if trainer.step % save_every == 0 or trainer.step == until:
            trainer.save(checkpoint)


def run(args: argparse.Namespace) -> int:
    """Train, or go on training, until ``--samples`` canvases have been seen."""
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    steps = args.samples // args.batch
    trainer = Trainer(
        steps=steps,
        peak=args.learning_rate,
        device=device,
        config=DetectorConfig(),
        part=args.part,
        keep_stem=args.keep_stem,
    )
    checkpoint = Path(args.checkpoint)
    if checkpoint.exists():
        trainer.load(checkpoint)
    elif args.start:
        trainer.begin_with(args.start)
    print(f"{parameter_count(trainer.net)} parameters on {device}, step {trainer.step}", flush=True)
    until = min(steps, trainer.step + args.stop_after) if args.stop_after else steps
    photos = load_photos(args.data, labels=args.labels, limit=args.photos)
    make = partial(
        scheduled_batch, photos, part=args.part, seed=args.seed, size=args.batch, steps=steps
    )
    stream = batches(make, first=trainer.step, workers=args.workers)
    train(trainer, stream, until=until, checkpoint=checkpoint, save_every=args.save_every)
    stream.close()
    return 0


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(_parser)
    raise SystemExit(run(_parser.parse_args()))
