"""Which version of each operator a file asks for, and which runtime has it.

A runtime refuses a file that asks for a version it does not know, so these are the oldest that do
the work. Since when a runtime has them is in TensorFlow's
``lite/tools/versioning/runtime_version.cc``. All are in tflite-runtime 2.14.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Versions:
    """Operator versions for float32 and int8, and the first TensorFlow Lite release of the latter.

    ``options`` is the schema's options table without its "Options", "" where there is none.
    """

    float32: int
    int8: int
    since: str
    options: str


OPERATORS = {
    "ADD": Versions(1, 2, "1.14.0", "Add"),
    "BATCH_MATMUL": Versions(1, 2, "2.3.0", "BatchMatMul"),
    "CONV_2D": Versions(1, 3, "1.14.0", "Conv2D"),
    "DEPTHWISE_CONV_2D": Versions(1, 3, "1.14.0", "DepthwiseConv2D"),
    "FULLY_CONNECTED": Versions(5, 5, "2.0.0", "FullyConnected"),
    "GELU": Versions(1, 2, "2.9.0", "Gelu"),
    "LOGISTIC": Versions(1, 2, "1.14.0", ""),
    "MEAN": Versions(1, 2, "1.14.0", "Reducer"),
    "MUL": Versions(1, 2, "1.14.0", "Mul"),
    "RESHAPE": Versions(1, 1, "1.5.0", "Reshape"),
    "RSQRT": Versions(1, 2, "2.5.0", ""),
    "SOFTMAX": Versions(1, 2, "1.14.0", "Softmax"),
    "SQUARED_DIFFERENCE": Versions(1, 2, "2.5.0", "SquaredDifference"),
    "SUB": Versions(1, 2, "1.14.0", "Sub"),
    "TRANSPOSE": Versions(1, 2, "1.14.0", "Transpose"),
}

WEIGHT_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Operators with inputs (x, weight, bias), and the weight's axis of output channels."""

SAME_SCALE = frozenset({"RESHAPE", "TRANSPOSE"})
"""Their output has its input's scale and zero point: they only move bytes."""

SHARES = frozenset({"SOFTMAX", "LOGISTIC"})
"""The int8 kernels give multiples of 1/256 from zero point -128, whatever the file says."""


def oldest_runtime(kinds: set[str]) -> str:
    """Return the first TensorFlow Lite release that runs all these operators in int8."""
    return max((OPERATORS[kind].since for kind in kinds), key=_release)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
