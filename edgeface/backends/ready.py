"""Whether an inference runtime is here, without loading it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec

from edgeface.backends import rknn_abi, viplite_driver
from edgeface.backends.vendor import FOLDERS

_PACKAGES = {"onnx": ("onnxruntime",), "tflite": ("ai_edge_litert", "tflite_runtime")}
_LIBRARIES = {
    "rknn": (rknn_abi.VARIABLE, (rknn_abi.LIBRARY,)),
    "nbg": (viplite_driver.VARIABLE, viplite_driver.LIBRARIES),
}


def missing(runtime: str) -> str | None:
    """Say what a runtime lacks on this machine, or None where it seems to be here.

    Cheap: packages are looked up and libraries looked for, nothing is imported or loaded.

    Parameters
    ----------
    runtime
        "onnx", "tflite", "rknn" or "nbg".
    """
    if runtime in _PACKAGES:
        names = _PACKAGES[runtime]
        return None if any(map(_installed, names)) else f"{' or '.join(names)} is not installed"
    variable, names = _LIBRARIES[runtime]
    if find_library(runtime):
        return None
    chosen = os.environ.get(variable)
    if chosen:
        return f"{variable} names {chosen}, which is not there"
    return f"{' or '.join(names)} is in none of {', '.join(FOLDERS)}"


def find_library(runtime: str) -> str | None:
    """Return the file of an NPU's library ("rknn" or "nbg"), or None where there is none."""
    variable, names = _LIBRARIES[runtime]
    chosen = os.environ.get(variable)
    if chosen and "/" not in chosen:  # ld.so knows where
        return chosen
    places = [chosen] if chosen else [f"{folder}/{name}" for name in names for folder in _folders()]
    return next((place for place in places if os.path.isfile(place)), None)


def _folders() -> Sequence[str]:
    listed = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return (*filter(None, listed), *FOLDERS)


def _installed(package: str) -> bool:
    return find_spec(package) is not None
