"""How far each layer of an int8 file is from the float32 file of the same network.

``python -m export tflite-layers --float32 A.tflite --int8 B.tflite --crops crops.npy``. The error
of a layer is what has come together up to there; a layer where it jumps is where to look. Both
files come from ``export.tflite.convert``; crops are RGB uint8 (N, 112, 112, 3).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.errors import ExportError
from export.tflite.ranges import values_inside

FACES = 16


@dataclass(frozen=True)
class LayerError:
    """One layer's output.

    Attributes
    ----------
    name : the tensor's.
    error : norm of the difference over the norm of the float values, 0 for none.
    """

    name: str
    error: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export tflite-layers``."""
    parser.add_argument("--float32", type=Path, required=True, metavar="FILE.tflite")
    parser.add_argument("--int8", type=Path, required=True, metavar="FILE.tflite")
    parser.add_argument("--crops", type=Path, required=True, metavar="FILE.npy")


def run(args: argparse.Namespace) -> int:
    """Print one line per layer; returns the exit code."""
    crops = np.load(args.crops, allow_pickle=False)[:FACES]
    for row in layer_errors(args.float32.read_bytes(), args.int8.read_bytes(), crops):
        print(f"{row.error:8.4f}  {row.name}")
    return 0


def layer_errors(float32: bytes, int8: bytes, pixels: np.ndarray) -> list[LayerError]:
    """Compare two files of one network, layer by layer, in the order of execution.

    Raises
    ------
    ExportError
        Their layers have different names: they are not of one network.
    """
    names = layer_names(int8)
    if names != layer_names(float32):
        raise ExportError(
            "the two files have different layers; expected the float32 and the int8 file that "
            "export.tflite.convert made of one checkpoint and variant"
        )
    wanted, noise = (dict.fromkeys(names, 0.0) for _ in range(2))
    pairs = zip(values_inside(float32, names, pixels), values_inside(int8, names, pixels))
    for expected, found in pairs:
        for name in names:
            wanted[name] += float(np.square(expected[name]).sum())
            noise[name] += float(np.square(expected[name] - found[name]).sum())
    return [LayerError(name, float(np.sqrt(noise[name] / wanted[name]))) for name in names]


def layer_names(model: bytes) -> list[str]:
    """Return the names of the tensors that a file's operators give, in order."""
    graph = schema.ModelT.InitFromPackedBuf(model, 0).subgraphs[0]
    outputs = [index for operator in graph.operators for index in operator.outputs]
    return [graph.tensors[index].name.decode() for index in outputs]
