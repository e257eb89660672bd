"""QDQ models for the toolkit: quantisers around Conv, MatMul and Gemm, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.errors import ExportError
from export.rknn.qdq import refuse_inner_pairs, write_qdq
from export.static_graph import write_static


def test_only_conv_matmul_and_gemm_get_quantisers(source, tmp_path: Path) -> None:
    write_static(source, tmp_path / "float.onnx", variant="whole")
    inputs = np.random.default_rng(0).uniform(-1, 1, (4, 3, 112, 112)).astype(np.float32)
    write_qdq(tmp_path / "float.onnx", tmp_path / "qdq.onnx", inputs=inputs)
    graph = onnx.load(str(tmp_path / "qdq.onnx")).graph
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    quantised = {made_by.get(n.input[0]) for n in graph.node if n.op_type == "QuantizeLinear"}
    assert {"Conv", "MatMul", "Gemm"} <= quantised
    assert not quantised & {"Tanh", "Pow"}


def pair_after(operator: str, reader: str) -> onnx.ModelProto:
    """image → operator → Q → DQ → reader."""
    nodes = [
        helper.make_node(operator, ["image"], ["a"]),
        helper.make_node("QuantizeLinear", ["a", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node(reader, ["d"] if reader != "Conv" else ["d", "weight"], ["out"]),
    ]
    weights = {
        "scale": np.float32(0.1),
        "zero": np.int8(0),
        "weight": np.ones((3, 3, 1, 1), np.float32),
    }
    shape = [1, 3, 8, 8]
    graph = helper.make_graph(
        nodes,
        "pair",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_pair_before_a_convolution_is_taken() -> None:
    refuse_inner_pairs(pair_after("Tanh", "Conv"), name="model")


def test_a_pair_inside_a_gelu_is_refused_with_the_fix() -> None:
    with pytest.raises(ExportError, match=r"quantisers after Erf .*op_types_to_quantize"):
        refuse_inner_pairs(pair_after("Erf", "Tanh"), name="model")
