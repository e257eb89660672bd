"""VIPLite's C interface in ctypes: the functions, numbers and one structure that edgeface uses.

The same for VIPLite 1.13 (``libVIPlite.so``) and 2 (``libNBGlinker.so``). Names and numbers are
those of the public interface; the rest is written from its measured layout.
"""

from __future__ import annotations

import ctypes

FROM_MEMORY = 2  # of vip_create_network

# Properties of vip_query_hardware and vip_query_network, and one of vip_set_network.
HARDWARE_CHIP = 0
NETWORK_INPUTS, NETWORK_OUTPUTS = 1, 2
NETWORK_TIME_OUT = 68  # u32, milliseconds

# Properties of vip_query_input and vip_query_output. The fixed-point position is one byte: through
# anything wider, its upper bytes would be whatever lay there.
BUFFER_QUANTISATION, BUFFER_DIMENSIONS, BUFFER_SIZES, BUFFER_FORMAT = 0, 1, 2, 3
BUFFER_FIXED_POINT, BUFFER_SCALE, BUFFER_ZERO_POINT = 4, 5, 6
MAX_DIMENSIONS = 6

UNQUANTISED, FIXED_POINT, ASYMMETRIC = 0, 1, 2
FORMATS = {0: "float32", 1: "float16", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16"}

TO_DEVICE, FROM_DEVICE = 1, 2  # of vip_flush_buffer: write the cache back, or forget it

TIMED_OUT = -1
STATUS = {
    TIMED_OUT: "timed out",
    -2: "input or output error",
    -3: "invalid arguments",
    -4: "not supported",
    -5: "out of resources",
    -6: "out of memory",
    -7: "invalid network file",
    -8: "an input or output is missing",
    -9: "the network is not prepared",
    -10: "network file for another driver",
    -11: "failure",
    -12: "power management: stopped",
    -13: "power management: cannot be changed",
    -14: "the NPU was reset",
    -15: "cancelled",
    -16: "NaN or Inf inside the network",
}


class _Asymmetric(ctypes.Structure):
    _fields_ = [("scale", ctypes.c_float), ("zero_point", ctypes.c_int32)]


class _Quantisation(ctypes.Union):
    _fields_ = [("fixed_point_position", ctypes.c_int32), ("asymmetric", _Asymmetric)]


class BufferParameters(ctypes.Structure):
    """What vip_create_buffer is told; 48 bytes. Sizes are fastest first: W, H, C, N."""

    _fields_ = [
        ("dimensions", ctypes.c_uint32),
        ("sizes", ctypes.c_uint32 * MAX_DIMENSIONS),
        ("format", ctypes.c_int32),
        ("quantisation", ctypes.c_int32),
        ("parameters", _Quantisation),
        ("memory_type", ctypes.c_uint32),
    ]


_NUMBER, _STATUS, _HANDLE = ctypes.c_uint32, ctypes.c_int32, ctypes.c_void_p
_OUT = ctypes.c_void_p  # where the function writes: ctypes.byref of what it should be

# What each returns, then what it takes.
FUNCTIONS: dict[str, tuple[type, ...]] = {
    "vip_get_version": (_NUMBER,),
    "vip_init": (_STATUS,),
    "vip_destroy": (_STATUS,),
    "vip_query_hardware": (_STATUS, ctypes.c_int32, _NUMBER, _OUT),
    "vip_create_network": (_STATUS, ctypes.c_void_p, _NUMBER, ctypes.c_int32, _OUT),
    "vip_destroy_network": (_STATUS, _HANDLE),
    "vip_query_network": (_STATUS, _HANDLE, ctypes.c_int32, _OUT),
    "vip_set_network": (_STATUS, _HANDLE, ctypes.c_int32, _OUT),
    "vip_query_input": (_STATUS, _HANDLE, _NUMBER, ctypes.c_int32, _OUT),
    "vip_query_output": (_STATUS, _HANDLE, _NUMBER, ctypes.c_int32, _OUT),
    "vip_create_buffer": (_STATUS, _OUT, _NUMBER, _OUT),
    "vip_destroy_buffer": (_STATUS, _HANDLE),
    "vip_get_buffer_size": (_NUMBER, _HANDLE),
    "vip_map_buffer": (ctypes.c_void_p, _HANDLE),
    "vip_unmap_buffer": (_STATUS, _HANDLE),
    "vip_flush_buffer": (_STATUS, _HANDLE, ctypes.c_int32),
    "vip_prepare_network": (_STATUS, _HANDLE),
    "vip_finish_network": (_STATUS, _HANDLE),
    "vip_set_input": (_STATUS, _HANDLE, _NUMBER, _HANDLE),
    "vip_set_output": (_STATUS, _HANDLE, _NUMBER, _HANDLE),
    "vip_run_network": (_STATUS, _HANDLE),
}


def declare(library: ctypes.CDLL) -> None:
    """Tell ctypes what the functions take and return.

    Raises
    ------
    AttributeError
        The library lacks one of them.
    """
    for name, (result, *arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


def version_text(number: int) -> str:
    """Return vip_get_version's number as people write it: 0x00010d00 is 1.13.0."""
    return f"{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}"
