"""Scales of a full-integer graph: activations per tensor, weights per output channel.

As TensorFlow Lite's 8-bit specification has it: real = scale · (int8 − zero point); weights
symmetric in −127…127; biases int32 with the scale of input times weight and no zero point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from export.tflite.graph import Graph, Op
from export.tflite.operators import SAME_SCALE, SHARES, WEIGHT_AXIS

LEAST, MOST = -128, 127
BIAS_LIMIT = 2.0**30  # half of int32: products are added to it
TINY = 1e-12


@dataclass(frozen=True)
class Quantisation:
    """Scale and zero point of one tensor: one of each, or one per index of ``axis``."""

    scale: np.ndarray
    zero_point: np.ndarray
    dtype: str = "int8"
    axis: int = 0

    def quantised(self, values: np.ndarray) -> np.ndarray:
        """Round float values to integers; what lies outside the range becomes its end."""
        shape = [1] * values.ndim
        if len(self.scale) > 1:
            shape[self.axis] = -1
        steps = np.rint(values / self.scale.astype(np.float64).reshape(shape))
        limits = np.iinfo(self.dtype)
        steps = steps + self.zero_point.reshape(shape)
        return np.clip(steps, limits.min, limits.max).astype(self.dtype)


def from_range(low: float, high: float) -> Quantisation:
    """Return the 8 bits for values from ``low`` to ``high``; zero is always exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(max((high - low) / (MOST - LEAST), TINY))
    zero_point = int(np.clip(np.rint(LEAST - low / scale), LEAST, MOST))
    return Quantisation(np.float32([scale]), np.int64([zero_point]))


SHARE = Quantisation(np.float32([1 / 256]), np.int64([LEAST]))
PIXELS = Quantisation(np.float32([1]), np.int64([LEAST]))
"""Pixels as they are: int8 = pixel − 128."""


def quantisations(
    graph: Graph, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Quantisation]:
    """Return the quantisation of every float tensor of a graph.

    Parameters
    ----------
    graph : whose inputs are pixels, 0 to 255.
    ranges : lowest and highest value of each computed tensor (`export.tflite.ranges`).
    """
    found = {name: PIXELS for name in graph.inputs}
    for op in graph.ops:
        for name in op.inputs:
            tensor = graph.tensors[name]
            if name not in found and tensor.data is not None and not tensor.is_index:
                found.update(_constants(graph, op, found))
        if op.kind in SAME_SCALE:
            found[op.output] = found[op.inputs[0]]
        elif op.kind in SHARES:
            found[op.output] = SHARE
        else:
            found[op.output] = from_range(*ranges[op.output])
    return found


def _constants(graph: Graph, op: Op, found: Mapping[str, Quantisation]) -> dict[str, Quantisation]:
    """Quantise the constants of one operator: weight and bias, or a summand."""
    if op.kind not in WEIGHT_AXIS:
        named = {name: graph.tensors[name].data for name in op.inputs[1:]}
        return {
            name: from_range(float(data.min()), float(data.max()))
            for name, data in named.items()
            if data is not None and data.dtype == np.float32
        }
    x, weight, bias = op.inputs
    axis = WEIGHT_AXIS[op.kind]
    scale = _weight_scale(
        graph.tensors[weight].data, graph.tensors[bias].data, axis, found[x].scale[0]
    )
    none = np.zeros(len(scale), np.int64)
    return {
        weight: Quantisation(scale, none, axis=axis),
        bias: Quantisation(scale * found[x].scale[0], none, dtype="int32"),
    }


def _weight_scale(
    weight: np.ndarray, bias: np.ndarray, axis: int, input_scale: np.float32
) -> np.ndarray:
    others = tuple(i for i in range(weight.ndim) if i != axis)
    needed = np.abs(weight).max(axis=others) / MOST
    # A channel of nearly no weight must not make its bias too large for 32 bits.
    return np.float32(np.maximum(needed, np.abs(bias) / (BIAS_LIMIT * input_scale) + TINY))
