"""An NPU that answers with the previous picture's result opens a door to whoever comes next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from edgeface.backends.finite import require_finite
from edgeface.errors import InferenceError

Once = Callable[[np.ndarray], np.ndarray]

REMEMBERED = 4  # results; more than a driver has buffers to mix up
SAME = 0.1  # most difference between two runs of one picture, of that between two pictures


class FreshRuns:
    """Runs pictures one after the other, and hands out no result of an earlier one.

    A stale result equals an earlier one though the picture differs. Then another picture goes
    through and this one again, which tells it from two pictures that a network sees no difference
    between. An NPU that is late by a run shows nothing of that, so it is tried with known pictures
    before the first run, and again after each error. One thread at a time. `once`, which each
    method takes, runs one picture, uint8, and returns a new array.

    Parameters
    ----------
    name
        The stage's name, for error messages.
    update
        What to update if it stays so, for error messages.
    """

    def __init__(self, *, name: str, update: str) -> None:
        self._name, self._update = name, update
        self._earlier: deque[tuple[bytes, bytes]] = deque(maxlen=REMEMBERED)
        self._trusted = False

    def start(self, once: Once, shape: tuple[int, ...]) -> None:
        """Run pictures of noise: an NPU that computes tells them apart, and in order.

        The first comes again as the fourth: at a distance that the runs before, which `run` may
        have made, do not have, so that those cannot stand for these.
        """
        self._trusted = False
        noise, between = np.random.default_rng(3576).integers(0, 256, (2, *shape), np.uint8)
        first, other, _, again = map(once, (noise, 255 - noise, between, noise))
        require_finite(np.stack((first, other, again)), name=self._name, output="of noise")
        apart = np.abs(other - first).max()
        if not (apart > 0 and np.abs(again - first).max() <= SAME * apart):
            raise self._stale()
        self._earlier.append((noise.tobytes(), again.tobytes()))
        self._trusted = True

    def run(self, once: Once, picture: np.ndarray) -> np.ndarray:
        """Run one picture; InferenceError where the result is an earlier one's."""
        if not self._trusted:
            self.start(once, picture.shape)
        self._trusted = False  # until it is known that all went well
        found = once(picture)
        given, written = picture.tobytes(), found.tobytes()
        if any(written == result and given != shown for shown, result in self._earlier):
            other, again = once(255 - picture), once(picture)
            if np.array_equal(other, found) or not np.array_equal(again, found):
                raise self._stale()
        self._earlier.append((given, written))
        self._trusted = True
        return found

    def _stale(self) -> InferenceError:
        return InferenceError(
            f"{self._name}: the NPU gave the previous picture's output for another one, though the "
            f"driver reported success; this result is not used: restart the board, and update "
            f"{self._update} if it stays so",
            step=f"{self._name} stale output",
        )
