"""How long to wait before trying again."""

from __future__ import annotations

import random
from typing import Callable


class Backoff:
    """Waits that double from the first to a limit, each shortened at random by up to half.

    The chance keeps many doors from calling on one camera server at the same instant.
    """

    def __init__(
        self,
        *,
        first_s: float,
        limit_s: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._uniform = uniform
        self._next_s = first_s

    def wait_s(self) -> float:
        """Return the next wait in seconds."""
        wait_s = self._next_s
        self._next_s = min(self._limit_s, 2 * wait_s)
        return self._uniform(wait_s / 2, wait_s)

    def reset(self) -> None:
        """Begin with the first wait again."""
        self._next_s = self._first_s
