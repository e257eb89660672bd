"""Bring a trained embedder into the one form that all converters start from: float32 ONNX.

A DSA-Net comes from its checkpoint, with BatchNorm and residual scales folded. Where
``CHECKPOINT_int8.pt`` lies beside it (``train int8`` makes it), INT8 starts from those weights,
while everything is still measured against the checkpoint itself. Networks of others are imported
(``import --help``): how they are fed must be known or given.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch

from export import importers
from export.artefact import file_hash
from export.build.work import Work
from export.checkpoint import load_checkpoint
from export.dsanet import CONFIGS, EMBEDDING_DIM, DsaNet
from export.errors import ExportError
from export.importers.command import IN_FULL, add_import_options, from_arguments
from export.preprocessing import Preprocessing
from export.source import Source
from export.to_onnx import export_backbone, export_float


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what this step needs to know."""
    kinds = (*sorted(CONFIGS), *sorted(importers.KINDS))
    parser.add_argument("--model", required=True, choices=kinds, help="what the weights are of")
    parser.add_argument("--checkpoint", type=Path, required=True, help="its trained weights")
    parser.add_argument(
        "--int8-checkpoint",
        type=Path,
        metavar="FILE",
        help="weights that INT8 starts from [CHECKPOINT_int8.pt, where it exists]",
    )
    add_import_options(parser.add_argument_group("networks of others"))


def make(work: Work, args: argparse.Namespace) -> None:
    """Write ``float/`` and, where INT8 has weights of its own, ``tuned/``."""
    for option, path in (("", args.checkpoint), ("int8-", args.int8_checkpoint)):
        if path is not None and not path.is_file():
            raise ExportError(f"--{option}checkpoint {path}: no such file")
    if args.model in importers.KINDS:
        bring_in(work, args)
        return
    step(work, "float", args.model, args.checkpoint)
    tuned = args.int8_checkpoint or beside(args.checkpoint)
    if tuned is None:
        shutil.rmtree(work / "tuned", ignore_errors=True)
        return
    print(f"INT8 starts from {tuned}")
    step(work, "tuned", args.model, tuned)
    require_same_head(work.reference(), work.tuned(), tuned_path=tuned)


def bring_in(work: Work, args: argparse.Namespace) -> None:
    """Import a network of others unless its stamp holds."""
    shutil.rmtree(work / "tuned", ignore_errors=True)
    options = (*IN_FULL, "preprocessing", "output", "licence", "name")
    asked = {name: getattr(args, name) for name in options}
    key = {"model": args.model, "checkpoint": file_hash(args.checkpoint), **asked}

    def load() -> list[Path]:
        folder = work / "float"
        source = from_arguments(args, kind=args.model, file=args.checkpoint, folder=folder)
        for note in source.notes:
            print(f"note: {note}")
        return source.save(folder)

    work.once("float", key=key, make=load)


def beside(checkpoint: Path) -> Path | None:
    """Return ``CHECKPOINT_int8.pt`` if there is one."""
    path = checkpoint.with_name(f"{checkpoint.stem}_int8{checkpoint.suffix}")
    return path if path.is_file() else None


def step(work: Work, folder: str, model: str, checkpoint: Path) -> None:
    """Write one source folder unless its stamp holds."""
    key = {"model": model, "checkpoint": file_hash(checkpoint)}
    work.once(folder, key=key, make=lambda: write(work / folder, model, checkpoint))


def write(folder: Path, model: str, checkpoint: Path) -> list[Path]:
    """Export a checkpoint into ``folder``; returns the files made."""
    folder.mkdir(exist_ok=True)
    net = require_model(load_checkpoint(checkpoint), model, source=checkpoint)
    path = folder / "whole.onnx"
    export_float(net, path)
    export_backbone(net, folder / "backbone.onnx")
    licence = {"weights": "Apache-2.0", "source": "edgeface, export/recipes"}
    source = Source(model, path, Preprocessing(), EMBEDDING_DIM, net, licence)
    return [*source.save(folder), folder / "backbone.onnx"]


def require_model(net: DsaNet, model: str, *, source: Path) -> DsaNet:
    """Return the network if it is of the size that ``model`` names.

    Raises
    ------
    ExportError
        They are weights of another.
    """
    if net.config != CONFIGS[model]:
        same = [name for name, config in CONFIGS.items() if config == net.config]
        raise ExportError(
            f"--checkpoint {source}: holds {same[0] if same else net.config}, --model says {model}"
        )
    return net


def require_same_head(reference: Source, tuned: Source, *, tuned_path: Path) -> None:
    """Refuse INT8 weights whose head is another: all split artefacts share the reference's.

    Raises
    ------
    ExportError
        A tensor of the two heads differs.
    """
    theirs = tuned.net.head.state_dict()
    for name, values in reference.net.head.state_dict().items():
        if name not in theirs or not torch.equal(values, theirs[name]):
            raise ExportError(
                f"--int8-checkpoint {tuned_path}: its head's {name} is not the checkpoint's; train "
                "it with 'python -m export train int8', which leaves the head as it is"
            )
