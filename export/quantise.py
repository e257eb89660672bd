"""Static INT8 quantisation of an ONNX graph: QDQ form, measured ranges, any network.

Weights are signed with one scale per output channel and activations unsigned 8-bit with one scale
per tensor: the pair that ONNX Runtime runs fast on x86 and on ARM alike. Bits, percentile and what
stays float are a preset's (`export.presets`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
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
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.presets import PRESETS, USUAL, Preset

OPSETS = range(13, 20)  # per-channel scales need 13, RKNN refuses 20
NEWEST_IR = 10
METHODS = {"percentile": CalibrationMethod.Percentile, "minmax": CalibrationMethod.MinMax}


class _Batches(CalibrationDataReader):
    def __init__(self, name: str, batches: Iterable[np.ndarray | Mapping]) -> None:
        self._name, self._batches = name, iter(batches)

    def get_next(self):
        batch = next(self._batches, None)
        return {self._name: batch} if isinstance(batch, np.ndarray) else batch


def quantise(
    source,
    *,
    target,
    batches: Iterable[np.ndarray | Mapping],
    preset: Preset = PRESETS[USUAL],
    method: str = "percentile",
    keep_float: Sequence[str] = (),
    percentile: float | None = None,
    keep_relu: bool = False,
) -> None:
    """Write the INT8 twin of a float ONNX file.

    Parameters
    ----------
    source, target : path of the float file (opset 13 to 19) and of the file to write.
    batches : float32 network inputs of one shape, preprocessed as at run time; 64 images or more.
        For a network of several inputs, mappings of their names to such arrays.
    preset : bits, activations, percentile and what stays float.
    method : "percentile" or "minmax".
    keep_float : beginnings of the names of more nodes that stay in float, for instance a
        regression's last layer.
    percentile : in place of the preset's.
    keep_relu : keep Relu and Clip nodes that the ranges after them make superfluous.

    Raises
    ------
    ValueError
        Unknown method, a ``keep_float`` that no node's name begins with, or an opset out of range.
    """
    if method not in METHODS:
        raise ValueError(f"calibration method {method!r}, expected one of {sorted(METHODS)}")
    with tempfile.TemporaryDirectory() as folder:
        prepared = str(Path(folder) / "prepared.onnx")
        graph = prepare(source, prepared)
        quantize_static(
            prepared,
            str(target),
            _Batches(graph.input[0].name, batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=preset.weight_bits == 7,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QInt8 if preset.activations == "int8" else QuantType.QUInt8,
            calibrate_method=METHODS[method],
            nodes_to_exclude=_float_nodes(graph, preset, keep_float),
            extra_options={
                "CalibPercentile": percentile or preset.percentile,
                "ActivationSymmetric": preset.symmetric,
                "QDQKeepRemovableActivations": keep_relu,
            },
        )
    _finish(target)


def prepare(source, target) -> onnx.GraphProto:
    """Write the graph as it will be quantised, BatchNorm folded and every node named; return it.

    Raises
    ------
    ValueError
        The opset is out of range.
    """
    quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
    model = onnx.load(str(target))
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if opset not in OPSETS:
        raise ValueError(
            f"{source}: opset {opset}, expected {OPSETS.start} to {OPSETS.stop - 1}: export it "
            "with opset 17 or 18"
        )
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
    onnx.save(model, str(target))
    return model.graph


def _float_nodes(graph: onnx.GraphProto, preset: Preset, keep_float: Sequence[str]) -> list[str]:
    """Return the names of the nodes that stay in float."""
    kept = [name for prefix in keep_float for name in _nodes_named(graph, prefix)]
    preferred = [n.name for n in graph.node if n.name.startswith(preset.float_nodes)]
    return [*kept, *preferred, *_islands(graph, preset)]


def _islands(graph: onnx.GraphProto, preset: Preset) -> list[str]:
    kinds = set(preset.float_operators)
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
    """Check the file, drop what only tools read, and hold the IR to what old runtimes load."""
    model = onnx.load(str(path))
    model.ir_version = min(model.ir_version, NEWEST_IR)
    model.doc_string = ""
    _keep_sums_exact(model.graph)
    del model.graph.value_info[:]
    used = {node.domain for node in model.graph.node} | {""}
    for opset in [o for o in model.opset_import if o.domain not in used]:
        model.opset_import.remove(opset)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _keep_sums_exact(graph: onnx.GraphProto) -> None:
    """Make Sum of every Add that two quantised tensors feed.

    ONNX Runtime turns such an Add into its own 8-bit kernel, whose rounding differs between x86 and
    ARM in one number of 4 000; the layers after it make a cosine of 0.998 of that. It knows no such
    kernel for Sum, and adds in float32, which is the same everywhere: docs/decisions/0025.
    """
    dequantised = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    for node in graph.node:
        if node.op_type == "Add" and dequantised.issuperset(node.input):
            node.op_type = "Sum"


def described(preset: Preset) -> dict:
    """Return a preset as plain JSON, for an artefact's details."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(preset).items()}
