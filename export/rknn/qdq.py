"""A network with our own ranges in it, as ONNX with QDQ nodes that the toolkit takes as they are.

Only Conv, MatMul and Gemm are quantised. Pairs inside a GELU or a LayerNormalization break the
toolkit's patterns: the pieces land on the CPU, or its compiler dies by SIGFPE or SIGSEGV.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from export.errors import ExportError

OPERATORS = ("Conv", "MatMul", "Gemm")
PERCENTILE = 99.99


class _Rows(CalibrationDataReader):
    def __init__(self, name: str, inputs: np.ndarray) -> None:
        self._rows: Iterator[dict] = ({name: row[None]} for row in inputs)

    def get_next(self) -> dict | None:
        return next(self._rows, None)


def write_qdq(model: Path, target: Path, *, inputs: np.ndarray) -> None:
    """Write the QDQ twin of a float model: int8 weights per channel, int8 activations per tensor.

    ``inputs`` is (N, 3, S, S) float32, fed one at a time.
    """
    name = onnx.load(str(model)).graph.input[0].name
    quantize_static(
        str(model),
        str(target),
        _Rows(name, inputs),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.Percentile,
        op_types_to_quantize=list(OPERATORS),
        extra_options={"CalibPercentile": PERCENTILE},
    )
    refuse_inner_pairs(onnx.load(str(target)), name=target.name)


def refuse_inner_pairs(model: onnx.ModelProto, *, name: str) -> None:
    """Raise ExportError when a pair is neither before nor after a Conv, MatMul or Gemm."""
    nodes = model.graph.node
    made_by = {output: node for node in nodes for output in node.output}
    used_by: dict[str, list[str]] = {}
    for node in nodes:
        for tensor in node.input:
            used_by.setdefault(tensor, []).append(node.op_type)
    strange = set()
    for pair in (node for node in nodes if node.op_type == "QuantizeLinear"):
        producer = made_by.get(pair.input[0])
        readers = [op for back in _readers(nodes, pair) for op in used_by.get(back.output[0], [])]
        before = producer is not None and producer.op_type in OPERATORS
        if not before and not set(readers) & set(OPERATORS):
            strange.add(producer.op_type if producer else "the input")
    if strange:
        raise ExportError(
            f"{name}: quantisers after {', '.join(sorted(strange))} that no {', '.join(OPERATORS)} "
            f"reads: quantise with op_types_to_quantize={list(OPERATORS)}"
        )


def _readers(nodes: Iterable[onnx.NodeProto], pair: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [node for node in nodes if pair.output[0] in node.input]
