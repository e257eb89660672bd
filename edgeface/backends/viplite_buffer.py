"""Inputs and outputs of a network on VIPLite: how each is stored, and its memory.

The CPU and the NPU see a buffer through different caches. Writing and reading are one function
each, which does that too: what is forgotten there gives the result of an earlier picture.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeface.backends import viplite_abi as abi
from edgeface.backends.quantised import Encoding
from edgeface.backends.viplite_driver import Driver
from edgeface.errors import InferenceError

POISON_BLOCK = 16  # bytes; that a network gives 16 random ones by chance happens in no lifetime
MAX_FIXED_POINT = 31


class Buffer:
    """One input or output.

    Parameters
    ----------
    driver
        Open VIPLite.
    query
        Asks for one property of this input or output: ``query(property, ctypes type)``.
    name
        The stage and what this is, for texts, such as "embedder input".

    Attributes
    ----------
    shape
        Slowest axis first.
    encoding
        What is stored.
    quantised
        Whether integers come with a scale.

    Raises
    ------
    InferenceError
        It is stored in a way that this backend does not know, or VIPLite fails.
    """

    def __init__(self, driver: Driver, query: Callable[[int, type], Any], *, name: str) -> None:
        self._driver, self._name = driver, name
        parameters = _parameters(query, name)
        self.quantised = parameters.quantisation != abi.UNQUANTISED
        self.shape = tuple(parameters.sizes[: parameters.dimensions])[::-1]
        self.encoding = _encoding(parameters, name)
        self.bytes = int(np.prod(self.shape, dtype=np.int64)) * self.encoding.dtype.itemsize
        self.handle = ctypes.c_void_p()
        self._call(
            "vip_create_buffer",
            ctypes.byref(parameters),
            ctypes.sizeof(parameters),
            ctypes.byref(self.handle),
        )
        self._poison = np.frombuffer(os.urandom(self.bytes), np.uint8)

    def check_size(self) -> None:
        """Raise InferenceError if VIPLite gave less memory than the numbers need."""
        given = self._driver.value("vip_get_buffer_size", self.handle)
        if given < self.bytes:
            raise self._error(f"VIPLite gave {given} bytes for {self.bytes}", "size")

    def write(self, values: np.ndarray) -> None:
        """Copy contiguous values of the encoding's dtype to where the NPU sees them."""
        self._copy(lambda address: ctypes.memmove(address, values.ctypes.data, self.bytes))
        self._call("vip_flush_buffer", self.handle, abi.TO_DEVICE)

    def poison(self) -> None:
        """Fill an output, on both sides, with what no network gives."""
        self.write(self._poison)

    def read(self) -> np.ndarray:
        """Return what the NPU wrote, as float32 of `shape`.

        Raises
        ------
        InferenceError
            The poison, or some of it, is still there.
        """
        found = np.empty(self.bytes, np.uint8)
        self._call("vip_flush_buffer", self.handle, abi.FROM_DEVICE)
        self._copy(lambda address: ctypes.memmove(found.ctypes.data, address, self.bytes))
        left = _equal_blocks(found, self._poison)
        if left:
            raise self._error(
                f"the run reported success, but the NPU did not write {left * POISON_BLOCK} of "
                f"{self.bytes} bytes; this result is not used",
                "scan",
            )
        return self.encoding.real(found.view(self.encoding.dtype).reshape(self.shape))

    def destroy(self) -> None:
        """Free the memory."""
        self._call("vip_destroy_buffer", self.handle)

    def _copy(self, copy: Callable[[int], object]) -> None:
        address = self._driver.value("vip_map_buffer", self.handle)
        if not address:
            raise self._error("vip_map_buffer failed: it gave no address", "vip_map_buffer")
        try:
            copy(address)
        finally:
            self._call("vip_unmap_buffer", self.handle)

    def _call(self, function: str, *arguments: Any) -> None:
        self._driver.call(function, *arguments, name=self._name)

    def _error(self, text: str, step: str) -> InferenceError:
        return InferenceError(f"{self._name}: {text}", step=f"{self._name} {step}")


def _parameters(query: Callable[[int, type], Any], name: str) -> abi.BufferParameters:
    """Return what VIPLite says of an input or output: its buffer is made by exactly that."""
    found = abi.BufferParameters()
    found.dimensions = query(abi.BUFFER_DIMENSIONS, ctypes.c_uint32)
    if not 1 <= found.dimensions <= abi.MAX_DIMENSIONS:
        raise InferenceError(
            f"{name}: {found.dimensions} dimensions, expected 1 to {abi.MAX_DIMENSIONS}: "
            "pack the bundle again",
            step=f"{name} query",
        )
    found.sizes = query(abi.BUFFER_SIZES, ctypes.c_uint32 * abi.MAX_DIMENSIONS)
    found.format = query(abi.BUFFER_FORMAT, ctypes.c_int32)
    found.quantisation = query(abi.BUFFER_QUANTISATION, ctypes.c_int32)
    if found.quantisation == abi.FIXED_POINT:
        position = query(abi.BUFFER_FIXED_POINT, ctypes.c_uint8)
        found.parameters.fixed_point_position = position - 256 if position > 127 else position
    elif found.quantisation == abi.ASYMMETRIC:
        found.parameters.asymmetric.scale = query(abi.BUFFER_SCALE, ctypes.c_float)
        found.parameters.asymmetric.zero_point = query(abi.BUFFER_ZERO_POINT, ctypes.c_int32)
    return found


def _encoding(parameters: abi.BufferParameters, name: str) -> Encoding:
    dtype = abi.FORMATS.get(parameters.format)
    scale, zero_point = 1.0, 0
    if parameters.quantisation == abi.FIXED_POINT:
        position = parameters.parameters.fixed_point_position
        scale = 2.0**-position if abs(position) <= MAX_FIXED_POINT else 0.0
    elif parameters.quantisation == abi.ASYMMETRIC:
        scale = parameters.parameters.asymmetric.scale
        zero_point = parameters.parameters.asymmetric.zero_point
    known = parameters.quantisation in (abi.UNQUANTISED, abi.FIXED_POINT, abi.ASYMMETRIC)
    if dtype is None or not known or not 0 < scale < float("inf"):
        raise InferenceError(
            f"{name}: format {parameters.format}, quantisation {parameters.quantisation}, scale "
            f"{scale:g}; expected one of {', '.join(abi.FORMATS.values())}, with a scale above 0 "
            "or none: export the file as int8 or uint8",
            step=f"{name} query",
        )
    return Encoding(np.dtype(dtype), np.float32(scale), zero_point)


def _equal_blocks(found: np.ndarray, poison: np.ndarray) -> int:
    """Count the blocks that are the same; a short rest counts with the last of them."""
    whole = len(found) // POISON_BLOCK * POISON_BLOCK
    same = (found == poison)[:whole] if whole else found == poison
    return int(same.reshape(-1, min(POISON_BLOCK, len(found))).all(axis=1).sum())
