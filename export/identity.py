"""Train a DSA-Net on your own people: ``person/photo.jpg``, aligned faces of 112×112.

``python -m export train identity --data FOLDER_OR_TAR --loss staged --out runs/own`` holds some
people out, trains on the others, prints what the network is worth on those held out, and writes
OUT/<model>.pt, which ``export build`` takes. Run it again to go on where it
stopped. ``--init`` starts from a checkpoint in place of noise, which few photos need, but a short
run can also take from it: 8 192 samples of distil+arcface (rate 0.003) on 180 CelebA people changed
dsanet_s on 60 others from 69.7 to 66.1 % TAR at FAR 1e-2. Always hold people out and compare.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import torch

from export.checkpoint import load_checkpoint, save_checkpoint
from export.dsanet import CONFIGS, DsaNet
from export.identity_data import People, read_people, split
from export.identity_measure import FARS, measure, require_pairs
from export.identity_teacher import CHECKPOINT, teacher_embeddings
from export.identity_train import IdentityTrainer, Plan
from export.nets.standardised import Standardised, folded
from export.objectives import SCHEDULES, ObjectiveConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export train identity``."""
    plan, objective = Plan(), ObjectiveConfig()
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder or tar of PERSON/PHOTO.jpg")
    add("--out", type=Path, required=True, help="folder for state, log, figures and checkpoint")
    add("--model", choices=sorted(CONFIGS), default="dsanet_s")
    add("--init", type=Path, help="DSA-Net checkpoint to start from, in place of noise")
    add("--loss", choices=sorted(SCHEDULES), default=objective.name)
    add("--scale", type=float, default=objective.scale, help="s of ArcFace")
    add("--margin", type=float, default=objective.margin, help="m of ArcFace, radians")
    add("--triplet-margin", type=float, help="of cosine distances; the soft margin unless given")
    add("--teacher", type=Path, default=CHECKPOINT, help="for distil: a DSA-Net checkpoint, or "
        "EdgeFace-XS as .safetensors")  # fmt: skip
    add("--held-out", type=int, default=0, help="people to measure on, not trained on")
    add("--samples", type=int, default=plan.samples, help="augmented photos in all")
    add("--people", type=int, default=plan.people, help="people in a batch")
    add("--photos", type=int, default=plan.photos, help="photos of each of them")
    add("--rate", type=float, default=plan.rate, help="Muon's peak, AdamW has a fraction of it; "
        "with --init use 0.005 or less")  # fmt: skip
    add("--seed", type=int, default=plan.seed)
    add("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Train, or go on training, then measure and save; returns the exit code."""
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    cv2.setNumThreads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    train, held_out = split(read_people(args.data), held_out=args.held_out, seed=args.seed)
    if held_out.count:
        require_pairs(held_out, impostors=1)
    print(f"{train.count} people, {len(train.names)} photos; {held_out.count} people held out")
    trainer = make_trainer(args, train)
    trainer.run(state=args.out / "state.pt", log=args.out / "log.jsonl")
    if held_out.count:
        figures = measure(trainer.net, held_out)
        (args.out / "figures.json").write_text(json.dumps(figures) + "\n")
        print(described(figures))
    save_checkpoint(folded(trainer.net), args.out / f"{args.model}.pt")
    print(f"{args.out / args.model}.pt")
    return 0


def make_trainer(args: argparse.Namespace, train: People) -> IdentityTrainer:
    """Return the trainer that the options describe, at its first step."""
    torch.manual_seed(args.seed)
    net = load_checkpoint(args.init) if args.init else DsaNet(CONFIGS[args.model])
    objective = ObjectiveConfig(args.loss, args.scale, args.margin, args.triplet_margin)
    distils = "distil" in args.loss
    targets = teacher_embeddings(args.teacher, train, folder=args.out) if distils else None
    plan = Plan(
        samples=args.samples,
        people=args.people,
        photos=args.photos,
        rate=args.rate,
        seed=args.seed,
    )
    return IdentityTrainer(
        Standardised(net), train, objective=objective, plan=plan, teacher=targets
    )


def described(figures: dict) -> str:
    """Return the held-out figures as a line of text."""
    values = [f"rank-1 {figures['rank_1']:.3f}"]
    for far in FARS:
        rate = figures[f"tar_at_far_{far:g}"]
        shown = "too few pairs to show" if rate is None else f"{rate:.3f}"
        values.append(f"TAR at FAR {far:g}: {shown}")
    return f"{figures['people']} held-out people: {', '.join(values)}"
