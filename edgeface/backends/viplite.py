"""Networks of the T527's NPU (.nb files) on VIPLite: pixels in, real numbers out."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeface.backends.base import Backend
from edgeface.backends.finite import require_finite
from edgeface.backends.fresh import FreshRuns
from edgeface.backends.nbg_file import DamagedFileError, NbgHeader, read_header
from edgeface.backends.vendor import require_versions
from edgeface.backends.viplite_buffer import Buffer
from edgeface.backends.viplite_driver import Driver, load_driver
from edgeface.backends.viplite_network import Network
from edgeface.errors import BackendUnavailableError, EdgeFaceError, InferenceError

TIME_OUT_VARIABLE = "EDGEFACE_NPU_TIMEOUT_MS"
TIME_OUT_MS = 2000  # a run takes some 15 ms; a door should not stand still much longer than this
GREY_LEVEL = 1.0  # what storing a pixel may change it by


class VipliteBackend(Backend):
    """One .nb file on the NPU, of one picture at a time. Threads that call `run` take turns.

    Parameters
    ----------
    model_bytes
        The file's content.
    stage
        `edgeface.artefact.Artefact.stage`: the input, the output's name, the chip, and the oldest
        VIPLite that may run it.
    name
        The stage's name, for error messages.

    Raises
    ------
    BackendUnavailableError
        No VIPLite or no NPU, or they are too old, or of another chip than the file.
    InferenceError
        Not an .nb file, VIPLite refused it, or it is not what the manifest says.
    """

    def __init__(
        self, model_bytes: bytes, *, stage: Mapping[str, Any], name: str = "model"
    ) -> None:
        self._name = name
        self._input, self._size = stage["input"]["name"], _picture(stage["input"], name)
        self._output = stage["outputs"][0]
        header = _checked_header(model_bytes, stage.get("chip"), name)
        time_out_ms = _time_out_ms()
        driver = load_driver()
        require_versions(
            stage.get("needs") or {},
            {"viplite": driver.version},
            name=name,
            upgrade="upgrade the board's VIPLite and its kernel driver, which go together",
        )
        driver.open()
        try:
            _require_chip(driver, header, name)
        except EdgeFaceError:
            driver.close()
            raise
        self._lock = threading.Lock()
        self._network = Network(driver, model_bytes, time_out_ms=time_out_ms, name=name)
        self._freed = weakref.finalize(self, self._network.close)  # where nobody closes it
        try:
            self._table = _pixel_table(self._network.input, self._size, name)
            _require_real(self._network.output, name)
            self._fresh = FreshRuns(name=name, update="VIPLite and its kernel driver")
            self._fresh.start(self._once, self._size)
        except InferenceError:
            self.close()
            raise

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one inference for each picture.

        Parameters
        ----------
        inputs
            The input's name: (N, H, W, 3) uint8, in the manifest's colour order; N may be 0.

        Returns
        -------
        dict
            The output's name: (N, …) float32, owned by the caller.

        Raises
        ------
        ValueError, TypeError
            Names, shapes or dtypes that are not the model's; the NPU is not asked.
        InferenceError
            The backend is closed, a step failed or timed out, or the output holds NaN or Inf,
            was not written, or is an earlier one.
        """
        pixels = self._checked(inputs)
        shape = self._network.output.shape[1:] or (1,)
        found = np.empty((len(pixels), *shape), np.float32)
        with self._lock:
            for row, picture in enumerate(pixels):
                found[row] = self._fresh.run(self._once, picture)
        require_finite(found, name=self._name, output=self._output)
        return {self._output: found}

    def close(self) -> None:
        """Free the network; a later `run` raises InferenceError."""
        self._freed()

    def _once(self, picture: np.ndarray) -> np.ndarray:
        # An index's result may keep the index's order of axes in memory.
        return self._network.run(np.ascontiguousarray(self._table[picture]))[0]

    def _checked(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        if list(inputs) != [self._input]:
            raise ValueError(f"{self._name}: inputs {sorted(inputs)}, expected [{self._input!r}]")
        pixels = inputs[self._input]
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            found = getattr(pixels, "dtype", type(pixels).__name__)
            raise TypeError(f"{self._name}: input {self._input!r} is {found}, expected uint8")
        if pixels.ndim != 4 or pixels.shape[1:] != self._size:
            raise ValueError(
                f"{self._name}: input {self._input!r} has shape {pixels.shape}, expected "
                f"{('N', *self._size)}: pictures with their channels last"
            )
        return pixels


def runtime_version() -> str | None:
    """Return VIPLite's version, such as "VIPLite 1.13.0", or None where there is none."""
    try:
        return f"VIPLite {load_driver().version}"
    except BackendUnavailableError:
        return None


def _picture(spec: Mapping[str, Any], name: str) -> tuple[int, int, int]:
    if (spec["layout"], spec["dtype"]) != ("NHWC", "uint8"):
        raise InferenceError(
            f"{name}: the manifest's input is {spec['dtype']} {spec['layout']}, expected uint8 "
            "NHWC: an .nb file takes pixels; pack the bundle again",
            step=f"{name} load",
        )
    return spec["height"], spec["width"], 3


def _time_out_ms() -> int:
    text = os.environ.get(TIME_OUT_VARIABLE, str(TIME_OUT_MS))
    if not text.isascii() or not text.isdigit() or int(text) >= 2**31:
        raise BackendUnavailableError(
            f"{TIME_OUT_VARIABLE} is {text!r}, expected milliseconds, or 0 for the driver's own "
            "limit: correct or unset it"
        )
    return int(text)


def _checked_header(model_bytes: bytes, chip: str | None, name: str) -> NbgHeader:
    """Return the file's header, which must name the manifest's chip."""
    try:
        header = read_header(model_bytes)
    except DamagedFileError as error:
        raise InferenceError(
            f"{name}: refused the model: {error}; pack the bundle again", step=f"{name} load"
        ) from error
    if chip is not None and header.chip_text != chip:
        raise InferenceError(
            f"{name}: the file is for {header.board} ({header.chip_text}), the manifest says chip "
            f"{chip}: pack the bundle again",
            step=f"{name} load",
        )
    return header


def _require_chip(driver: Driver, header: NbgHeader, name: str) -> None:
    found = driver.chip(name=name)
    if found != header.chip:
        raise BackendUnavailableError(
            f"{name}: the file is for {header.board} ({header.chip_text}), this board's NPU is "
            f"0x{found:08x}: use a bundle made for this board"
        )


def _pixel_table(buffer: Buffer, size: tuple[int, int, int], name: str) -> np.ndarray:
    """Return how the input stores each of the 256 pixel values.

    ACUITY's pixel input may call a row of pixels (W, 3) or one axis of 3·W: the same bytes.
    """
    height, width, channels = size
    axes = tuple(side for side in buffer.shape if side != 1)
    if axes not in (size, (height, width * channels)):
        raise InferenceError(
            f"{name}: the file's input has shape {buffer.shape}, expected {(1, *size)}, channels "
            "last: export it with add_preproc_node true, as the kit's inputmeta.yml says",
            step=f"{name} load",
        )
    pixels = np.arange(256, dtype=np.float32)
    table = buffer.encoding.stored(pixels)
    error = float(np.abs(buffer.encoding.real(table) - pixels).max())
    if error > GREY_LEVEL:
        raise InferenceError(
            f"{name}: the file's input ({buffer.encoding.dtype}, scale {buffer.encoding.scale:g}, "
            f"zero point {buffer.encoding.zero_point}) cannot hold pixels of 0 to 255: export it "
            "with add_preproc_node true, as the kit's inputmeta.yml says",
            step=f"{name} load",
        )
    return table


def _require_real(buffer: Buffer, name: str) -> None:
    """An output of integers needs a scale, and its first axis is the picture."""
    if buffer.encoding.dtype.kind != "f" and not buffer.quantised:
        raise InferenceError(
            f"{name}: the file's output is {buffer.encoding.dtype} without a scale, which nobody "
            "can turn into numbers: export it again",
            step=f"{name} load",
        )
    if buffer.shape[0] != 1:
        raise InferenceError(
            f"{name}: the file's output has shape {buffer.shape}, expected one picture's, "
            "(1, …): pack the bundle again",
            step=f"{name} load",
        )
