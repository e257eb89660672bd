"""Import an embedder that others trained, for ``python -m export build`` and the converters.

``python -m export import --kind edgeface edgeface_xs.safetensors --out WORK`` writes
``WORK/float/whole.onnx`` and ``source.json``. An ONNX file of any origin needs its preprocessing:
``--kind onnx FILE --preprocessing arcface``, or ``--colour RGB --mean 127.5,127.5,127.5 --std
128,128,128 --size 112``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from export import importers
from export.errors import ExportError
from export.importers.known import PREPROCESSINGS, named
from export.preprocessing import COLOURS, Preprocessing
from export.source import Source

IN_FULL = ("colour", "mean", "std", "size")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export import``."""
    parser.add_argument("file", type=Path, help="state dict (.pt, .safetensors) or ONNX file")
    parser.add_argument("--kind", required=True, choices=sorted(importers.KINDS))
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="its float/ is")
    add_import_options(parser)


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Declare what a file does not say itself; for every command that imports."""
    parser.add_argument("--preprocessing", metavar="NAME", help=", ".join(PREPROCESSINGS))
    parser.add_argument("--colour", choices=COLOURS, help="with --mean, --std, --size")
    parser.add_argument("--mean", metavar="R,G,B", type=_three, help="pixel values, 0 to 255")
    parser.add_argument("--std", metavar="R,G,B", type=_three, help="pixel values")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="side of the input")
    parser.add_argument("--output", metavar="NAME", help="which output is the embedding")
    parser.add_argument("--name", help="of the model [FILE's]")
    parser.add_argument("--licence", metavar="SPDX", help="of the weights")


def run(args: argparse.Namespace) -> int:
    """Import and say what was found; returns the exit code."""
    source = from_arguments(args, kind=args.kind, file=args.file, folder=args.out / "float")
    print(f"{source.onnx}: {source.name}, {source.dim} numbers, fed {source.preprocessing}")
    print(f"licence of the weights: {source.licence['weights']} ({source.licence['source']})")
    for note in source.notes:
        print(f"note: {note}")
    return 0


def from_arguments(args: argparse.Namespace, *, kind: str, file: Path, folder: Path) -> Source:
    """Call `importers.load` with the options of `add_import_options`."""
    return importers.load(
        kind,
        file,
        folder=folder,
        preprocessing=asked_preprocessing(args),
        output=args.output,
        name=args.name,
        licence=args.licence,
    )


def asked_preprocessing(args: argparse.Namespace) -> Preprocessing | None:
    """Return what the command line says of preprocessing, None if nothing.

    Raises
    ------
    ExportError
        Both ways at once, or some of `IN_FULL` without the others, or impossible values.
    """
    given = {key: getattr(args, key) for key in IN_FULL if getattr(args, key) is not None}
    if args.preprocessing and given:
        raise ExportError(f"--preprocessing and --{', --'.join(given)}: give one or the other")
    if args.preprocessing:
        return named(args.preprocessing)
    missing = [key for key in IN_FULL if key not in given]
    if given and missing:
        raise ExportError(f"--{', --'.join(given)} without --{', --'.join(missing)}: give all four")
    try:
        return Preprocessing(**given) if given else None
    except ValueError as error:
        raise ExportError(f"preprocessing: {error}") from error


def _three(text: str) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.split(","))
    if len(values) != 3:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected three numbers, as in 127.5,127.5,127.5"
        )
    return values
