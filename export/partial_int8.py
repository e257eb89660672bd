"""Take an INT8 (QDQ) graph apart: the same network with only some of its layers quantised.

A layer is a node of the float graph, with its weights and the tensor it makes. Nodes that only move
values (Reshape, Transpose and such) belong to the layer whose values they move. Nothing is
calibrated again: what stays quantised keeps the scales it had.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

INPUT_LAYER = "(input)"
SUFFIX = "_quantized"
MOVES = ("Concat", "Flatten", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Transpose",
         "Unsqueeze")  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """One layer: its node's name and operator, and what it takes to leave it in float.

    ``pairs`` maps a DequantizeLinear's output to the tensor that it stands for; ``weights`` maps
    it to the float weight.
    """

    name: str
    operator: str
    pairs: dict[str, str]
    weights: dict[str, np.ndarray]


class PartialInt8:
    """An INT8 graph whose layers can be put back into float.

    Parameters
    ----------
    quantised : from `export.quantise.quantise`, with ``keep_relu``: else a ReLU may be nothing but
        a range that starts at zero.
    prepared : the float graph that was quantised (`export.quantise.prepare`).

    Raises
    ------
    ValueError
        ``quantised`` has no quantised tensor.
    """

    def __init__(self, quantised: onnx.ModelProto, prepared: onnx.ModelProto):
        self.model = quantised
        self._floats = {i.name: i for i in prepared.graph.initializer}
        self._makers = {o: node for node in quantised.graph.node for o in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in quantised.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self.layers = self._find_layers()
        if not self.layers:
            raise ValueError("the graph has no quantised layer: it is float already")

    def _find_layers(self) -> dict[str, Layer]:
        layers: dict[str, Layer] = {}
        for node in self.model.graph.node:
            if node.op_type != "DequantizeLinear":
                continue
            source, output = self._makers.get(node.input[0]), node.output[0]
            if source is None:  # a weight
                weight = self._floats[node.input[0][: -len(SUFFIX)]]
                layer = self._layer(layers, self._readers[output][0])
                layer.weights[output] = numpy_helper.to_array(weight)
            else:
                layer = self._layer(layers, self._owner(source.input[0]))
                layer.pairs[output] = source.input[0]
        return layers

    def _layer(self, layers: dict[str, Layer], node: onnx.NodeProto | None) -> Layer:
        name, kind = (node.name, node.op_type) if node is not None else (INPUT_LAYER, "")
        return layers.setdefault(name, Layer(name, kind, {}, {}))

    def _owner(self, tensor: str) -> onnx.NodeProto | None:
        """Return the node that computed a tensor's values; None for the graph's input."""
        node = self._makers.get(tensor)
        while node is not None and node.op_type in (*MOVES, "QuantizeLinear", "DequantizeLinear"):
            node = self._makers.get(node.input[0])
        return node

    def with_float(self, names: Collection[str]) -> bytes:
        """Return the serialised graph with the layers of these names in float."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        pairs = {k: v for name in names for k, v in self.layers[name].pairs.items()}
        weights = {k: v for name in names for k, v in self.layers[name].weights.items()}
        kept = []
        for node in model.graph.node:
            output = node.output[0]
            if output in pairs:
                node = onnx.helper.make_node("Identity", [pairs[output]], [output])
            if output not in weights:
                kept.append(node)
        del model.graph.node[:]
        model.graph.node.extend(kept)
        for name, value in weights.items():
            model.graph.initializer.append(numpy_helper.from_array(value, name))
        used = {name for node in kept for name in node.input}
        for unused in [i for i in model.graph.initializer if i.name not in used]:
            model.graph.initializer.remove(unused)
        return model.SerializeToString()
