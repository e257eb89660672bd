"""One RKNN context: a model on the NPU, fed with one picture at a time by one thread."""

from __future__ import annotations

import threading
import warnings
import weakref

import numpy as np

from edgeface.backends.fresh import FreshRuns
from edgeface.backends.rknn_abi import Library, Tensor
from edgeface.errors import InferenceError

UNWRITTEN = 0xFFFFFFFF
"""Bits that output buffers are filled with before each run: a NaN that no NPU computes."""


class Context:
    """A loaded model.

    An output is handed out only when it was written by this very run. The buffer it comes in
    is new for each run and filled with `UNWRITTEN` before. Should the NPU's memory still hold an
    earlier output, `edgeface.backends.fresh` finds that.

    Parameters
    ----------
    library
        Loaded; destroys the context when this object goes, with its thread at the latest.
    model
        The .rknn file.
    mask
        Which cores run it, one of `edgeface.backends.rknn_abi.CORE_MASKS`.
    name
        The stage's name, for error messages.
    """

    def __init__(self, library: Library, model: bytes, *, mask: int, name: str) -> None:
        self._library, self._name = library, name
        self._lock = threading.Lock()
        self.handle = library.init(model)
        self._destroy = weakref.finalize(self, _destroy_quietly, library, self.handle)
        self._shape: tuple[int, ...] = ()
        self._fresh = FreshRuns(name=name, update="librknnrt and the rknpu driver")
        try:
            if mask:
                library.set_cores(self.handle, mask)
            self.counts = library.counts(self.handle)
            self.input: Tensor = library.input(self.handle)
            self.output: Tensor = library.output(self.handle)
            self.versions = library.versions(self.handle)
        except InferenceError:
            self._destroy()
            raise

    def start(self) -> None:
        """Run pictures of noise: an NPU that computes tells them apart, and in order."""
        self._shape = self.output.shape[1:]
        self._fresh.start(self._once, (self.input.values,))

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """Run one picture, C-contiguous (H, W, 3) uint8; returns float32 of the output's shape."""
        with self._lock:
            if not self._destroy.alive:
                raise InferenceError(
                    f"{self._name}: the backend is closed", step=f"{self._name} run"
                )
            return self._fresh.run(self._once, pixels)

    def close(self) -> None:
        """Destroy the context; InferenceError where the library cannot."""
        with self._lock:
            if self._destroy.detach() and self._library.owned():
                self._library.destroy(self.handle)

    def abandon(self) -> None:
        """Destroy the context after an error, which is the one to tell about."""
        with self._lock:
            self._destroy()

    def _once(self, pixels: np.ndarray) -> np.ndarray:
        bits = np.full(self._shape, UNWRITTEN, np.uint32)
        self._library.set_input(self.handle, pixels.ctypes.data, pixels.nbytes)
        self._library.run(self.handle)
        output = self._library.get_output(self.handle, bits.ctypes.data, bits.nbytes)
        missing = int((bits == UNWRITTEN).sum())
        if output.data != bits.ctypes.data or output.bytes != bits.nbytes or missing:
            raise InferenceError(
                f"{self._name}: the NPU wrote {output.bytes} bytes and left {missing} of "
                f"{bits.size} values unwritten, expected {bits.nbytes} bytes; this result is not "
                "used: restart the board, and reinstall librknnrt if it stays so",
                step=f"{self._name} output",
            )
        return bits.view(np.float32)


def _destroy_quietly(library: Library, handle: int) -> None:
    if not library.owned():  # the parent process's, which frees it
        return
    try:
        library.destroy(handle)
    except InferenceError as error:
        warnings.warn(str(error), ResourceWarning, stacklevel=2)
