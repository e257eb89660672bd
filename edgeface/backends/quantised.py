"""How a runtime stores numbers: as floats, or as integers with a scale and a zero point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Encoding:
    """real = scale · (stored − zero point) for integers; floats are stored as they are.

    Attributes
    ----------
    dtype
        What is stored.
    scale
        Above 0; of no meaning for floats, as is the zero point.
    zero_point
        The integer that stands for 0.
    """

    dtype: np.dtype
    scale: np.float32 = np.float32(1)
    zero_point: int = 0

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Return float32 values as they are stored; those beyond the range become its ends."""
        if self.dtype.kind == "f":
            return values.astype(self.dtype, copy=False)
        limits = np.iinfo(self.dtype)
        steps = np.rint(values / self.scale)
        steps += self.zero_point
        return np.clip(steps, limits.min, limits.max, out=steps).astype(self.dtype)

    def real(self, stored: np.ndarray) -> np.ndarray:
        """Return stored values as float32."""
        if self.dtype.kind == "f":
            return stored.astype(np.float32, copy=False)
        return (stored.astype(np.float32) - np.float32(self.zero_point)) * self.scale
