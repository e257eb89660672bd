"""Each TFLite layer, written and run on its own, gives what PyTorch gives: float and int8."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from edgeface.backends.tflite import TfliteBackend
from export.tflite import layers, ranges
from export.tflite.flatbuffer import written
from export.tflite.graph import Graph
from export.tflite.quantise import quantisations

PICTURES = 8
FLOAT_ERROR = 2e-5
INT8_ERROR = 0.03
"""Largest relative error (norms). One rounding to 8 bits of values that fill their range costs
about 0.01; a wrong zero point, axis or padding costs tenths."""


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _weights(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    weight = _rng().standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return weight, _rng().standard_normal(shape[0]) * 0.1


def _nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _conv(groups: int, kernel: int, relu: bool) -> tuple:
    weight, bias = _weights(8, 4 // groups, kernel, kernel)

    def expected(x: Tensor) -> Tensor:
        w, b = torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
        y = _nhwc(F.conv2d(x.permute(0, 3, 1, 2), w, b, stride=kernel, groups=groups))
        return y.relu() if relu else y

    def build(graph: Graph, x: str) -> str:
        return layers.conv(graph, x, name="y", weight=weight, bias=bias, stride=kernel, relu=relu)

    return (8, 8, 4), build, expected


def _depthwise(kernel: int, same: bool) -> tuple:
    weight, bias = _weights(4, 1, kernel, kernel)

    def expected(x: Tensor) -> Tensor:
        w, b = torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
        padding = kernel // 2 if same else 0
        return _nhwc(F.conv2d(x.permute(0, 3, 1, 2), w, b, padding=padding, groups=4))

    def build(graph: Graph, x: str) -> str:
        return layers.depthwise(graph, x, name="y", weight=weight, bias=bias, same=same)

    return (7, 7, 4), build, expected


def _linear() -> tuple:
    weight, bias = _weights(16, 6)
    return (
        (5, 6),
        lambda graph, x: layers.linear(graph, x, name="y", weight=weight, bias=bias),
        lambda x: F.linear(x, torch.from_numpy(weight).float(), torch.from_numpy(bias).float()),
    )


def _constant(kind: str, shape: tuple, function: Callable) -> tuple:
    other = _rng().uniform(-1, 1, shape).astype(np.float32)

    def build(graph: Graph, x: str) -> str:
        return layers.binary(graph, kind, x, graph.constant("c", data=other), name="y")

    return (5, 6), build, lambda x: function(x, torch.from_numpy(other))


def _unary(kind: str, function: Callable, **options: object) -> tuple:
    return (5, 6), lambda g, x: layers.unary(g, kind, x, name="y", **options), function


def _matmul(transposed: bool) -> tuple:
    def build(graph: Graph, x: str) -> str:
        other = x if transposed else layers.transpose(graph, x, name="xt", order=(0, 1, 3, 2))
        return layers.matmul(graph, x, other, name="y", transposed=transposed)

    return (3, 5, 6), build, lambda x: x @ x.transpose(-1, -2)


LAYERS = {
    "conv, kernel and stride 4": _conv(1, 4, False),
    "conv, kernel and stride 2, relu": _conv(1, 2, True),
    "1x1 conv": _conv(1, 1, False),
    "1x1 conv, two groups": _conv(2, 1, True),
    "depthwise 3x3": _depthwise(3, True),
    "depthwise 5x5": _depthwise(5, True),
    "depthwise 7x7 to one pixel": _depthwise(7, False),
    "linear": _linear(),
    "add": _constant("ADD", (1, 5, 6), torch.add),
    "sub, broadcast": _constant("SUB", (1, 5, 1), torch.sub),
    "mul, broadcast": _constant("MUL", (1, 5, 1), torch.mul),
    "squared difference": _constant("SQUARED_DIFFERENCE", (1, 5, 1), lambda x, c: (x - c) ** 2),
    "gelu": _unary("GELU", lambda x: F.gelu(x, approximate="tanh"), approximate=True),
    "softmax": _unary("SOFTMAX", lambda x: x.softmax(-1), beta=1.0),
    "logistic": _unary("LOGISTIC", torch.sigmoid),
    "mean over channels": (
        (5, 6),
        lambda g, x: layers.mean(g, x, name="y", axis=-1),
        lambda x: x.mean(-1, keepdim=True),
    ),
    "mean over tokens": (
        (5, 6),
        lambda g, x: layers.mean(g, x, name="y", axis=1, keep=False),
        lambda x: x.mean(1),
    ),
    "reshape": (
        (5, 6),
        lambda g, x: layers.reshape(g, x, name="y", shape=(1, 3, 10)),
        lambda x: x.reshape(len(x), 3, 10),
    ),
    "transpose": (
        (5, 6),
        lambda g, x: layers.transpose(g, x, name="y", order=(0, 2, 1)),
        lambda x: x.transpose(1, 2),
    ),
    "matmul": _matmul(False),
    "matmul with a transposed factor": _matmul(True),
    "layer norm": (
        (5, 64),
        lambda g, x: layers.layer_norm(g, x, name="y", epsilon=1e-5),
        lambda x: F.layer_norm(x, x.shape[-1:]),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_gives_what_pytorch_gives(name: str) -> None:
    shape, build, expected = LAYERS[name]
    graph = Graph()
    graph.outputs.append(build(graph, _signed(graph, graph.input("x", shape=(1, *shape)))))
    pixels = _rng().integers(0, 256, (PICTURES, *shape)).astype(np.float32)
    wanted = expected(torch.from_numpy((pixels - 128) / 64)).numpy()
    assert _error(_run(written(graph), pixels), wanted) < FLOAT_ERROR
    scales = quantisations(graph, ranges.measured(graph, pixels, percentile=100))
    assert _error(_run(written(graph, scales), pixels), wanted) < INT8_ERROR


def _signed(graph: Graph, pixels: str) -> str:
    """(pixel - 128) / 64: 256 values, which 8 bits hold exactly."""
    small = graph.constant("small", data=np.full((1,), 1 / 64, np.float32))
    scaled = layers.binary(graph, "MUL", pixels, small, name="scaled")
    middle = graph.constant("middle", data=np.full((1,), 2, np.float32))
    return layers.binary(graph, "SUB", scaled, middle, name="signed")


def _run(model: bytes, inputs: np.ndarray) -> np.ndarray:
    with TfliteBackend(model) as backend:
        return backend.run({"x": inputs})["y"]


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(("kernel", "stride", "side"), [(3, 2, 8), (2, 2, 7), (3, 1, 8)], ids=str)
def test_convolution_that_would_be_padded_is_refused(kernel: int, stride: int, side: int) -> None:
    graph = Graph()
    x = graph.input("x", shape=(1, side, side, 3))
    weight, bias = _weights(4, 3, kernel, kernel)
    with pytest.raises(ValueError, match="expected equal ones that divide the map"):
        layers.conv(graph, x, name="y", weight=weight, bias=bias, stride=stride)


def test_depthwise_of_an_even_kernel_is_refused() -> None:
    graph = Graph()
    weight, bias = _weights(4, 1, 4, 4)
    with pytest.raises(ValueError, match="kernel 4, expected an odd one"):
        layers.depthwise(
            graph, graph.input("x", shape=(1, 8, 8, 4)), name="y", weight=weight, bias=bias
        )
