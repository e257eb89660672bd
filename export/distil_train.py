"""Run the distillation phases of a recipe: resumable, on a GPU or on all CPU cores.

``python -m export train embedder --recipe export/recipes/dsanet_s.json --data ../shared/data
--out runs/dsanet_s``. On a CPU it starts one single-thread process per core (two of them beat one
with two threads); under ``torchrun`` it joins the group that is there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from export import faces, hints
from export.checkpoint import load_checkpoint, save_checkpoint
from export.distil import Distiller
from export.distil_data import Batches, fetch
from export.dsanet import CONFIGS, DsaNet, DsaNetConfig, Pointwise
from export.muon import Muon

SAVE_EVERY_S = 60
REPORT_EVERY_S = 20
WARMUP_STEPS = 100
VALIDATION_FACES = 1000
ADAMW_SHARE = 0.3  # of the rate: Muon takes far larger steps than AdamW can


def optimisers(net: DsaNet) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for the rest and for the large last projection."""
    matrices = [
        m.weight
        for m in net.modules()
        if isinstance(m, (Pointwise, nn.Linear))
        and m is not net.head.project
        and m.weight.requires_grad
    ]
    chosen = {id(p) for p in matrices}
    rest = [p for p in net.parameters() if p.requires_grad and id(p) not in chosen]
    return [Muon(matrices), torch.optim.AdamW(rest, betas=(0.9, 0.98))]


def rate_factor(step: int, progress: float) -> float:
    """Linear warm-up, then a cosine from 1 to 0.02 over the phase."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * (0.51 + 0.49 * math.cos(math.pi * progress))


def running_average(decay: float, average: Tensor, value: Tensor, count: Tensor) -> Tensor:
    """Exponential average that starts short: early weights would weigh on it for long."""
    if not average.is_floating_point():  # a counter
        return value
    return average.lerp(value, max(1 - decay, 9 / (10 + int(count))))


class Trainer:
    """One process of the group: owns the network, its average, and the place in the recipe."""

    def __init__(self, args: argparse.Namespace, recipe: dict, rank: int, ranks: int):
        self.args, self.recipe, self.rank, self.ranks = args, recipe, rank, ranks
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = self.build().to(self.device, memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.net, avg_fn=partial(running_average, recipe["ema"]), use_buffers=True
        )
        self.phase_index, self.step, self.clock = 0, 0, 0.0
        self.batches = Batches(args.cache, self.device)
        self.validation = hints.load(args.cache / "val")

    def build(self) -> DsaNet:
        """Build the network with the same weights on every rank: the recipe's, or ``--init``."""
        overrides = self.recipe.get("overrides", {})
        config = DsaNetConfig.from_dict({**CONFIGS[self.recipe["model"]].to_dict(), **overrides})
        if self.args.init:
            return load_checkpoint(self.args.init)
        with torch.random.fork_rng():
            torch.manual_seed(self.recipe["seed"])
            return DsaNet(config)

    def run(self) -> None:
        """Run what is left of the recipe."""
        state = self.load()
        while self.phase_index < len(self.recipe["phases"]):
            self.run_phase(self.recipe["phases"][self.phase_index], state)
            self.phase_index, self.step, self.clock, state = self.phase_index + 1, 0, 0.0, None
            self.save([])
        if self.rank == 0:
            save_checkpoint(self.average.module, self.args.out / f"{self.recipe['model']}.pt")

    def run_phase(self, phase: dict, state: dict | None) -> None:
        """Train one phase from its beginning or from the saved state."""
        if state is None:
            self.average.n_averaged.zero_()
        module = Distiller(self.net, phase["name"])
        module.train()
        if self.ranks > 1:
            module = DistributedDataParallel(module)
        optims = optimisers(self.net)
        for optim, saved in zip(optims, state["optimisers"] if state else []):
            optim.load_state_dict(saved)
        self.loop(phase, module, optims)
        self.report(phase, 1.0, self.validate())

    def loop(self, phase: dict, module: nn.Module, optims: list) -> None:
        """Take steps until the phase's samples or minutes are used up."""
        saved = reported = time.monotonic()
        progress = self.progress(phase)
        while progress < 1:
            terms = self.train_step(phase, module, optims, progress)
            self.step += 1
            now, progress = time.monotonic(), self.progress(phase)
            if now - reported > REPORT_EVERY_S:
                self.report(phase, progress, terms)
                reported = now
            if now - saved > SAVE_EVERY_S:
                self.save(optims)
                saved = now

    def progress(self, phase: dict) -> float:
        """Return the share of the phase that is done: by samples, or by the clock of rank 0."""
        if "minutes" not in phase:
            return self.step * phase["batch"] * self.ranks / phase["samples"]
        share = torch.tensor(self.clock / (60 * phase["minutes"]))
        if self.ranks > 1:
            dist.broadcast(share, 0)
        return float(share)

    def train_step(self, phase: dict, module: nn.Module, optims: list, progress: float) -> dict:
        """Take one optimiser step and return the loss terms."""
        begun = time.monotonic()
        seed = (self.recipe["seed"], self.phase_index, self.step, self.rank)
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        batch = self.batches.draw(phase, seed)
        terms = module(batch, phase.get("forcing", 0.0) * (1 - progress))
        terms["loss"].backward()
        factor = rate_factor(self.step, progress)
        for optim, share in zip(optims, (1.0, ADAMW_SHARE)):
            for group in optim.param_groups:
                group["lr"] = phase["rate"] * factor * share
            optim.step()
            optim.zero_grad(set_to_none=True)
        self.average.update_parameters(self.net)
        self.clock += time.monotonic() - begun
        return terms

    @torch.inference_mode()
    def validate(self) -> dict:
        """Measure the averaged network on faces that were never trained on."""
        net, sums = self.average.module.eval(), {}
        distiller = Distiller(net, "joint").eval()
        parts = np.array_split(np.arange(VALIDATION_FACES), VALIDATION_FACES // 20)
        for rows in parts:
            batch = fetch(self.validation, rows, self.device)
            own = torch.from_numpy(rows).to(self.device)
            batch.update(rows=own, bank_rows=own, bank=batch["embedding"])
            for name, value in distiller(batch, 0.0).items():
                sums[f"val_{name}"] = sums.get(f"val_{name}", 0.0) + float(value) / len(parts)
        return sums

    def report(self, phase: dict, progress: float, terms: dict) -> None:
        """Print one line and append it to ``log.jsonl`` (rank 0)."""
        if self.rank:
            return
        row = {
            "phase": phase["name"],
            "step": self.step,
            "progress": round(progress, 4),
            "samples": self.step * phase["batch"] * self.ranks,
            "minutes": round(self.clock / 60, 2),
            **{k: round(float(v), 4) for k, v in terms.items()},
        }
        print(" ".join(f"{k} {v}" for k, v in row.items()), flush=True)
        with (self.args.out / "log.jsonl").open("a") as handle:
            handle.write(json.dumps(row) + "\n")

    def save(self, optims: list) -> None:
        """Write the whole training state, atomically (rank 0)."""
        if self.rank:
            return
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [o.state_dict() for o in optims],
            "clock": self.clock,
            "phase_index": self.phase_index,
            "step": self.step,
        }
        unfinished = self.args.out / "state.pt.partial"
        torch.save(state, unfinished)
        os.replace(unfinished, self.args.out / "state.pt")

    def load(self) -> dict | None:
        """Continue from ``state.pt`` when there is one."""
        path = self.args.out / "state.pt"
        if not path.exists():
            return None
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.phase_index, self.step, self.clock = (
            state["phase_index"],
            state["step"],
            state["clock"],
        )
        return state


def work(rank: int, args: argparse.Namespace, recipe: dict, ranks: int) -> None:
    """Run one process of the group."""
    torch.set_flush_denormal(True)
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    if ranks > 1:
        dist.init_process_group(
            "nccl" if torch.cuda.is_available() else "gloo",
            rank=rank,
            world_size=ranks,
            init_method=None if "RANK" in os.environ else f"file://{args.out.resolve()}/rendezvous",
        )
    Trainer(args, recipe, rank, ranks).run()
    if ranks > 1:
        dist.destroy_process_group()


def build_cache(args: argparse.Namespace, recipe: dict) -> None:
    """Compute the teacher's views once; a finished view is kept."""
    args.cache.mkdir(parents=True, exist_ok=True)
    train = hints.pack(args.cache / "train.npy", partial(faces.training_faces, args.data))
    val = hints.pack(args.cache / "val.npy", partial(faces.held_out_faces, args.data))
    jobs = [(train, f"train{i}", i) for i in range(recipe["views"])] + [(val, "val", 0)]
    for packed, name, seed in jobs:
        hints.build(
            packed,
            args.cache / name,
            seed=seed,
            ranks=args.processes,
            weights=args.data / "teachers" / "edgeface_xs.safetensors",
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export train embedder``."""
    parser.add_argument("--recipe", type=Path, required=True, help="JSON: model, phases, rates")
    parser.add_argument("--data", type=Path, required=True, help="fairface112, teachers")
    parser.add_argument("--out", type=Path, required=True, help="state, log, checkpoint")
    parser.add_argument("--cache", type=Path, help="teacher views, 2.8 GB each [OUT/hints]")
    parser.add_argument("--init", type=Path, help="checkpoint to start from, in place of noise")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="CPU processes")


def run(args: argparse.Namespace) -> int:
    """Train by the recipe, or continue; returns the exit code."""
    recipe = json.loads(args.recipe.read_text())
    args.out.mkdir(parents=True, exist_ok=True)
    args.cache = args.cache or args.out / "hints"
    build_cache(args, recipe)
    if "RANK" in os.environ:
        work(int(os.environ["RANK"]), args, recipe, int(os.environ["WORLD_SIZE"]))
        return 0
    (args.out / "rendezvous").unlink(missing_ok=True)
    ranks = 1 if torch.cuda.is_available() else args.processes
    multiprocessing.spawn(work, (args, recipe, ranks), nprocs=ranks)
    return 0
