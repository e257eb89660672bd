"""Measure every artefact of a build against the float network, and judge it.

Writes ``WORK/verify/figures.json`` with the gates' verdicts: ``report`` draws them, ``pack``
refuses what failed. Embeddings are kept, so that a second run measures only what changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from export.artefact import TARGETS
from export.build.work import Work
from export.errors import ExportError
from export.split import HEAD_FILE, head_precision
from export.verify.sets import FaceSet, folder_set, load_sets
from export.verify.verification import verify

NO_SETS = (
    "nothing to measure on: give --data FOLDER (fairface112, celeba240, lfw_view1), or --people "
    "FOLDER with your own aligned crops, person/photo.jpg"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what this step needs to know."""
    add_sets(parser)
    parser.add_argument(
        "--limit", action="append", default=[], metavar="[TARGET:]SET=PHOTOS", help="sample a set"
    )
    parser.add_argument(
        "--gate", action="append", default=[], metavar="NAME=LIMIT", help="another limit of a gate"
    )


def make(work: Work, args: argparse.Namespace) -> int:
    """Measure and print every verdict; returns 1 if one is "failed", which ``pack`` will refuse."""
    sets, limits = evaluation_sets(args), parse_limits(args.limit)
    require_others(work, sets)
    unknown = {name for named in limits.values() for name in named} - set(sets)
    if unknown:
        raise ExportError(f"--limit of {', '.join(sorted(unknown))}: there are {', '.join(sets)}")
    head = work / "onnx" / HEAD_FILE
    try:
        rows = verify(
            work.folder,
            source=work.reference(),
            artefacts=[artefact for artefact, _ in work.artefacts()],
            sets=sets,
            limits=limits,
            gate_limits=parse_gates(args.gate),
            head=head_precision(head.read_bytes()) if head.is_file() else "int8",
        )
    except ValueError as error:  # no artefact, or a gate that there is not
        raise ExportError(str(error)) from error
    for row in rows:
        verdict = "ok    " if row["passed"] else "FAILED"
        print(
            f"{verdict} {row['artefact']}: {row['name']}: {row['measured']} (limit "
            f"{row['limit']:g})"
        )
    return 0 if all(row["passed"] for row in rows) else 1


def require_others(work: Work, sets: dict[str, FaceSet]) -> None:
    """Refuse to measure on the photos that INT8 was calibrated with.

    Raises
    ------
    ExportError
        Some photo is in both.
    """
    calibrated = {sha256(crop.tobytes()).digest() for crop in work.calibration()}
    for name, faces in sets.items():
        shared = sum(sha256(crop.tobytes()).digest() in calibrated for crop in faces.crops)
        if shared:
            raise ExportError(
                f"{shared} of the {len(faces.crops)} photos of {name} were calibrated with, which "
                "would flatter the figures: calibrate with other photos (--calibration)"
            )


def parse_limits(words: Sequence[str]) -> dict[str, dict[str, int]]:
    """Turn ``people=1000`` (all targets) and ``rk3576:people=500`` into `verify`'s ``limits``.

    Raises
    ------
    ExportError
        Not of that form.
    """
    limits: dict[str, dict[str, int]] = {}
    for word in words:
        name, _, count = word.partition("=")
        target, _, named = name.rpartition(":")
        if not count.isdigit() or target not in ("", *TARGETS):
            raise ExportError(f"--limit {word}: expected SET=PHOTOS or TARGET:SET=PHOTOS")
        for each in (target,) if target else TARGETS:
            limits.setdefault(each, {})[named] = int(count)
    return limits


def parse_gates(words: Sequence[str]) -> dict[str, float]:
    """Turn ``cosine min=0.95`` into `verify`'s ``gate_limits``.

    Raises
    ------
    ExportError
        Not of that form.
    """
    try:
        return {name: float(limit) for name, limit in (word.split("=") for word in words)}
    except ValueError as error:
        raise ExportError(f"--gate {words}: expected NAME=LIMIT, a number ({error})") from error


def add_sets(parser: argparse.ArgumentParser) -> None:
    """Declare which photos to measure on."""
    parser.add_argument("--data", type=Path, help="fairface112, celeba240, lfw_view1: any of them")
    parser.add_argument("--people", type=Path, help="own aligned crops, person/photo.jpg")


def evaluation_sets(args: argparse.Namespace) -> dict[str, FaceSet]:
    """Load the sets that `add_sets` declared.

    Raises
    ------
    ExportError
        Neither option is given, or what it names holds no such photos.
    """
    if not (args.data or args.people):
        raise ExportError(NO_SETS)
    try:
        sets = load_sets(args.data) if args.data else {}
        if args.people:
            sets["folder"] = folder_set(args.people)
    except ValueError as error:
        raise ExportError(str(error)) from error
    return sets
