"""Which part does what: one small network, one factor changed at a time, one table.

``python -m export ablation --data ../shared/data --out docs/ablation.md`` trains every row (or
those of ``--only``) on the same number of samples, measures it on people who were held out, and
writes the page. A finished row is kept in ``--work`` and not trained again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from export.ablation_page import Result, page
from export.errors import ExportError
from export.identity_data import People, read_people, split
from export.identity_measure import measure, require_pairs
from export.identity_teacher import CHECKPOINT, load_teacher, teacher_embeddings
from export.identity_train import IdentityTrainer, Plan
from export.nets.standardised import Standardised
from export.nets.trial import TrialConfig, TrialNet
from export.objectives import ObjectiveConfig

CELEBA = Path("celeba240") / "aligned112.tar"
BASE = "base"
SAMPLES = 12_288
LEAST_IMPOSTORS = 100  # fewer cannot show FAR 1e-2
OBJECTIVE = ObjectiveConfig(scale=20.0, margin=0.2)  # more of either learns too slowly to see here


@dataclass(frozen=True)
class Row:
    """One training: what differs from the base, in the network or in what it is trained for."""

    name: str
    group: str
    network: dict = field(default_factory=dict)
    objective: dict = field(default_factory=dict)


def rows() -> list[Row]:
    """Return the whole ablation. Depths of other blocks are those of nearest multiply-adds."""
    found = [
        Row(BASE, "base"),
        Row("residual blocks", "blocks", {"block": "residual", "depths": (1, 1, 1)}),
        Row("group blocks", "blocks", {"block": "group", "depths": (4, 4, 4)}),
        Row("max-pool", "reduction", {"reduction": "max"}),
        Row("average-pool", "reduction", {"reduction": "average"}),
        Row("spatial gate", "gate", {"gate": True}),
    ]
    kinds = ("none", "additive", "dot", "scaled-dot", "multi-head softmax", "multi-head gated")
    found += [Row(f"attention {kind}", "attention", {"attention": kind}) for kind in kinds]
    for kind in ("gdconv", "query"):
        found.append(Row(f"{kind}", "pooling", {"attention": "none", "pooling": kind}))
    for kind in ("weighted", "self-attention"):
        found.append(Row(f"fusion {kind}", "fusion", {"fusion": kind}))
    for loss in ("softmax", "triplet", "staged", "distil", "distil+arcface"):
        found.append(Row(f"loss {loss}", "loss", {}, {"name": loss}))
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export ablation``."""
    parser.add_argument(
        "--data", type=Path, required=True,
        help="PERSON/PHOTO folder or tar of aligned faces, or a folder with celeba240 in it",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="the page to write, Markdown")
    parser.add_argument("--work", type=Path, default=Path("runs/ablation"), help="finished rows")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="per row")
    parser.add_argument("--people", type=int, default=Plan.people, help="people in a batch")
    parser.add_argument("--photos", type=int, default=Plan.photos, help="photos of each of them")
    parser.add_argument("--seeds", type=int, default=2, help="trainings per row")
    parser.add_argument("--base-seeds", type=int, default=3, help="trainings of the base")
    parser.add_argument("--held-out", type=int, default=60, help="people to measure on")
    parser.add_argument("--split-seed", type=int, default=1)
    parser.add_argument("--teacher", type=Path, default=CHECKPOINT, help="DSA-Net checkpoint, "
                        "or .safetensors of EdgeFace-XS (needs timm)")  # fmt: skip
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="rows to train")
    parser.add_argument("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Train what is missing, then write the page of all finished rows; returns the exit code."""
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    cv2.setNumThreads(args.threads)
    wanted = chosen(args.only)
    data = args.data / CELEBA if (args.data / CELEBA).is_file() else args.data
    train, held_out = split(read_people(data), held_out=args.held_out, seed=args.split_seed)
    require_pairs(held_out, impostors=LEAST_IMPOSTORS)
    args.work.mkdir(parents=True, exist_ok=True)
    job = Job(args, train, held_out)
    times = {BASE: max(args.seeds, args.base_seeds)}  # all are compared with it
    results = [
        job.result(row, seed)
        for row in wanted
        for seed in range(1, times.get(row.name, args.seeds) + 1)
    ]
    settings = {"data": f"{data.parent.name}/{data.name}", **job.settings()}
    text = page(results, settings=settings, teacher=job.teacher_figures())
    args.out.write_text(text)
    print(text)
    return 0


def chosen(names: list[str]) -> list[Row]:
    """Return the rows of these names and the base, which all are compared with; [] is all."""
    every = {row.name: row for row in rows()}
    unknown = sorted(set(names) - set(every))
    if unknown:
        raise ExportError(f"no row {', '.join(unknown)}; there are: {', '.join(every)}")
    return [row for name, row in every.items() if not names or name in names or name == BASE]


class Job:
    """The data and options of one ablation, and the folder of its finished rows."""

    def __init__(self, args: argparse.Namespace, train: People, held_out: People):
        self.args, self.train, self.held_out = args, train, held_out
        self.plan = Plan(samples=args.samples, people=args.people, photos=args.photos)

    def settings(self) -> dict:
        """Return everything besides the row that a result depends on, as plain JSON types."""
        return {
            "train": [self.train.count, len(self.train.names)],
            "held_out": [self.held_out.count, len(self.held_out.names)],
            "split_seed": self.args.split_seed,
            "plan": asdict(self.plan),
            "base": [asdict(TrialConfig()), asdict(OBJECTIVE)],
            "teacher": self.args.teacher.name,
        }

    def result(self, row: Row, seed: int) -> Result:
        """Return the row's figures, from its file if it was trained with these settings."""
        file = self.args.work / f"{row.name.replace(' ', '-')}.{seed}.json"
        wanted = json.loads(json.dumps({**self.settings(), "row": asdict(row), "seed": seed}))
        if file.exists():
            stored = json.loads(file.read_text())
            if stored["settings"] == wanted:
                return Result(row.name, row.group, seed, stored["figures"])
        print(f"{row.name}, seed {seed}", flush=True)
        figures = self.trained(row, replace(self.plan, seed=seed), file.with_suffix(".pt"))
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps({"settings": wanted, "figures": figures}))
        partial.replace(file)
        file.with_suffix(".pt").unlink()  # weights of these photos are not to be kept
        return Result(row.name, row.group, seed, figures)

    def trained(self, row: Row, plan: Plan, state: Path) -> dict:
        """Train one row, or go on with it, and measure it."""
        torch.manual_seed(plan.seed)
        net = TrialNet(replace(TrialConfig(), **row.network))
        objective = replace(OBJECTIVE, **row.objective)
        teacher = self.targets() if "distil" in objective.name else None
        cost = {"multiply_adds": multiply_adds(net), "parameters": parameters(net)}
        trainer = IdentityTrainer(
            Standardised(net), self.train,
            objective=objective, plan=plan, teacher=teacher,
        )  # fmt: skip
        trainer.run(state=state)
        seen = plan.steps * plan.people * plan.photos
        spent = {"samples": seen, "cpu_seconds": round(trainer.seconds, 1)}
        return {**measure(trainer.net, self.held_out), **cost, **spent}

    def targets(self) -> np.ndarray:
        """Return the teacher's embeddings of the training photos, computed once."""
        return teacher_embeddings(self.args.teacher, self.train, folder=self.args.work)

    def teacher_figures(self) -> dict:
        """Return the teacher's own figures on the held-out people, computed once."""
        file = self.args.work / f"teacher-{self.args.teacher.stem}.json"
        if not file.exists():
            file.write_text(json.dumps(measure(load_teacher(self.args.teacher), self.held_out)))
        return json.loads(file.read_text())


def multiply_adds(net: torch.nn.Module) -> int:
    """Return the multiply-adds of one 112×112 image."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, 3, 112, 112))
    return counter.get_total_flops() // 2


def parameters(net: torch.nn.Module) -> int:
    """Return how many numbers were learnt."""
    return sum(p.numel() for p in net.parameters())
