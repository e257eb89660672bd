"""Python, packages, native code, telemetry."""

from __future__ import annotations

import os
import platform
import sys

import cv2
import numpy as np

import edgeface
from edgeface import _native
from edgeface.backends import onnx, tflite
from edgeface.doctor.finding import FAIL, OK, WARN, Finding

_OLDEST, _NEWEST = (3, 9), (3, 13)


def check_python() -> Finding:
    """Say which Python runs, and whether it is one that we test."""
    text = f"{platform.python_version()}, edgeface {edgeface.__version__}"
    if _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return Finding("Python", OK, text)
    return Finding("Python", WARN, text, "tested are 3.9 to 3.13: use one of these")


def check_packages() -> Finding:
    """Say which runtimes are installed; onnxruntime runs the detector and must be."""
    versions = {
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "onnxruntime": onnx.runtime_version(),
        "tflite": tflite.runtime_version(),
    }
    text = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    if versions["onnxruntime"] is None:
        return Finding("packages", FAIL, text, "run: pip install onnxruntime")
    return Finding("packages", OK, text)


def check_native() -> Finding:
    """Say which instructions the native core uses, and whether this CPU could do better."""
    active, supported = _native.active_isa(), list(_native.supported_isas())
    text = f"{active} (this CPU runs {', '.join(supported)})"
    if active == supported[0]:
        return Finding("native code", OK, text)
    return Finding("native code", WARN, text, "unset EDGEFACE_ISA to use the fastest")


def check_telemetry() -> Finding:
    """Say whether onnxruntime may phone home; loading our backend switches that off."""
    onnx.runtime_version()
    if os.environ.get("ORT_DISABLE_TELEMETRY") == "1":
        return Finding("telemetry", OK, "onnxruntime's is off")
    return Finding("telemetry", FAIL, "onnxruntime's is on", "export ORT_DISABLE_TELEMETRY=1")
