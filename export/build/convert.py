"""Convert the float network for every target: ONNX, TFLite, RKNN (RK3576), a kit for T527.

``quantise`` makes the ONNX files, ``convert`` the others. What a target runs whole and what split
is decided here: split needs a DSA-Net, and T527 gets only the convolutions, since attention in INT8
fails there.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from export.artefact import TARGETS, Artefact, file_hash
from export.build.work import Work, source_hash
from export.errors import ExportError
from export.source import Source


@dataclass(frozen=True)
class Recipe:
    """One artefact to make: by which module, which variant, with which options; its tools."""

    module: str
    variant: str
    options: tuple[tuple[str, str], ...] = ()
    tools: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Variant and options, as the step's name says them."""
        return " ".join([self.variant, *(value for _, value in self.options)])


FLOAT32 = ("precision", "float32")
ORT, LITERT = ("onnx", "onnxruntime"), ("ai-edge-litert", "flatbuffers")
RECIPES = {
    "onnx": (
        Recipe("export.onnx_target", "whole", tools=ORT),
        Recipe("export.onnx_target", "split", tools=ORT),
    ),
    "tflite": (
        Recipe("export.tflite", "whole", tools=LITERT),
        Recipe("export.tflite", "whole", (FLOAT32,), LITERT),
        Recipe("export.tflite", "split", tools=LITERT),
    ),
    "rk3576": (
        Recipe("export.rknn", "split", tools=("onnxruntime",)),
        Recipe("export.rknn", "whole", tools=("onnxruntime",)),
    ),
    "t527": (Recipe("export.nbg", "split", tools=ORT),),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what this step needs to know."""
    parser.add_argument(
        "--targets",
        type=targets,
        default=TARGETS,
        metavar="LIST",
        help=f"comma-separated, of {','.join(TARGETS)} [all]",
    )


def targets(text: str) -> tuple[str, ...]:
    """Parse ``--targets``."""
    named = tuple(text.split(","))
    if not set(named) <= set(TARGETS):
        raise argparse.ArgumentTypeError(f"{text!r}: expected some of {','.join(TARGETS)}")
    return named


def make(work: Work, args: argparse.Namespace) -> None:
    """Make the artefacts of all targets but ONNX, which ``quantise`` makes."""
    for target in args.targets:
        if target != "onnx":
            make_target(work, target)


def make_target(work: Work, target: str, **options: str) -> None:
    """Make the artefacts of one target that this network has; float ones are the reference's.

    ``options`` go to the target's ``convert``.
    """
    for recipe in RECIPES[target]:
        source = work.reference() if FLOAT32 in recipe.options else work.tuned()
        if recipe.variant in source.variants:
            make_artefact(work, source, target, recipe, options)
        else:
            print(f"{target} {recipe.variant}: not of {source.name}, which runs whole only")


def make_artefact(
    work: Work, source: Source, target: str, recipe: Recipe, options: dict[str, str]
) -> None:
    """Make one artefact unless its stamp holds."""
    key = {
        "source": source_hash(source.onnx.parent),
        "calibration": file_hash(work / "calibration" / "crops.npy"),
        "tools": {name: installed(name) for name in recipe.tools},
        "options": options,
    }
    crops = work.calibration()
    work.once(
        f"{'quantise' if target == 'onnx' else 'convert'} {target} {recipe.name}",
        key=key,
        make=lambda: convert(work / target, source, recipe, crops, options),
    )


def convert(
    folder: Path, source: Source, recipe: Recipe, crops: np.ndarray, options: dict[str, str]
) -> list[Path]:
    """Run a recipe; returns the artefact and its description."""
    folder.mkdir(exist_ok=True)
    module = importlib.import_module(recipe.module)
    artefact: Artefact = module.convert(
        source,
        variant=recipe.variant,
        calibration=crops,
        folder=folder,
        **dict(recipe.options),
        **options,
    )
    made = folder / artefact.file
    if not made.is_file():
        raise ExportError(f"{recipe.module} made no {made}")
    return [made, folder / f"{artefact.file}.json"]


def installed(name: str) -> str:
    """Version of a tool, or "none"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
