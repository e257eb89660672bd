"""Measure every artefact of a build against the float network, and judge it.

Writes ``WORK/verify/figures.json`` with the gates' verdicts: ``report`` draws them, ``pack``
refuses what failed. Embeddings are kept, so that a second run measures only what changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from export.artefact import TARGETS
from export.build.work import Work
from export.verify import command
from export.verify.sets import FaceSet, folder_set, load_sets


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what this step needs to know."""
    add_sets(parser)
    parser.add_argument(
        "--limit", action="append", default=[], metavar="[TARGET:]SET=PHOTOS", help="sample a set"
    )
    parser.add_argument(
        "--gate", action="append", default=[], metavar="NAME=LIMIT", help="another limit of a gate"
    )


def make(work: Work, args: argparse.Namespace) -> None:
    """Measure, print what failed, and leave the verdict to ``pack``."""
    command.run(
        argparse.Namespace(
            work=work.folder,
            data=args.data,
            people=args.people,
            targets=",".join(TARGETS),
            limit=args.limit,
            gate=args.gate,
            seed=0,
        )
    )


def add_sets(parser: argparse.ArgumentParser) -> None:
    """Declare which photos to measure on."""
    parser.add_argument("--data", type=Path, help="fairface112, celeba240, lfw_view1: any of them")
    parser.add_argument("--people", type=Path, help="own aligned crops, person/photo.jpg")


def evaluation_sets(args: argparse.Namespace) -> dict[str, FaceSet]:
    """Load the sets that `add_sets` declared."""
    sets = load_sets(args.data) if args.data else {}
    if args.people:
        sets["folder"] = folder_set(args.people)
    return sets
