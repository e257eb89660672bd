"""The scan that every backend's arrays go through: NaN and Inf are errors, not answers."""

from __future__ import annotations

import numpy as np

from edgeface.errors import InferenceError


def require_finite(value: np.ndarray, *, name: str, output: str, side: str = "output") -> None:
    """Raise InferenceError if an output (or, by ``side``, an input) holds NaN or Inf."""
    bad = value.size - int(np.isfinite(value).sum())
    if bad:
        raise InferenceError(
            f"{name}: {bad} of {value.size} values of {side} {output!r} are NaN or Inf; "
            "this result is not used",
            step=f"{name} {side} scan",
        )
