"""ONNX models on ONNX Runtime's CPU provider."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from edgeface import _native
from edgeface.backends.base import Backend
from edgeface.backends.finite import require_finite
from edgeface.errors import BackendUnavailableError, InferenceError


class OnnxBackend(Backend):
    """One ONNX model in one session. `run` may be called from several threads at once.

    Parameters
    ----------
    model_bytes
        The ONNX file's content.
    threads
        Threads of one inference, at least 1. They sleep between inferences rather than spin.
    name
        The stage's name, for error messages.

    Raises
    ------
    BackendUnavailableError
        onnxruntime is not installed.
    InferenceError
        onnxruntime refused the model.
    """

    def __init__(self, model_bytes: bytes, *, threads: int = 1, name: str = "model") -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, expected at least 1")
        runtime = _runtime()
        self._name = name
        self._errors = _runtime_errors()
        try:
            self._session: Any = runtime.InferenceSession(
                model_bytes, _options(runtime, threads), providers=["CPUExecutionProvider"]
            )
        except self._errors as error:
            raise InferenceError(
                f"{name}: onnxruntime {runtime.__version__} refused the model: "
                f"{_first_line(error)}; the bundle is damaged or made for a newer runtime",
                step=f"{name} load",
            ) from error
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        self._outputs = [entry.name for entry in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one inference.

        Parameters
        ----------
        inputs
            One array per model input, by name.

        Returns
        -------
        dict
            One array per model output, by name, owned by the caller.

        Raises
        ------
        ValueError
            Input names that are not the model's.
        InferenceError
            The backend is closed, the run failed, or an output holds NaN or Inf.
        """
        session = self._session
        if session is None:
            raise InferenceError(f"{self._name}: the backend is closed", step=f"{self._name} run")
        if sorted(inputs) != sorted(self._inputs):
            raise ValueError(f"{self._name}: inputs {sorted(inputs)}, expected {self._inputs}")
        try:
            values = session.run(self._outputs, dict(inputs))
        except self._errors as error:
            raise InferenceError(
                f"{self._name}: the run failed: {_first_line(error)}", step=f"{self._name} run"
            ) from error
        outputs = dict(zip(self._outputs, values))
        for output, value in outputs.items():
            require_finite(value, name=self._name, output=output)
        return outputs

    def close(self) -> None:
        """Free the session; a later `run` raises InferenceError."""
        self._session = None


def runtime_version() -> str | None:
    """Return onnxruntime's version, or None where it is not installed."""
    try:
        return str(_runtime().__version__)
    except BackendUnavailableError:
        return None


def _runtime() -> ModuleType:
    # Its Linux wheels send telemetry since 1.29 unless this is set before the import. A door never
    # does, whatever its environment says.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise BackendUnavailableError(
            f"onnxruntime cannot be imported ({error}); run: pip install onnxruntime"
        ) from error


def _runtime_errors() -> tuple[type[Exception], ...]:
    """Return onnxruntime's exception classes: they have no common base of their own."""
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    found = (getattr(state, name) for name in dir(state))
    return tuple(e for e in found if isinstance(e, type) and issubclass(e, Exception))


def _options(runtime: ModuleType, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; they also arrive as exceptions
    # Spinning threads steal the other cores of a small board between inferences.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _native.int8_sums_saturate():  # then by slower kernels, whose sums are exact
        options.add_session_config_entry("session.x64quantprecision", "1")
    # The detector's input shape changes with the photo: a plan per shape would never be freed.
    options.enable_mem_pattern = False
    return options


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
