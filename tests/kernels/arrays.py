"""Arrays that kernels are tried with: sizes, layouts and alignments where loops go wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeface import _native

ISAS = _native.supported_isas()
# Around a vector of each ISA, a prime, around 512.
SIZES = (0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 97, 511, 512, 513)


def misaligned(array: np.ndarray, offset: int) -> np.ndarray:
    """Copy ``array`` to ``offset`` elements past where NumPy would align it."""
    copy = np.empty(array.size + offset, dtype=array.dtype)[offset:].reshape(array.shape)
    copy[:] = array
    return copy


def floats(rows: int, columns: int, *, seed: int = 0, offset: int = 0) -> np.ndarray:
    """Normally distributed float32."""
    values = np.random.default_rng(seed).standard_normal((rows, columns), dtype=np.float32)
    return misaligned(values, offset)


def _read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def _strided(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, 2, axis=1)[:, ::2]


def _odd_bytes(array: np.ndarray) -> np.ndarray:
    data = np.frombuffer(b"x" + array.tobytes(), dtype=array.dtype, offset=1)
    return data.reshape(array.shape)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "read-only": _read_only,
    "fortran": np.asfortranarray,
    "strided": _strided,
    "reversed": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "odd bytes": _odd_bytes,
}
