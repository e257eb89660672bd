"""Tiny real ONNX networks whose answers are known by heart."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="pip install onnx")


def network(nodes: list, *, inputs: dict[str, list], outputs: list[str], **constants) -> bytes:
    """Build a float32 network.

    `nodes` are (operator, input names, output name) or with attributes as a fourth entry.
    """
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = [
        helper.make_node(op, ins, [out], **(more[0] if more else {}))
        for op, ins, out, *more in nodes
    ]
    graph = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def channel_means() -> bytes:
    """Give "embedding" (N, 3): each channel's mean of "image" (N, 3, H, W)."""
    return network(
        [("ReduceMean", ["image"], "embedding", {"axes": [2, 3], "keepdims": 0})],
        inputs={"image": ["n", 3, "h", "w"]},
        outputs=["embedding"],
    )


def constant_embedding(values: np.ndarray) -> bytes:
    """Give "embedding" (N, D): `values` for every "image" (N, 3, H, W)."""
    row = np.asarray(values, np.float32)[None]
    return network(
        [
            ("ReduceMean", ["image"], "mean", {"axes": [1, 2, 3], "keepdims": 0}),
            ("Mul", ["mean", "nought"], "zero"),
            ("Unsqueeze", ["zero", "axis"], "column"),
            ("Add", ["column", "row"], "embedding"),
        ],
        inputs={"image": ["n", 3, "h", "w"]},
        outputs=["embedding"],
        nought=np.float32(0),
        axis=np.array([1], np.int64),
        row=row,
    )


def logarithm() -> bytes:
    """Give "y" = log("x"): NaN for negative numbers, -Inf for zero."""
    return network([("Log", ["x"], "y")], inputs={"x": ["n"]}, outputs=["y"])
