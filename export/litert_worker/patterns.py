"""Groups of ONNX nodes that stand for one operator: GELU, and division by the L2 norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx
from onnx import helper

GELUS = {"Erf": "Gelu", "Tanh": "GeluTanh"}


@dataclass(frozen=True)
class Step:
    """One operator call: its kind, names of inputs and outputs, attributes."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict = field(default_factory=dict)


class _Graph:
    def __init__(self, nodes: Sequence[onnx.NodeProto], constants: dict):
        self.constants = constants
        self.made = {name: node for node in nodes for name in node.output}
        self.readers: dict[str, list] = {}
        for node in nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def reader(self, name: str, kind: str) -> onnx.NodeProto | None:
        """The only node that reads a tensor, if it is of that kind."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None

    def other(self, node: onnx.NodeProto, name: str) -> str:
        return next(n for n in node.input if n != name)

    def scaled(self, name: str) -> str | None:
        """x if the tensor is x times a constant, else None."""
        node = self.made.get(name)
        if node is None or node.op_type != "Mul":
            return None
        values = [n for n in node.input if n not in self.constants]
        return values[0] if len(values) == 1 else None


def rewritten(nodes: Sequence[onnx.NodeProto], constants: dict) -> list[Step]:
    """Return the nodes as steps, groups replaced, what nothing reads any more left out.

    A replaced group is recognised by its form alone; who converts compares numbers afterwards.
    """
    graph = _Graph(nodes, constants)
    replaced = {}
    for node in nodes:
        step = _gelu(node, graph) or _unit_length(node, graph)
        if step is not None:
            replaced[step.outputs[0]] = step
    steps = [replaced.get(n.output[0]) or _plain(n) for n in nodes]
    return _needed(steps, nodes[-1].output[0])


def _plain(node: onnx.NodeProto) -> Step:
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return Step(node.op_type, tuple(node.input), tuple(node.output), attributes)


def _needed(steps: list[Step], output: str) -> list[Step]:
    wanted, kept = {output}, []
    for step in reversed(steps):
        if wanted.intersection(step.outputs):
            wanted.update(step.inputs)
            kept.append(step)
    return kept[::-1]


def _gelu(node: onnx.NodeProto, graph: _Graph) -> Step | None:
    """½·x·(1 + erf(x/√2)), or with tanh: f → Add 1 → Mul x → Mul ½, the last two in any order."""
    if node.op_type not in GELUS:
        return None
    shifted = graph.reader(node.output[0], "Add")
    product = shifted and graph.reader(shifted.output[0], "Mul")
    if product is None:
        return None
    value = graph.other(product, shifted.output[0])
    root, end = graph.scaled(value), product
    if root is None or graph.reader(product.output[0], "Mul") is not None:
        half = graph.reader(product.output[0], "Mul")
        if half is None or not any(name in graph.constants for name in half.input):
            return None
        root, end = value, half
    return Step(GELUS[node.op_type], (root,), (end.output[0],))


def _unit_length(node: onnx.NodeProto, graph: _Graph) -> Step | None:
    """x / max(‖x‖, eps): ReduceL2 → Clip → Expand → Div."""
    if node.op_type != "ReduceL2":
        return None
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    clip = graph.reader(node.output[0], "Clip")
    wide = clip and graph.reader(clip.output[0], "Expand")
    end = (wide and graph.reader(wide.output[0], "Div")) or None
    if end is None or end.input[0] != node.input[0] or not attributes.get("keepdims", 1):
        return None
    least = graph.constants.get(clip.input[1])
    if not isinstance(least, float) or any(clip.input[2:]):
        return None
    axes = attributes.get("axes") or graph.constants[node.input[1]]
    return Step("UnitLength", (node.input[0],), (end.output[0],), {"axes": axes, "eps": least})
