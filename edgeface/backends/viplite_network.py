"""One network on VIPLite: loaded, prepared once, run in one order only, and freed in order."""

from __future__ import annotations

import ctypes
import threading
from functools import partial
from typing import Any

import numpy as np

from edgeface.backends import viplite_abi as abi
from edgeface.backends.viplite_buffer import Buffer
from edgeface.backends.viplite_driver import Driver
from edgeface.errors import EdgeFaceError, InferenceError


class Network:
    """A network of one input and one output. Threads that call `run` take turns.

    Parameters
    ----------
    driver
        Open VIPLite; this gives it back when it is closed, or cannot be made.
    model_bytes
        The .nb file's content.
    time_out_ms
        For one run; 0 leaves the driver's own.
    name
        The stage's name, for texts.

    Raises
    ------
    InferenceError
        VIPLite refused the file, or it has other than one input and one output.
    """

    def __init__(self, driver: Driver, model_bytes: bytes, *, time_out_ms: int, name: str) -> None:
        self._driver, self._name = driver, name
        self._lock = threading.Lock()
        self._model = model_bytes  # VIPLite may read it as long as the network lives
        self._handle = ctypes.c_void_p()
        self._buffers: list[Buffer] = []
        self._prepared, self._open = False, True
        try:
            self._create(time_out_ms)
        except EdgeFaceError:
            self._free()
            raise

    @property
    def input(self) -> Buffer:
        """Its input."""
        return self._buffers[0]

    @property
    def output(self) -> Buffer:
        """Its output."""
        return self._buffers[1]

    def run(self, values: np.ndarray) -> np.ndarray:
        """Run once.

        Parameters
        ----------
        values
            Contiguous, as the input stores them.

        Returns
        -------
        ndarray
            The output, float32 of its shape, owned by the caller.

        Raises
        ------
        InferenceError
            It is closed, a step failed, or the NPU did not write the whole output.
        """
        with self._lock:
            if not self._open:
                raise InferenceError(
                    f"{self._name}: the backend is closed", step=f"{self._name} run"
                )
            if not self._prepared:  # a run failed: the NPU was stopped, and starts anew
                self._prepare()
            self.output.poison()
            self.input.write(values)
            try:
                self._call("vip_run_network", self._handle)
            except InferenceError:
                self._finish_late()
                raise
            return self.output.read()

    def close(self) -> None:
        """Free everything; a later `run` raises InferenceError.

        Raises
        ------
        InferenceError
            VIPLite failed to free something; the rest is freed.
        """
        with self._lock:
            problems = self._free()
        if problems:
            raise problems[0]

    def _create(self, time_out_ms: int) -> None:
        handle = ctypes.c_void_p()
        model = ctypes.cast(self._model, ctypes.c_void_p)
        self._call(
            "vip_create_network", model, len(self._model), abi.FROM_MEMORY, ctypes.byref(handle)
        )
        self._handle = handle
        if time_out_ms:
            limit = ctypes.c_uint32(time_out_ms)
            self._call("vip_set_network", handle, abi.NETWORK_TIME_OUT, ctypes.byref(limit))
        for end in ("input", "output"):
            self._require_one(end)
            query = partial(self._query, f"vip_query_{end}", 0)
            self._buffers.append(Buffer(self._driver, query, name=f"{self._name} {end}"))
            self._buffers[-1].check_size()
        self._prepare()

    def _require_one(self, end: str) -> None:
        which = {"input": abi.NETWORK_INPUTS, "output": abi.NETWORK_OUTPUTS}[end]
        count = self._query("vip_query_network", which, ctypes.c_uint32)
        if count != 1:
            raise InferenceError(
                f"{self._name}: the file has {count} {end}s, expected one: pack the bundle again",
                step=f"{self._name} query",
            )

    def _query(self, function: str, *which: Any) -> Any:
        *where, kind = which
        found = kind()
        self._call(function, self._handle, *where, ctypes.byref(found))
        return getattr(found, "value", found)

    def _prepare(self) -> None:
        self._call("vip_prepare_network", self._handle)
        self._prepared = True
        try:
            self._call("vip_set_input", self._handle, 0, self.input.handle)
            self._call("vip_set_output", self._handle, 0, self.output.handle)
        except InferenceError:
            self._finish_late()
            raise

    def _finish_late(self) -> None:
        """After a failure: what is half bound, or still busy, must not touch the next result."""
        self._prepared = False
        try:
            self._call("vip_finish_network", self._handle)
        except InferenceError:
            pass  # the run's own error is the one to report

    def _free(self) -> list[InferenceError]:
        """Free what there is, in VIPLite's order; returns what went wrong."""
        if not self._open:
            return []
        self._open = False
        if not self._driver.owned():  # the parent process's, which frees it
            return []
        steps = [partial(self._call, "vip_finish_network", self._handle)] * self._prepared
        if self._handle:
            steps.append(partial(self._call, "vip_destroy_network", self._handle))
        steps += [buffer.destroy for buffer in self._buffers]
        problems = []
        for step in (*steps, self._driver.close):
            try:
                step()
            except InferenceError as error:
                problems.append(error)
        return problems

    def _call(self, function: str, *arguments: Any) -> None:
        self._driver.call(function, *arguments, name=self._name)
