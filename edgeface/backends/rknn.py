"""RKNN models on Rockchip's NPU, through its librknnrt.so."""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeface.backends.base import Backend
from edgeface.backends.finite import require_finite
from edgeface.backends.npu import board_root, find_rknpu
from edgeface.backends.rknn_abi import CORE_MASKS, NHWC, Library
from edgeface.backends.rknn_context import Context
from edgeface.backends.rknn_file import DamagedRknnError, read_header
from edgeface.backends.vendor import require_versions
from edgeface.errors import BackendUnavailableError, InferenceError

CORES_VARIABLE = "EDGEFACE_RKNN_CORES"
UPGRADE = "update the board's image (kernel driver rknpu), and librknnrt.so to the same release"


class RknnBackend(Backend):
    """One RKNN model of one input and one output. `run` may be called from several threads at once.

    Each thread has a context of its own on the NPU; it goes when the thread ends, and all go on
    `close`. Rows of a batch run one after the other.

    Parameters
    ----------
    model_bytes
        The .rknn file's content.
    stage
        `edgeface.artefact.Artefact.stage`: input (uint8, NHWC), outputs and needs.
    name
        The stage's name, for error messages.

    Raises
    ------
    BackendUnavailableError
        No NPU, no driver, no library, or one of them is older than the bundle needs;
        EDGEFACE_RKNN_CORES is none of auto, 0, 1, 0_1.
    InferenceError
        Damaged file, one for another chip, one that is not what the manifest says, or the library
        refused it.
    """

    def __init__(
        self, model_bytes: bytes, *, stage: Mapping[str, Any], name: str = "model"
    ) -> None:
        self._name, self._model = name, model_bytes
        spec = stage["input"]
        self._input, self._output = spec["name"], stage["outputs"][0]
        self._picture = (spec["height"], spec["width"], 3)
        self._needs = stage.get("needs") or {}
        self._mask = _core_mask()
        self._require_pixels(spec)
        self._require_npu()
        self._require_target()
        self._library = Library(name=name)
        self._lock = threading.Lock()
        self._contexts: weakref.WeakSet[Context] = weakref.WeakSet()
        self._own = threading.local()
        self._closed = False
        self._shape = self._context().output.shape[1:]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one inference for each row.

        Parameters
        ----------
        inputs
            The model's input by name: (N, height, width, 3) uint8, N may be 0.

        Returns
        -------
        dict
            The output by name: (N, …) float32, owned by the caller.

        Raises
        ------
        ValueError, TypeError
            Not such an input.
        InferenceError
            The backend is closed, a call to the NPU failed, or the output is stale, not wholly
            written, or holds NaN or Inf. The context is destroyed then; the next call makes one.
        """
        self._require_open()
        rows = self._checked(inputs)
        found = np.empty((len(rows), *self._shape), np.float32)
        context = self._context()
        sound = False
        try:
            for index, row in enumerate(rows):
                found[index] = context.run(row)
            require_finite(found, name=self._name, output=self._output)
            sound = True
        finally:
            if not sound:  # whatever ended it, nobody knows what the NPU's memory holds now
                self._drop(context)
        return {self._output: found}

    def close(self) -> None:
        """Destroy every thread's context; a later `run` raises InferenceError."""
        with self._lock:
            self._closed = True
            contexts = list(self._contexts)
            self._contexts.clear()
        errors = []
        for context in contexts:
            try:
                context.close()
            except InferenceError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _context(self) -> Context:
        """Return this thread's context, made on its first call."""
        context = getattr(self._own, "context", None)
        if context is None:
            self._require_open()
            context = Context(self._library, self._model, mask=self._mask, name=self._name)
            try:
                self._require_model(context)
                context.start()
                self._keep(context)
            except (InferenceError, BackendUnavailableError):
                context.abandon()
                raise
            self._own.context = context
        return context

    def _keep(self, context: Context) -> None:
        with self._lock:
            self._require_open()  # it may have been closed meanwhile
            self._contexts.add(context)

    def _drop(self, context: Context) -> None:
        context.abandon()
        self._own.context = None
        with self._lock:
            self._contexts.discard(context)

    def _require_open(self) -> None:
        if self._closed:
            raise InferenceError(f"{self._name}: the backend is closed", step=f"{self._name} run")

    def _require_pixels(self, spec: Mapping[str, Any]) -> None:
        if (spec["dtype"], spec["layout"]) != ("uint8", "NHWC"):
            raise self._refused(
                f"the manifest feeds it {spec['dtype']} {spec['layout']}, expected uint8 NHWC"
            )

    def _require_npu(self) -> None:
        found = find_rknpu()
        if found is None:
            raise BackendUnavailableError(
                f"{self._name}: no Rockchip NPU: no render node under /sys/class/drm has the "
                "driver RKNPU. Use the vendor's kernel (mainline's rocket driver has no "
                "librknnrt), or --runtime onnx"
            )
        if not os.access(board_root() / found[0].lstrip("/"), os.R_OK | os.W_OK):
            raise BackendUnavailableError(
                f"{self._name}: the NPU's node {found[0]} may not be opened by this user: install "
                "the udev rule 70-edgeface.rules, then sudo usermod --append --groups render USER "
                "and log in anew"
            )
        if found[1]:
            # Before the library meets a driver that it may not know; the rest is asked of it later.
            oldest = {key: value for key, value in self._needs.items() if key == "rknpu"}
            require_versions(oldest, {"rknpu": found[1]}, name=self._name, upgrade=UPGRADE)

    def _require_target(self) -> None:
        """Refuse what was built for another chip, before the library sees it."""
        try:
            header = read_header(self._model)
        except DamagedRknnError as error:
            raise self._refused(str(error)) from error
        self._toolkit, platforms = header.toolkit, header.platforms
        try:
            tree = (board_root() / "proc/device-tree/compatible").read_bytes()
        except OSError:
            return  # the library knows the chip too, and refuses with code -13
        chips = [entry.decode("utf-8", "replace") for entry in tree.split(b"\0") if entry]
        known = {f"rockchip,{name}{small}" for name in platforms for small in ("", "s")}
        if known.isdisjoint(chips):  # "s": an RK3588S runs what was built for the RK3588
            raise self._refused(
                f"it was built for {', '.join(platforms) or 'nothing'}, this board is "
                f"{', '.join(chips)}"
            )

    def _require_model(self, context: Context) -> None:
        """Check versions, and that the model is the one that the manifest describes."""
        versions = {
            "rknn-toolkit2": self._toolkit,
            "librknnrt": _number(context.versions.library),
            "rknpu": _number(context.versions.driver),
        }
        require_versions(self._needs, versions, name=self._name, upgrade=UPGRADE)
        counts, fed, gives = context.counts, context.input, context.output
        if (counts.inputs, counts.outputs) != (1, 1):
            raise self._refused(
                f"it has {counts.inputs} inputs and {counts.outputs} outputs, expected one of each"
            )
        height, width, channels = self._picture
        picture = (1, height, width, channels)
        expected = picture if fed.layout == NHWC else (1, channels, height, width)
        names = (fed.name.decode("utf-8", "replace"), gives.name.decode("utf-8", "replace"))
        if names != (self._input, self._output) or fed.shape != expected:
            raise self._refused(
                f"it turns {names[0]!r} {fed.shape} into {names[1]!r}, the manifest says "
                f"{self._input!r} {expected} into {self._output!r}"
            )
        if gives.shape[:1] != (1,) or np.prod(gives.shape) != gives.values:
            raise self._refused(f"its output has shape {gives.shape}, expected a batch of one")

    def _refused(self, reason: str) -> InferenceError:
        return InferenceError(
            f"{self._name}: the .rknn file is refused: {reason}; use a bundle that was built for "
            "this board, or build one: python -m export build --targets rk3576",
            step=f"{self._name} load",
        )

    def _checked(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the rows, contiguous."""
        if sorted(inputs) != [self._input]:
            raise ValueError(f"{self._name}: inputs {sorted(inputs)}, expected [{self._input!r}]")
        value = inputs[self._input]
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
            found = getattr(value, "dtype", type(value).__name__)
            raise TypeError(f"{self._name}: input {self._input!r} is {found}, expected uint8")
        if value.ndim != 4 or value.shape[1:] != self._picture:
            size = ", ".join(map(str, self._picture))
            raise ValueError(
                f"{self._name}: input {self._input!r} has shape {value.shape}, expected (N, {size})"
                ": rows of pixels, channels last"
            )
        return np.ascontiguousarray(value)


def _core_mask() -> int:
    chosen = os.environ.get(CORES_VARIABLE, "auto")
    if chosen not in CORE_MASKS:
        raise BackendUnavailableError(
            f"{CORES_VARIABLE} is {chosen!r}, expected one of {', '.join(CORE_MASKS)}"
        )
    return CORE_MASKS[chosen]


def _number(text: bytes) -> str:
    """The number at the start of "2.3.0 (c949ad889d@2024-11-07T11:35:33)"."""
    found = re.match(rb"v?([0-9]+(?:\.[0-9]+)*)", text)
    return found[1].decode() if found else text.decode("utf-8", "replace") or "unknown"
