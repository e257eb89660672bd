"""Ranges of a graph's activations: its float file is run, and every tensor in it is read.

The runtime that will run the int8 file also measures for it, so that no second implementation of
the operators is needed, nor can one differ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tqdm import tqdm

from export.tflite.flatbuffer import written
from export.tflite.graph import Graph

PERCENTILE = 99.99
"""The best of six, from 99.9 to 99.999, on held-out FairFace crops: docs/decisions/0014."""


def activations(graph: Graph, pixels: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """Yield every computed tensor of the float graph by name, crop after crop.

    Parameters
    ----------
    graph : with one input, (1, H, W, 3) pixels.
    pixels : (N, H, W, 3), in the graph's order of colours.
    """
    yield from values_inside(written(graph), graph.activations, pixels)


def values_inside(
    model: bytes, names: list[str], inputs: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the named tensors of a file, as float32, for each of ``inputs`` (N, H, W, 3)."""
    interpreter = Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        # A delegate would keep what is inside its part to itself.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    details = {entry["name"]: entry for entry in interpreter.get_tensor_details()}
    source = interpreter.get_input_details()[0]
    for row in tqdm(inputs, desc="activations", disable=len(inputs) < 32, leave=False):
        interpreter.set_tensor(source["index"], _stored(row[None], source))
        interpreter.invoke()
        yield {
            name: _real(interpreter.get_tensor(details[name]["index"]), details[name])
            for name in names
        }


def measured(
    graph: Graph, pixels: np.ndarray, *, percentile: float = PERCENTILE
) -> dict[str, tuple[float, float]]:
    """Return the range of each computed tensor over all crops.

    ``percentile`` per cent of the values are inside; what is left out is shared by both ends.
    """
    if not 50 < percentile <= 100:
        raise ValueError(f"percentile is {percentile}, expected above 50, at most 100")
    if len(pixels) == 0:
        raise ValueError("no calibration faces: expected 64 or more")
    outside = (1 - percentile / 100) / 2
    ends: dict[str, _Ends] = {}
    for values in activations(graph, pixels):
        for name, value in values.items():
            if name not in ends:
                ends[name] = _Ends(int(value.size * len(pixels) * outside) + 1)
            ends[name].add(value.ravel())
    return {name: end.range for name, end in ends.items()}


class _Ends:
    """The ``count`` lowest and highest of all values seen: an exact percentile in little memory."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._low = self._high = np.empty(0, np.float32)

    def add(self, values: np.ndarray) -> None:
        low, high = np.concatenate([self._low, values]), np.concatenate([self._high, values])
        count = self._count
        self._low = np.partition(low, count - 1)[:count] if len(low) > count else low
        self._high = np.partition(high, -count)[-count:] if len(high) > count else high

    @property
    def range(self) -> tuple[float, float]:
        return float(self._low.max()), float(self._high.min())


def _stored(values: np.ndarray, entry: dict) -> np.ndarray:
    scale, zero_point = entry["quantization"]
    if entry["dtype"] == np.float32:
        return np.float32(values)
    limits = np.iinfo(entry["dtype"])
    steps = np.rint(values / scale) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(entry["dtype"])


def _real(values: np.ndarray, entry: dict) -> np.ndarray:
    scale, zero_point = entry["quantization"]
    if entry["dtype"] == np.float32:
        return values
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
