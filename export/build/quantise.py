"""INT8 ONNX of the float network, whole and split, and the split variant's head."""

from __future__ import annotations

import argparse
from pathlib import Path

from export.build.convert import make_target
from export.build.work import Work, source_hash
from export.presets import PRESETS, USUAL
from export.source import Source
from export.split import HEAD_FILE, head_weights, packed


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what this step needs to know."""
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default=USUAL,
        help=f"bits, and what stays float: export/presets.py [{USUAL}]",
    )
    parser.add_argument(
        "--head-precision",
        choices=("int8", "float32"),
        default="int8",
        help="of the native head's matrices [int8]",
    )


def make(work: Work, args: argparse.Namespace) -> None:
    """Write the artefacts of ``onnx/`` and ``onnx/head.npz``."""
    make_target(work, "onnx", preset=args.preset)
    source = work.tuned()
    if "split" in source.variants:
        key = {"source": source_hash(source.onnx.parent), "precision": args.head_precision}
        work.once("head", key=key, make=lambda: _head(work / "onnx", source, args.head_precision))


def _head(folder: Path, source: Source, precision: str) -> list[Path]:
    path = folder / HEAD_FILE
    path.write_bytes(packed(head_weights(source.net, precision)))
    return [path]
