"""An L2 norm at the end of a graph: found by structure and taken off.

Inside an INT8 graph it costs accuracy (its scale is fixed to 1/128, and some runtimes have no INT8
square root), and doors normalise in float anyway. `onnx_check.check` proves that nothing but the
length of the embedding changed.
"""

from __future__ import annotations

import onnx
from onnx import helper
from onnx.utils import Extractor

from export.importers.onnx_graph import without_unused
from export.source import INPUT, OUTPUT

NORM_PATH = {
    "Add", "Cast", "Clip", "Constant", "Expand", "Identity", "Max", "Mul", "Pow", "Reciprocal",
    "ReduceL2", "ReduceSum", "ReduceSumSquare", "Shape", "Sqrt", "Unsqueeze",
}  # fmt: skip
"""Operators between an embedding and its length."""
REDUCTIONS = {"ReduceL2", "ReduceSum", "ReduceSumSquare"}


def without_l2_norm(model: onnx.ModelProto) -> tuple[onnx.ModelProto, bool]:
    """Return the model ending before its L2 norm, and whether it had one."""
    made = {name: node for node in model.graph.node for name in node.output}
    end = made[model.graph.output[0].name]
    while end.op_type == "Identity":
        end = made[end.input[0]]
    root = _normalised(end, made)
    if root is None or root not in made:
        return model, False
    typed = onnx.shape_inference.infer_shapes(model)
    cut = Extractor(typed).extract_model([INPUT], [root])
    del cut.graph.value_info[:]
    for node in cut.graph.node:
        node.input[:] = [OUTPUT if name == root else name for name in node.input]
        node.output[:] = [OUTPUT if name == root else name for name in node.output]
    cut.graph.output[0].CopyFrom(
        helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, None)
    )
    return without_unused(cut), True


def _normalised(end: onnx.NodeProto, made: dict) -> str | None:
    """Return the tensor that ``end`` divides by its own length, None if it does not."""
    if end.op_type == "LpNormalization":
        attributes = {a.name: helper.get_attribute_value(a) for a in end.attribute}
        last = attributes.get("axis", -1) in (1, -1) and attributes.get("p", 2) == 2
        return end.input[0] if last else None
    pairs = {"Div": [(0, 1)], "Mul": [(0, 1), (1, 0)]}.get(end.op_type, [])
    for value, length in pairs:
        root = end.input[value]
        seen = _operators_up_to(end.input[length], root, made)
        inverse = "Reciprocal" in seen if end.op_type == "Mul" else True
        if seen & REDUCTIONS and inverse:
            return root
    return None


def _operators_up_to(name: str, root: str, made: dict) -> set[str]:
    """Return the operators from ``root`` to the tensor ``name``; empty if others are among them."""
    operators, reached, stack = set(), False, [name]
    while stack:
        tensor = stack.pop()
        if tensor == root:
            reached = True
        elif tensor in made:
            operators.add(made[tensor].op_type)
            stack.extend(made[tensor].input)
        elif tensor == INPUT:
            return set()
    return operators if reached and operators <= NORM_PATH else set()
