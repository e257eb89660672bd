"""The arrays of a `CosineIndex`: what csrc/search.h calls IndexArrays, owned by Python."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from edgeface import _native

BLOCK_ROWS = 16
ALIGNMENT_BYTES = 64  # a cache line, and the widest vector load


@dataclass(frozen=True, eq=False)
class Sketch:
    """Which dimensions the 4-bit sketch keeps.

    basis : (dims, D) float32 ndarray, orthonormal rows scaled to a largest singular value below 1.
    steps : (dims,) float32 ndarray, the width of a code of each; dims is a multiple of 32.
    """

    basis: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True, eq=False)
class IndexArrays:
    """Rows (capacity, D) float32, used (capacity,) uint8; the rest as bytes or None.

    ``codes`` and ``sketch`` are blocks of 16 rows as csrc/kernels/scan.h lays them out; ``basis``
    and ``steps`` are the sketch's.
    """

    rows: np.ndarray
    used: np.ndarray
    codes: np.ndarray | None
    sketch: np.ndarray | None
    basis: np.ndarray | None
    steps: np.ndarray | None

    @classmethod
    def around(
        cls, rows: np.ndarray, *, copy: bool, codes: bool, sketch: Sketch | None
    ) -> IndexArrays:
        """Allocate for rows (N, D), none of them in use yet."""
        dims = 0 if sketch is None else len(sketch.steps)
        shapes = shapes_for(*rows.shape, codes=codes, sketch_dims=dims)
        shared = {} if copy else {"rows": rows}
        if sketch is not None:
            shared.update(basis=sketch.basis, steps=sketch.steps)
        arrays = {n: shared[n] if n in shared else aligned_zeros(*s) for n, s in shapes.items()}
        if copy:
            arrays["rows"][:] = rows
        return cls(**{field.name: arrays.get(field.name) for field in fields(cls)})

    @property
    def code_block_bytes(self) -> int:
        """Bytes of 16 rows in INT8."""
        return code_block_bytes(self.rows.shape[1])

    @property
    def sketch_block_bytes(self) -> int:
        """Bytes of 16 rows in the sketch; 0 without one."""
        return 0 if self.steps is None else sketch_block_bytes(len(self.steps))

    def members(self) -> dict[str, np.ndarray | None]:
        """Return the arrays by name, None for those there are not."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def grown(self) -> IndexArrays:
        """Return a copy with room for half as many rows again, at least 16."""
        capacity, dim = self.rows.shape
        more = capacity + max(BLOCK_ROWS, capacity // 2)
        dims = 0 if self.steps is None else len(self.steps)
        shapes = shapes_for(more, dim, codes=self.codes is not None, sketch_dims=dims)
        copies = {}
        for name in ("rows", "used", "codes", "sketch"):
            old = getattr(self, name)
            if old is not None:
                copies[name] = aligned_zeros(*shapes[name])
                copies[name][: len(old)] = old
        return replace(self, **copies)


def code_block_bytes(dim: int) -> int:
    """Bytes of 16 rows of ``dim`` INT8 codes."""
    return _native.block_bytes(-(-dim // 4))


def sketch_block_bytes(dims: int) -> int:
    """Bytes of 16 rows of ``dims`` 4-bit codes."""
    return _native.block_bytes(dims // 8)


def shapes_for(capacity: int, dim: int, *, codes: bool, sketch_dims: int) -> dict[str, tuple]:
    """Return (shape, dtype) of every array of an index, in the order of its file."""
    blocks = -(-capacity // BLOCK_ROWS)
    shapes: dict[str, tuple] = {
        "rows": ((capacity, dim), np.float32),
        "used": ((capacity,), np.uint8),
    }
    if codes:
        shapes["codes"] = ((blocks * code_block_bytes(dim),), np.uint8)
    if sketch_dims:
        shapes["sketch"] = ((blocks * sketch_block_bytes(sketch_dims),), np.uint8)
        shapes["basis"] = ((sketch_dims, dim), np.float32)
        shapes["steps"] = ((sketch_dims,), np.float32)
    return shapes


def aligned_zeros(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return zeros that begin at a cache line: a load that straddles two costs twice."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    storage = np.zeros(size + ALIGNMENT_BYTES, np.uint8)
    start = -storage.ctypes.data % ALIGNMENT_BYTES
    return storage[start : start + size].view(dtype).reshape(shape)


def require_threshold(value: float) -> float:
    """Return a cosine in [-1, 1] as a float; else ``TypeError`` or ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise TypeError(f"threshold is a number, not {type(value).__name__}")
    if not -1 <= value <= 1:
        raise ValueError(f"threshold is {value}; expected a cosine, -1 to 1")
    return float(value)


def require_cpus(cpus: Sequence[int] | None) -> list[int]:
    """Return CPU numbers that this process may run on; else ``ValueError`` that lists them."""
    if cpus is None:
        return []
    allowed = sorted(os.sched_getaffinity(0))
    wanted = list(cpus)
    if not wanted or len(set(wanted)) != len(wanted) or not set(wanted) <= set(allowed):
        raise ValueError(f"cpus are {wanted}; expected some of {allowed}, each once")
    return wanted
