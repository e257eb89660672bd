"""What a TFLite file holds: operators and their versions, by LiteRT's schema."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from export.errors import ExportError

IDENTIFIER = b"TFL3"
OPERATORS = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}

NEWEST_IN_2_14 = {
    "ABS": 5, "ADD": 5, "AVERAGE_POOL_2D": 3, "BATCH_MATMUL": 4, "CONCATENATION": 4, "CONV_2D": 7,
    "DEPTHWISE_CONV_2D": 7, "DEQUANTIZE": 5, "EXP": 2, "FULLY_CONNECTED": 10, "GELU": 2,
    "HARD_SWISH": 1, "L2_NORMALIZATION": 2, "LEAKY_RELU": 2, "LOGISTIC": 3, "MAXIMUM": 4,
    "MAX_POOL_2D": 3, "MEAN": 3, "MINIMUM": 4, "MUL": 7, "PAD": 4, "PRELU": 1, "QUANTIZE": 3,
    "RELU": 3, "RELU6": 3, "RESHAPE": 1, "RSQRT": 2, "SLICE": 6, "SOFTMAX": 3,
    "SQUARED_DIFFERENCE": 2, "STRIDED_SLICE": 8, "SUB": 5, "SUM": 2, "TANH": 3, "TRANSPOSE": 6,
}  # fmt: skip
"""Operator → newest version that tflite-runtime 2.14 has, found by running a file of each."""

INT8_NOT_IN_2_14 = {"DIV", "LOG", "NEG", "POW", "SQRT", "SQUARE"}


def read(data: bytes) -> schema.ModelT:
    """Parse a TFLite file.

    Raises
    ------
    ExportError
        It is none.
    """
    if data[4:8] != IDENTIFIER:
        raise ExportError(f"not a TFLite file: {data[4:8]!r} at byte 4, expected {IDENTIFIER!r}")
    return schema.ModelT.InitFromPackedBuf(data, 0)


def operators(data: bytes) -> dict[str, int]:
    """Return "NAME vVERSION TYPE" of all operators, each with how often it is there."""
    model = read(data)
    types = {v: k for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
    graph, found = model.subgraphs[0], {}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        kind = types[graph.tensors[operator.outputs[0]].type]
        key = f"{name} v{code.version} {kind}"
        found[key] = found.get(key, 0) + 1
    return dict(sorted(found.items()))


def beyond_2_14(found: dict[str, int]) -> list[str]:
    """Return the keys of `operators` that tflite-runtime 2.14 cannot run."""
    late = []
    for key in found:
        name, version, kind = key.split()
        known = NEWEST_IN_2_14.get(name, 0 if name not in INT8_NOT_IN_2_14 else 2)
        if int(version[1:]) > known or (kind == "INT8" and name in INT8_NOT_IN_2_14):
            late.append(key)
    return late
