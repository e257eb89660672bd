"""A source to a TFLite artefact, and an artefact run the way doors run it."""

from __future__ import annotations

import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tqdm import tqdm

from edgeface.backends.tflite import TfliteBackend
from export import litert
from export.artefact import Artefact
from export.errors import ExportError
from export.preprocessing import Preprocessing
from export.source import Source
from export.tflite import ranges
from export.tflite.flatbuffer import written
from export.tflite.graph import Graph
from export.tflite.network import dsanet_graph
from export.tflite.operators import oldest_runtime
from export.tflite.quantise import Quantisation, quantisations

PRECISIONS = ("int8", "float32")
CHUNK = 32  # images between two steps of the progress bar


def convert(
    source: Source,
    *,
    variant: str,
    calibration: np.ndarray,
    folder: Path,
    seed: int = 0,
    precision: str = "int8",
    percentile: float = ranges.PERCENTILE,
) -> Artefact:
    """Write ``<name>_<variant>_<precision>.tflite`` and its ``.json`` into ``folder``.

    Parameters
    ----------
    source : with a ``net``; others go through litert-torch, `export.litert.convert`.
    variant : "whole" (pixels → embedding) or "split" (pixels → feature map, NHWC).
    calibration : RGB uint8 crops (N, 112, 112, 3); their activations set the int8 ranges.
    seed : not needed; nothing here is random.
    precision : "int8" (weights, activations, input and output) or "float32".
    percentile : share of the calibration values inside the ranges, per cent.

    Raises
    ------
    ExportError
        No network, or a variant or precision that there is none of.
    """
    if source.net is None:
        return litert.convert(
            source, variant=variant, calibration=calibration, folder=folder, precision=precision
        )
    del seed
    if variant not in source.variants or precision not in PRECISIONS:
        raise ExportError(
            f"{source.name}: {variant!r} in {precision!r} cannot be written: expected one of "
            f"{source.variants} in one of {PRECISIONS}"
        )
    start = time.perf_counter()
    graph = dsanet_graph(source.net, preprocessing=source.preprocessing, variant=variant)
    scales = None
    if precision == "int8":
        pixels = source.preprocessing.pixels(source.preprocessing.apply(calibration))
        measured = ranges.measured(graph, pixels, percentile=percentile)
        scales = quantisations(graph, measured)
    model = written(graph, scales)
    artefact = Artefact(
        target="tflite",
        variant=variant,
        precision=precision,
        file=f"{source.name}_{variant}_{precision}.tflite",
        format="tflite",
        input={**source.preprocessing.manifest(name=graph.inputs[0], layout="NHWC"), **_PIXELS},
        outputs=list(graph.outputs),
        output_layout="NHWC",
        built_with={"ai-edge-litert": version("ai-edge-litert")},
        details={
            "preprocessing": {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in asdict(source.preprocessing).items()
            },
            "quantisation": _quantisation(graph, scales),
            "percentile": percentile if scales else None,
            "calibration_crops": len(calibration) if scales else 0,
            "operators": _operators(graph),
            "needs": {"tflite": oldest_runtime({op.kind for op in graph.ops})},
            "bytes": len(model),
            "seconds": round(time.perf_counter() - start, 2),
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / artefact.file).write_bytes(model)
    artefact.save(folder)
    return artefact


_PIXELS = {"mean": [0.0] * 3, "std": [1.0] * 3}  # the first convolution normalises


def run(artefact: Artefact, folder: Path, inputs: np.ndarray) -> np.ndarray:
    """Run an artefact on network inputs, through `edgeface.backends.tflite`.

    Parameters
    ----------
    artefact : made by `convert`, its file in ``folder``.
    inputs : (N, 3, H, W) float32, from `Preprocessing.apply` of the source.

    Returns
    -------
    (N, dim) float32 embeddings, not normalised, or (N, C, H, W) float32 feature maps.
    """
    if artefact.details.get("converter") == "litert":
        return litert.run(artefact, folder, inputs)
    pixels = Preprocessing(**artefact.details["preprocessing"]).pixels(inputs)
    name = artefact.input["name"]
    model = (folder / artefact.file).read_bytes()
    with TfliteBackend(model, name=artefact.title) as backend:
        parts = [
            backend.run({name: pixels[start : start + CHUNK]})[artefact.outputs[0]]
            for start in tqdm(
                range(0, max(len(pixels), 1), CHUNK),
                desc=artefact.title,
                disable=len(pixels) < 16 * CHUNK,
                leave=False,
            )
        ]
    found = np.concatenate(parts)
    return np.ascontiguousarray(np.moveaxis(found, -1, 1)) if found.ndim == 4 else found


def _quantisation(graph: Graph, scales: dict[str, Quantisation] | None) -> dict:
    """Scale and zero point of input and output, for who runs the file by other means."""
    if scales is None:
        return {}
    ends = {"input": graph.inputs[0], "output": graph.outputs[0]}
    return {
        end: {
            "scale": float(scales[name].scale[0]),
            "zero_point": int(scales[name].zero_point[0]),
        }
        for end, name in ends.items()
    }


def _operators(graph: Graph) -> dict[str, int]:
    kinds = [op.kind for op in graph.ops]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}
