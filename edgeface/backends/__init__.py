"""Inference backends, named by the file format they run. The vendor runtime loads on first use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeface.backends.base import Backend
from edgeface.errors import BackendUnavailableError

__all__ = ["Backend", "open_backend"]


def open_backend(
    stage: Mapping[str, Any], model_bytes: bytes, *, threads: int = 1, name: str = "model"
) -> Backend:
    """Open the backend that runs a bundle stage's file format.

    Parameters
    ----------
    stage
        One entry of the manifest's "stages", or an `edgeface.artefact.Artefact`'s `stage`; its
        "format" decides, and NPU backends check the file against the rest.
    model_bytes
        The artefact.
    threads
        CPU threads for one inference, at least 1.
    name
        The stage's name, for error messages.

    Raises
    ------
    BackendUnavailableError
        No backend for this format, or its runtime is not installed.
    InferenceError
        The runtime refused the model.
    """
    if stage["format"] == "onnx":
        from edgeface.backends.onnx import OnnxBackend

        return OnnxBackend(model_bytes, threads=threads, name=name)
    if stage["format"] == "tflite":
        from edgeface.backends.tflite import TfliteBackend

        return TfliteBackend(model_bytes, threads=threads, name=name)
    if stage["format"] == "rknn":
        from edgeface.backends.rknn import RknnBackend

        return RknnBackend(model_bytes, stage=stage, name=name)
    if stage["format"] == "nbg":
        from edgeface.backends.viplite import VipliteBackend

        return VipliteBackend(model_bytes, stage=stage, name=name)
    raise BackendUnavailableError(
        f"{name}: no backend for format {stage['format']!r}, this version runs 'onnx', "
        "'tflite', 'rknn' and 'nbg'; use a bundle made for this board"
    )
