"""A bundle's ONNX backbone as the flat file that tests/fakes/network.c runs."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from tests.fakes.network_layout import ADD, CLIP, CONV, ROUND, packed


def network_file(backbone: bytes, *, mean: Sequence[float], std: Sequence[float]) -> bytes:
    """Return the file for an ONNX backbone of Conv, Relu, Clip, Add and Sum, in float or QDQ form.

    Parameters
    ----------
    backbone
        ONNX of one picture (N, 3, H, W), already normalised, to one feature map. Weights that
        are stored quantised are dequantised; pairs around activations become roundings.
    mean, std
        Three numbers each: what pixels become before they meet the backbone.

    Raises
    ------
    ValueError
        An operator that the interpreter does not have.
    """
    graph = onnx.load_model_from_string(backbone).graph
    writer = _Writer(graph)
    for node in graph.node:
        writer.add(node)
    if graph.output[0].name != writer.last:
        raise ValueError(f"the last layer gives {writer.last!r}, expected {graph.output[0].name!r}")
    size = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim[1:]]
    return packed(size, writer.layers, mean=mean, std=std)


class _Writer:
    """Layers so far, and which tensor each name of the graph stands for."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.tensors = {graph.input[0].name: 0}
        self.layers: list[bytes] = []
        self.last = ""

    def add(self, node: onnx.NodeProto) -> None:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "DequantizeLinear" and node.input[0] in self.constants:
            self.constants[node.output[0]] = self._dequantised(node, attributes)
        elif node.op_type == "DequantizeLinear":  # after its QuantizeLinear, which did the work
            self._alias(node.input[0], node.output[0])
        elif node.op_type == "QuantizeLinear":
            self._layer(node, ROUND, struct.pack("<3f", *self._steps(node)))
        elif node.op_type == "Conv":
            self._layer(node, CONV, self._conv(node, attributes))
        elif node.op_type in ("Add", "Sum"):
            self._layer(node, ADD, b"", other=node.input[1])
        elif node.op_type in ("Relu", "Clip"):
            self._layer(node, CLIP, struct.pack("<2f", *self._limits(node)))
        else:
            raise ValueError(f"{node.op_type} {node.name}: the fake NPUs have no such operator")

    def _alias(self, name: str, other: str) -> None:
        self.tensors[other] = self.tensors[name]
        self.last = other

    def _layer(self, node: onnx.NodeProto, kind: int, data: bytes, other: str = "") -> None:
        first = self.tensors[node.input[0]]
        second = self.tensors[other] if other else 0
        self.layers.append(struct.pack("<3I", kind, first, second) + data)
        self.tensors[node.output[0]] = len(self.layers)
        self.last = node.output[0]

    def _dequantised(self, node: onnx.NodeProto, attributes: Mapping) -> np.ndarray:
        values, scale, zero = (self.constants[name] for name in node.input)
        if scale.ndim:  # one for each slice along an axis
            shape = [1] * values.ndim
            shape[attributes.get("axis", 1)] = -1
            scale, zero = scale.reshape(shape), zero.reshape(shape)
        return (values.astype(np.float32) - zero.astype(np.float32)) * scale

    def _steps(self, node: onnx.NodeProto) -> tuple[float, float, float]:
        scale, zero = (self.constants[name] for name in node.input[1:])
        limits = np.iinfo(zero.dtype)
        return float(scale), float(limits.min - int(zero)), float(limits.max - int(zero))

    def _limits(self, node: onnx.NodeProto) -> tuple[float, float]:
        if node.op_type == "Relu":
            return 0.0, float("inf")
        low, high = (float(self.constants[name]) for name in node.input[1:])
        return low, high

    def _conv(self, node: onnx.NodeProto, attributes: Mapping) -> bytes:
        weights = self.constants[node.input[1]].astype("<f4")
        bias = self.constants[node.input[2]].astype("<f4")
        pads, strides = set(attributes["pads"]), set(attributes["strides"])
        plain = set(attributes.get("dilations", [1])) == {1} and len(pads) == len(strides) == 1
        if not plain:
            raise ValueError(f"Conv {node.name}: expected equal pads, equal strides, no dilation")
        out, _, height, width = weights.shape
        numbers = (out, attributes.get("group", 1), height, width, strides.pop(), pads.pop())
        return struct.pack("<6I", *numbers) + weights.tobytes() + bias.tobytes()
