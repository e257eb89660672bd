"""Static INT8 quantisation of an ONNX graph: QDQ form, measured ranges, any network.

Weights are signed 8-bit with one scale per output channel and activations unsigned 8-bit with one
scale per tensor: the pair that ONNX Runtime runs fast on x86 and on ARM alike. Weights use 7 of
their 8 bits, because x86 without VNNI adds two products in 16 bits and saturates: with 8 bits the
same file gave cosine 0.995 to the float model there and 0.9996 elsewhere; with 7 bits 0.9992 on
both (docs/decisions/0002).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

PERCENTILE = 99.999
"""Share of the calibration values that a range holds: the best robust choice measured."""

NEWEST_IR = 10


class _Batches(CalibrationDataReader):
    def __init__(self, name: str, batches: Iterable[np.ndarray]) -> None:
        self._name, self._batches = name, iter(batches)

    def get_next(self):
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def quantise(
    source,
    *,
    target,
    batches: Iterable[np.ndarray],
    method: str = "percentile",
    keep_float: Sequence[str] = (),
    percentile: float = PERCENTILE,
) -> None:
    """Write the INT8 twin of a float ONNX file.

    Parameters
    ----------
    source, target : path of the float file (opset 17 or 18) and of the file to write.
    batches : float32 network inputs of one shape, preprocessed as at run time; 64 images or more.
    method : "percentile" or "minmax".
    keep_float : beginnings of the names of nodes that stay in float, for instance a regression's
        last layer.
    percentile : share of the calibration values that a range holds, per cent.

    Raises
    ------
    ValueError
        Unknown method, or a ``keep_float`` that no node's name begins with.
    """
    methods = {"percentile": CalibrationMethod.Percentile, "minmax": CalibrationMethod.MinMax}
    if method not in methods:
        raise ValueError(f"calibration method {method!r}, expected one of {sorted(methods)}")
    with tempfile.TemporaryDirectory() as folder:
        prepared = str(Path(folder) / "prepared.onnx")
        quant_pre_process(str(source), prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        kept = [name for prefix in keep_float for name in _nodes_named(graph, prefix)]
        quantize_static(
            prepared,
            str(target),
            _Batches(graph.input[0].name, batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            calibrate_method=methods[method],
            nodes_to_exclude=[*kept, *_float_islands(graph)],
            extra_options={"CalibPercentile": percentile},
        )
    _finish(target)


def _float_islands(graph: onnx.GraphProto) -> list[str]:
    """LayerNormalization and the parts of a tanh-GELU, which ONNX Runtime computes in float anyway.

    GELU's cube spans thousands where its result spans tens: 25 dB in 8 bits, the worst of all.
    """
    kinds = {"LayerNormalization", "Mul", "Pow", "Tanh"}
    inside = {name for node in graph.node if node.op_type in kinds for name in node.output}
    return [
        node.name
        for node in graph.node
        if node.op_type in kinds or (node.op_type == "Add" and inside.intersection(node.input))
    ]


def _nodes_named(graph: onnx.GraphProto, prefix: str) -> list[str]:
    known = [node.name for node in graph.node]
    found = [name for name in known if name.startswith(prefix)]
    if not found:
        raise ValueError(f"no node's name begins with {prefix!r}; the graph has {sorted(known)}")
    return found


def _finish(path) -> None:
    """Check the file, drop the tool's notes, and hold the IR version to what old runtimes load."""
    model = onnx.load(str(path))
    model.ir_version = min(model.ir_version, NEWEST_IR)
    model.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
