"""What every backend offers."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, TypeVar

import numpy as np

Opened = TypeVar("Opened", bound="Backend")


class Backend(Protocol):
    """One loaded model: named arrays in, named arrays out. A context manager that closes itself.

    `run` either returns this call's outputs, checked for NaN and Inf and owned by the caller,
    or raises `edgeface.errors.InferenceError`; it never returns an earlier call's buffer.
    """

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one inference."""

    def close(self) -> None:
        """Free the model; a later `run` raises."""

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
