"""Layers as the TFLite operators that tflite-runtime 2.14 has in int8.

What it lacks there is put otherwise: LayerNorm is taken apart around RSQRT (int8 SQRT and DIV are
missing), grouped convolutions are CONV_2D with a narrow filter, and a transposed factor is an
option of BATCH_MATMUL.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from export.tflite.graph import Graph

NO_ACTIVATION, RELU = 0, 1  # of the schema's ActivationFunctionType
SAME, VALID = 0, 1  # of the schema's Padding


def conv(
    graph: Graph,
    x: str,
    *,
    name: str,
    weight: np.ndarray,
    bias: np.ndarray,
    stride: int = 1,
    relu: bool = False,
) -> str:
    """Convolution without padding: (1, H, W, I) → (1, H', W', O).

    ``weight`` is (O, I / groups, k, k), as PyTorch has it. Groups show in its shape, which is how
    TFLite says it too. A stride needs k = stride: such windows meet no edge, so that PyTorch's and
    TFLite's ideas of padding cannot differ.
    """
    height, width = graph.shape(x)[1:3]
    kernel = weight.shape[2]
    if kernel != stride or height % stride or width % stride:
        raise ValueError(
            f"{name}: kernel {kernel}, stride {stride} on {height}x{width}: expected equal ones "
            "that divide the map; a padded convolution is not written yet"
        )
    inputs = _with_weights(graph, x, name, weight.transpose(0, 2, 3, 1), bias)
    shape = (1, height // stride, width // stride, weight.shape[0])
    options = {
        "padding": VALID,
        "strideH": stride,
        "strideW": stride,
        "dilationHFactor": 1,
        "dilationWFactor": 1,
        "fusedActivationFunction": RELU if relu else NO_ACTIVATION,
    }
    return graph.op("CONV_2D", *inputs, name=name, shape=shape, options=options)


def depthwise(
    graph: Graph, x: str, *, name: str, weight: np.ndarray, bias: np.ndarray, same: bool = True
) -> str:
    """Depthwise convolution of stride 1, padded to the same size or not at all.

    ``weight`` is (C, 1, k, k). With stride 1 and odd k, SAME is PyTorch's ``padding=k // 2``.
    """
    channels, _, kernel, _ = weight.shape
    height, width = graph.shape(x)[1:3]
    if kernel % 2 == 0:
        raise ValueError(f"{name}: kernel {kernel}, expected an odd one: SAME would be lopsided")
    inputs = _with_weights(graph, x, name, weight.transpose(1, 2, 3, 0), bias)
    less = 0 if same else kernel - 1
    options = {
        "padding": SAME if same else VALID,
        "strideH": 1,
        "strideW": 1,
        "depthMultiplier": 1,
        "dilationHFactor": 1,
        "dilationWFactor": 1,
    }
    shape = (1, height - less, width - less, channels)
    return graph.op("DEPTHWISE_CONV_2D", *inputs, name=name, shape=shape, options=options)


def linear(graph: Graph, x: str, *, name: str, weight: np.ndarray, bias: np.ndarray) -> str:
    """Linear layer over the last axis: (…, I) → (…, O), with ``weight`` (O, I)."""
    inputs = _with_weights(graph, x, name, weight, bias)
    shape = (*graph.shape(x)[:-1], len(weight))
    options = {"keepNumDims": True}
    return graph.op("FULLY_CONNECTED", *inputs, name=name, shape=shape, options=options)


def binary(graph: Graph, kind: str, a: str, b: str, *, name: str) -> str:
    """ADD, SUB, MUL or SQUARED_DIFFERENCE, with broadcasting."""
    shape = np.broadcast_shapes(graph.shape(a), graph.shape(b))
    return graph.op(kind, a, b, name=name, shape=shape)


def unary(graph: Graph, kind: str, x: str, *, name: str, **options: object) -> str:
    """RSQRT, GELU, SOFTMAX (over the last axis) or LOGISTIC."""
    return graph.op(kind, x, name=name, shape=graph.shape(x), options=options)


def mean(graph: Graph, x: str, *, name: str, axis: int, keep: bool = True) -> str:
    """Mean over one axis, which stays with length 1 if ``keep``."""
    shape = list(graph.shape(x))
    axis %= len(shape)
    shape[axis : axis + 1] = [1] if keep else []
    axes = graph.constant(f"{name}.axis", data=np.array([axis], np.int32))
    return graph.op("MEAN", x, axes, name=name, shape=shape, options={"keepDims": keep})


def reshape(graph: Graph, x: str, *, name: str, shape: Sequence[int]) -> str:
    """Same values, another shape."""
    wanted = np.array(shape, np.int32)
    given = graph.constant(f"{name}.shape", data=wanted)
    return graph.op(
        "RESHAPE", x, given, name=name, shape=shape, options={"newShape": wanted.tolist()}
    )


def transpose(graph: Graph, x: str, *, name: str, order: Sequence[int]) -> str:
    """Axes in another order."""
    shape = [graph.shape(x)[axis] for axis in order]
    axes = graph.constant(f"{name}.order", data=np.array(order, np.int32))
    return graph.op("TRANSPOSE", x, axes, name=name, shape=shape)


def matmul(graph: Graph, a: str, b: str, *, name: str, transposed: bool = False) -> str:
    """Matrix product of the last two axes, or a · bᵀ if ``transposed``."""
    columns = graph.shape(b)[-2 if transposed else -1]
    shape = (*graph.shape(a)[:-1], columns)
    return graph.op("BATCH_MATMUL", a, b, name=name, shape=shape, options={"adjY": transposed})


def layer_norm(graph: Graph, x: str, *, name: str, epsilon: float) -> str:
    """Zero mean and unit variance over the last axis; gain and offset belong to the next layer.

    (x − m) / √(v + ε), v = mean (x − m)²; Ba et al. 2016.
    """
    middle = mean(graph, x, name=f"{name}.mean", axis=-1)
    centred = binary(graph, "SUB", x, middle, name=f"{name}.centred")
    squares = binary(graph, "SQUARED_DIFFERENCE", x, middle, name=f"{name}.squares")
    variance = mean(graph, squares, name=f"{name}.variance", axis=-1)
    least = graph.constant(f"{name}.epsilon", data=np.full((1,), epsilon, np.float32))
    raised = binary(graph, "ADD", variance, least, name=f"{name}.raised")
    inverse = unary(graph, "RSQRT", raised, name=f"{name}.inverse")
    return binary(graph, "MUL", centred, inverse, name=name)


def _with_weights(
    graph: Graph, x: str, name: str, weight: np.ndarray, bias: np.ndarray
) -> tuple[str, str, str]:
    return (
        x,
        graph.constant(f"{name}.weight", data=np.float32(weight)),
        graph.constant(f"{name}.bias", data=np.float32(bias)),
    )
