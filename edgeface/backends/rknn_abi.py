"""librknnrt.so as C sees it: its structures, numbers, and calls with every return code checked.

Written from the public description of Rockchip's interface (version 2.3); names are our own.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_char,
    c_float,
    c_int,
    c_int8,
    c_int32,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
    sizeof,
)
from typing import Any

from edgeface.backends.vendor import load_library
from edgeface.errors import InferenceError

LIBRARY, VARIABLE = "librknnrt.so", "EDGEFACE_RKNNRT"
INSTALL = (
    "it belongs to the board's image, or comes from Rockchip's airockchip/rknn-toolkit2 "
    f"(rknpu2/runtime/Linux); copy it to /usr/lib, or name it in {VARIABLE}"
)
CODES = {
    -1: "failed",
    -2: "timed out",
    -3: "the NPU is not available",
    -4: "out of memory",
    -5: "wrong parameter",
    -6: "not a model that this library reads",
    -7: "no such context",
    -8: "wrong input",
    -9: "wrong output",
    -10: "library and driver do not fit: update both",
    -11: "model compiled for another driver",
    -12: "model of another optimisation level",
    -13: "model for another platform",
}
CORE_MASKS = {"auto": 0, "0": 1, "1": 2, "0_1": 3}
UINT8 = 3
NCHW, NHWC = 0, 1
_COUNTS, _INPUT, _OUTPUT, _VERSIONS = 0, 1, 2, 5  # what rknn_query is asked for


class Counts(Structure):
    """Number of a model's inputs and outputs."""

    _fields_ = [("inputs", c_uint32), ("outputs", c_uint32)]


class Tensor(Structure):
    """One input or output as the model has it."""

    _fields_ = [
        ("index", c_uint32),
        ("rank", c_uint32),
        ("dims", c_uint32 * 16),
        ("name", c_char * 256),
        ("values", c_uint32),
        ("bytes", c_uint32),
        ("layout", c_int32),
        ("dtype", c_int32),
        ("encoding", c_int32),
        ("fraction", c_int8),
        ("zero_point", c_int32),
        ("scale", c_float),
        ("width_stride", c_uint32),
        ("bytes_with_stride", c_uint32),
        ("pass_through", c_uint8),
        ("height_stride", c_uint32),
    ]

    @property
    def shape(self) -> tuple[int, ...]:
        """Its axes, batch first."""
        return tuple(self.dims[: min(self.rank, 16)])


class Input(Structure):
    """What one input is fed with."""

    _fields_ = [
        ("index", c_uint32),
        ("data", c_void_p),
        ("bytes", c_uint32),
        ("pass_through", c_uint8),
        ("dtype", c_int32),
        ("layout", c_int32),
    ]


class Output(Structure):
    """Where one output goes."""

    _fields_ = [
        ("as_float", c_uint8),
        ("preallocated", c_uint8),
        ("index", c_uint32),
        ("data", c_void_p),
        ("bytes", c_uint32),
    ]


class Versions(Structure):
    """Versions of the library and of the kernel's driver, each with text behind the number."""

    _fields_ = [("library", c_char * 256), ("driver", c_char * 256)]


_CALLS: dict[str, tuple[Any, ...]] = {
    "rknn_init": (POINTER(c_uint64), c_void_p, c_uint32, c_uint32, c_void_p),
    "rknn_query": (c_uint64, c_int, c_void_p, c_uint32),
    "rknn_set_core_mask": (c_uint64, c_int),
    "rknn_inputs_set": (c_uint64, c_uint32, POINTER(Input)),
    "rknn_run": (c_uint64, c_void_p),
    "rknn_outputs_get": (c_uint64, c_uint32, POINTER(Output), c_void_p),
    "rknn_outputs_release": (c_uint64, c_uint32, POINTER(Output)),
    "rknn_destroy": (c_uint64,),
}


class Library:
    """The loaded library; `name` is the stage's, for error messages.

    Raises
    ------
    BackendUnavailableError
        It is not there, or cannot be loaded.
    InferenceError
        It lacks one of the calls.
    """

    def __init__(self, *, name: str) -> None:
        self._name, self._process = name, os.getpid()
        self._calls = {}
        library = load_library([LIBRARY], variable=VARIABLE, install=INSTALL)
        for call, arguments in _CALLS.items():
            try:
                function = library[call]  # by item: a function object of our own
            except AttributeError:
                raise InferenceError(
                    f"{name}: {LIBRARY} has no {call}, expected version 1.5 or newer: {INSTALL}",
                    step=f"{name} load",
                ) from None
            function.argtypes, function.restype = arguments, c_int
            self._calls[call] = function

    def owned(self) -> bool:
        """Whether this process loaded it: what a fork inherits is not its to use or free."""
        return self._process == os.getpid()

    def init(self, model: bytes) -> int:
        """Load a model and return its context's handle."""
        handle = c_uint64()
        # The library only reads the model.
        self._call("rknn_init", byref(handle), ctypes.c_char_p(model), len(model), 0, None)
        return handle.value

    def counts(self, handle: int) -> Counts:
        """Return how many inputs and outputs the model has."""
        return self._query(handle, _COUNTS, Counts())

    def input(self, handle: int) -> Tensor:
        """Return the first input."""
        return self._query(handle, _INPUT, Tensor(index=0))

    def output(self, handle: int) -> Tensor:
        """Return the first output."""
        return self._query(handle, _OUTPUT, Tensor(index=0))

    def versions(self, handle: int) -> Versions:
        """Return the versions of library and driver."""
        return self._query(handle, _VERSIONS, Versions())

    def set_cores(self, handle: int, mask: int) -> None:
        """Say which NPU cores run this context; one of `CORE_MASKS`."""
        self._call("rknn_set_core_mask", handle, mask)

    def set_input(self, handle: int, data: int, count: int) -> None:
        """Copy `count` uint8 NHWC pixels at address `data` to the NPU."""
        fed = Input(index=0, data=data, bytes=count, pass_through=0, dtype=UINT8, layout=NHWC)
        self._call("rknn_inputs_set", handle, 1, byref(fed))

    def run(self, handle: int) -> None:
        """Run; comes back when the driver says that the NPU is done."""
        self._call("rknn_run", handle, None)

    def get_output(self, handle: int, data: int, count: int) -> Output:
        """Copy the output as float32 into `count` bytes at address `data`."""
        output = Output(as_float=1, preallocated=1, index=0, data=data, bytes=count)
        self._call("rknn_outputs_get", handle, 1, byref(output), None)
        self._call("rknn_outputs_release", handle, 1, byref(output))
        return output

    def destroy(self, handle: int) -> None:
        """Free a context."""
        self._call("rknn_destroy", handle)

    def _query(self, handle: int, what: int, answer: Any) -> Any:
        self._call("rknn_query", handle, what, byref(answer), sizeof(answer))
        return answer

    def _call(self, call: str, *arguments: Any) -> None:
        if not self.owned():  # its memory is the parent's too, with the parent's faces in it
            raise InferenceError(
                f"{self._name}: process {os.getpid()} has the NPU from {self._process} by a fork, "
                "and cannot use it: open the pipeline in the process that runs it",
                step=f"{self._name} fork",
            )
        code = self._calls[call](*arguments)
        if code != 0:
            meaning = CODES.get(code, "a code that this edgeface does not know")
            raise InferenceError(
                f"{self._name}: {call} returned {code} ({meaning}), expected 0; this result is not "
                "used. If it stays so: sudo dmesg | grep -i rknpu",
                step=f"{self._name} {call}",
                code=code,
            )
