"""A graph as the bytes of a ``.tflite`` file, float32 or int8, by LiteRT's published schema.

The same graph and scales give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.tflite.graph import Graph, Op, Tensor
from export.tflite.operators import OPERATORS, oldest_runtime
from export.tflite.quantise import Quantisation

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
ALIGNMENT = 16  # of constants: NEON and XNNPACK read them in place
CODES_OF_ONE_BYTE = 127  # larger ones are in the newer field only
RUNTIME_VERSION = "min_runtime_version"  # the name and the 16 bytes that TensorFlow uses
DTYPES = {"float32": "FLOAT32", "int32": "INT32", "int8": "INT8"}


def written(graph: Graph, quantisation: Mapping[str, Quantisation] | None = None) -> bytes:
    """Return the file: int8 with a quantisation of every float tensor, float32 without one."""
    return _Writer(graph, quantisation or {}).file()


class _Buffer(schema.BufferT):
    """A buffer whose bytes are aligned in the file: the generated packer leaves them anywhere."""

    def Pack(self, builder: flatbuffers.Builder) -> int:
        if self.data is None:
            return super().Pack(builder)
        data = self.data.tobytes()
        builder.StartVector(1, len(data), ALIGNMENT)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


class _Builder(flatbuffers.Builder):
    """Remembers where the zero points of one file are."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self.zero_points: dict[bytes, int] = {}


class _QuantisationTable(schema.QuantizationParametersT):
    """Scales and zero points; equal zero points are in the file once.

    There are two vectors of eight-byte zeros for each filter. A tenth of the file was those.
    """

    def Pack(self, builder: _Builder) -> int:
        scale = builder.CreateNumpyVector(self.scale)
        key = self.zeroPoint.tobytes()
        if key not in builder.zero_points:
            builder.zero_points[key] = builder.CreateNumpyVector(self.zeroPoint)
        schema.QuantizationParametersStart(builder)
        schema.QuantizationParametersAddScale(builder, scale)
        schema.QuantizationParametersAddZeroPoint(builder, builder.zero_points[key])
        schema.QuantizationParametersAddQuantizedDimension(builder, self.quantizedDimension)
        return schema.QuantizationParametersEnd(builder)


class _Writer:
    def __init__(self, graph: Graph, quantisation: Mapping[str, Quantisation]) -> None:
        self._graph = graph
        self._quantisation = quantisation
        self._buffers = [_Buffer()]  # the first one is empty by definition
        self._index = {name: i for i, name in enumerate(graph.tensors)}
        self._kinds = sorted({op.kind for op in graph.ops})

    def file(self) -> bytes:
        """Pack everything."""
        subgraph = schema.SubGraphT()
        subgraph.name = "main"
        subgraph.tensors = [self._tensor(tensor) for tensor in self._graph.tensors.values()]
        subgraph.operators = [self._operator(op) for op in self._graph.ops]
        subgraph.inputs = self._indices(self._graph.inputs)
        subgraph.outputs = self._indices(self._graph.outputs)
        model = schema.ModelT()
        model.version = SCHEMA_VERSION
        model.description = "edgeface"
        model.subgraphs = [subgraph]
        model.operatorCodes = [self._code(kind) for kind in self._kinds]
        model.metadata = [self._oldest_runtime()]
        model.buffers = self._buffers
        builder = _Builder()
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(self, tensor: Tensor) -> Any:
        quantisation = self._quantisation.get(tensor.name)
        out = schema.TensorT()
        out.name = tensor.name
        out.shape = np.int32(tensor.shape)
        dtype = "int32" if tensor.is_index else quantisation.dtype if quantisation else "float32"
        out.type = getattr(schema.TensorType, DTYPES[dtype])
        out.buffer = 0
        out.hasRank = True
        if quantisation:
            out.quantization = _quantisation_table(quantisation)
        if tensor.data is not None:
            data = quantisation.quantised(tensor.data) if quantisation else tensor.data
            out.buffer = self._buffer(data)
        return out

    def _buffer(self, data: np.ndarray) -> int:
        buffer = _Buffer()
        buffer.data = data.astype(data.dtype.newbyteorder("<"))
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def _code(self, kind: str) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, CODES_OF_ONE_BYTE)
        versions = OPERATORS[kind]
        code.version = versions.int8 if self._quantisation else versions.float32
        return code

    def _operator(self, op: Op) -> Any:
        out = schema.OperatorT()
        out.opcodeIndex = self._kinds.index(op.kind)
        out.inputs = self._indices(op.inputs)
        out.outputs = self._indices([op.output])
        name = OPERATORS[op.kind].options
        if name:
            out.builtinOptionsType = getattr(schema.BuiltinOptions, f"{name}Options")
            out.builtinOptions = getattr(schema, f"{name}OptionsT")()
            for field, value in op.options.items():
                if not hasattr(out.builtinOptions, field):
                    raise ValueError(f"{op.output}: {op.kind} has no option {field!r}")
                setattr(out.builtinOptions, field, value)
        return out

    def _oldest_runtime(self) -> Any:
        text = oldest_runtime(set(self._kinds)).encode().ljust(16, b"\0")
        entry = schema.MetadataT()
        entry.name = RUNTIME_VERSION
        entry.buffer = self._buffer(np.frombuffer(text, np.uint8))
        return entry

    def _indices(self, names: Any) -> np.ndarray:
        return np.int32([self._index[name] for name in names])


def _quantisation_table(quantisation: Quantisation) -> _QuantisationTable:
    table = _QuantisationTable()
    table.scale = np.float32(quantisation.scale)
    table.zeroPoint = np.int64(quantisation.zero_point)
    table.quantizedDimension = quantisation.axis
    return table
