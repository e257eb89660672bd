"""TFLite models on ai-edge-litert, or on tflite-runtime where that is what a board has.

Full-integer files are float32 outside: inputs are quantised and outputs dequantised here, by the
scale and zero point that the file itself states.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from edgeface.backends.base import Backend
from edgeface.backends.finite import require_finite
from edgeface.backends.quantised import Encoding
from edgeface.backends.tflite_file import DamagedFileError, check_file
from edgeface.errors import BackendUnavailableError, InferenceError

RUNTIMES = ("ai_edge_litert", "tflite_runtime")
INSTALL = "pip install 'edgeface[litert]' (NumPy 2), or 'edgeface[tflite]' (NumPy 1.26)"
_ERRORS = (ValueError, RuntimeError)  # what the runtimes raise; they have no classes of their own


class TfliteBackend(Backend):
    """One TFLite model, of batch size one. Threads that call `run` take turns.

    Parameters
    ----------
    model_bytes
        The file's content.
    threads
        Threads of one inference, at least 1. tflite-runtime's spin when they wait: on a busy
        board one is faster than two.
    name
        The stage's name, for error messages.

    Raises
    ------
    BackendUnavailableError
        Neither runtime is installed, or tflite-runtime with a NumPy that it cannot use.
    InferenceError
        Not a TFLite file, the runtime refused it, or its inputs and outputs are of a kind that
        this backend does not feed.
    """

    def __init__(self, model_bytes: bytes, *, threads: int = 1, name: str = "model") -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, expected at least 1")
        runtime = _runtime()
        self._name = name
        self._lock = threading.Lock()
        loaded = _loaded(runtime, model_bytes, threads=threads, name=name)
        self._interpreter: Any = loaded[0]
        self._inputs, self._outputs = (_ports(details, name) for details in loaded[1:])

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one inference for each row.

        Parameters
        ----------
        inputs
            One float32 array (N, …) per model input, by name; N may be 0.

        Returns
        -------
        dict
            One float32 array (N, …) per model output, by name, owned by the caller.

        Raises
        ------
        ValueError, TypeError
            Names, shapes or dtypes that are not the model's.
        InferenceError
            The backend is closed, the run failed, or an input or output holds NaN or Inf.
        """
        rows = self._checked(inputs)
        with self._lock:
            if self._interpreter is None:
                raise InferenceError(
                    f"{self._name}: the backend is closed", step=f"{self._name} run"
                )
            results = [self._one({name: x[i] for name, x in inputs.items()}) for i in range(rows)]
        outputs = {
            port.name: np.stack([result[port.name] for result in results])
            if results
            else np.empty((0, *port.shape), np.float32)
            for port in self._outputs
        }
        for output, value in outputs.items():
            require_finite(value, name=self._name, output=output)
        return outputs

    def close(self) -> None:
        """Free the model; a later `run` raises InferenceError."""
        with self._lock:
            self._interpreter = None

    def _one(self, row: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            for port in self._inputs:
                self._interpreter.set_tensor(port.index, port.encoding.stored(row[port.name])[None])
            self._interpreter.invoke()
            found = [self._interpreter.get_tensor(port.index)[0] for port in self._outputs]
        except _ERRORS as error:
            raise InferenceError(
                f"{self._name}: the run failed: {_first_line(error)}", step=f"{self._name} run"
            ) from error
        return {port.name: port.encoding.real(value) for port, value in zip(self._outputs, found)}

    def _checked(self, inputs: Mapping[str, np.ndarray]) -> int:
        """Return the number of rows, which every input must have."""
        names = [port.name for port in self._inputs]
        if sorted(inputs) != sorted(names):
            raise ValueError(f"{self._name}: inputs {sorted(inputs)}, expected {names}")
        rows = len(inputs[names[0]])
        for port in self._inputs:
            value = inputs[port.name]
            if value.dtype != np.float32:
                raise TypeError(
                    f"{self._name}: input {port.name!r} is {value.dtype}, expected float32"
                )
            if value.shape != (rows, *port.shape):
                raise ValueError(
                    f"{self._name}: input {port.name!r} has shape {value.shape}, expected "
                    f'{(rows, *port.shape)}; the manifest\'s "layout" says the order of the axes'
                )
            require_finite(value, name=self._name, output=port.name, side="input")
        return rows


@dataclass(frozen=True)
class _Port:
    """An input or output of one row."""

    name: str
    index: int
    shape: tuple[int, ...]
    encoding: Encoding


def runtime_version() -> str | None:
    """Return name and version of the runtime that is used, or None where none can be."""
    try:
        name = _runtime().__name__.partition(".")[0].replace("_", "-")
        return f"{name} {metadata.version(name)}"
    except (BackendUnavailableError, metadata.PackageNotFoundError):
        return None


def _runtime() -> Any:
    """Return the interpreter module of the first runtime that is installed.

    tflite-runtime is compiled against NumPy 1, but its metadata lets pip install it beside
    NumPy 2, where its first use fails with a SystemError.
    """
    problems = []
    for package in RUNTIMES:
        try:
            found = importlib.import_module(f"{package}.interpreter")
        except ImportError as error:
            problems.append(f"{package}: {error}")
            continue
        if package == "tflite_runtime" and int(np.__version__.split(".")[0]) >= 2:
            raise BackendUnavailableError(
                f"tflite-runtime cannot use NumPy {np.__version__}, it needs 1.26: "
                "pip install 'edgeface[tflite]', or 'edgeface[litert]' to keep NumPy 2"
            )
        return found
    raise BackendUnavailableError(f"no TFLite runtime ({'; '.join(problems)}); run: {INSTALL}")


def _loaded(runtime: Any, model_bytes: bytes, *, threads: int, name: str) -> tuple[Any, Any, Any]:
    """Return the interpreter, and what it says of its inputs and outputs."""
    try:
        check_file(model_bytes)
    except DamagedFileError as error:
        raise InferenceError(
            f"{name}: refused the model: this is no TFLite file: {error}; pack the bundle again",
            step=f"{name} load",
        ) from error
    try:
        interpreter = runtime.Interpreter(model_content=model_bytes, num_threads=threads)
        interpreter.allocate_tensors()
        return interpreter, interpreter.get_input_details(), interpreter.get_output_details()
    except _ERRORS as error:
        raise InferenceError(
            f"{name}: {runtime_version()} refused the model: {_first_line(error)}; the bundle is "
            "damaged or made for a newer runtime",
            step=f"{name} load",
        ) from error


def _ports(details: Sequence[Mapping[str, Any]], name: str) -> list[_Port]:
    ports = []
    for entry in details:
        shape = tuple(int(side) for side in entry["shape"])
        dtype = np.dtype(entry["dtype"])
        scale, zero_point = entry["quantization"]
        quantised = dtype in (np.int8, np.uint8) and scale > 0
        if shape[:1] != (1,) or not (dtype == np.float32 or quantised):
            raise InferenceError(
                f"{name}: {entry['name']!r} is {dtype} {shape} of scale {scale}; expected a batch "
                "of one, in float32 or in 8 bits with one scale",
                step=f"{name} load",
            )
        encoding = Encoding(dtype, np.float32(scale), int(zero_point))
        ports.append(_Port(entry["name"], entry["index"], shape[1:], encoding))
    return ports


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
