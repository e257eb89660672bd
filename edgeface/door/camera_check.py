"""Can this picture be used at all? Its shape, whether it shows anything, whether it still moves."""

from __future__ import annotations

import numpy as np

LEAST_SIDE = 64
FLAT_LEVELS = 2  # between the darkest and the brightest pixel of a picture that shows nothing
_STEP = 8  # rows and columns looked at first; noise differs in them already


class FrameCheck:
    """Judges pictures one after the other; not for several threads.

    Real sensors have noise: the very same bytes for `freeze_s` are no sensor's.
    """

    def __init__(self, *, freeze_s: float) -> None:
        self._freeze_s = freeze_s
        self._previous: np.ndarray | None = None
        self._since = 0.0

    def problem(self, image: np.ndarray | None, *, now: float) -> str | None:
        """Return why a picture cannot be used, or None.

        Parameters
        ----------
        image
            Expected: (height, width, 3) uint8, at least 64x64. Kept until the next call: nobody
            may write to it.
        now
            Seconds of a monotonic clock, never less than before.
        """
        text = _shape_problem(image)
        if text or image is None:
            return text
        self._remember(image, now)
        if flat(image):
            return "the picture is of one colour: the lens is covered, or the camera broken"
        still_s = now - self._since
        if still_s >= self._freeze_s:
            return f"the very same picture for {still_s:.1f} s: the camera is frozen"
        return None

    def _remember(self, image: np.ndarray, now: float) -> None:
        if self._previous is None or not same(image, self._previous):
            self._since = now
        self._previous = image


def flat(image: np.ndarray) -> bool:
    """Return whether a picture shows nothing: in each channel all pixels are nearly equal."""
    sample = image[::_STEP, ::_STEP].reshape(-1, 3)
    spread = sample.max(axis=0).astype(int) - sample.min(axis=0)
    if spread.max() > FLAT_LEVELS:
        return False
    whole = image.reshape(-1, 3)
    return int((whole.max(axis=0).astype(int) - whole.min(axis=0)).max()) <= FLAT_LEVELS


def same(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two pictures are equal to the last bit."""
    return (
        first.shape == second.shape
        and np.array_equal(first[::_STEP], second[::_STEP])
        and np.array_equal(first, second)
    )


def _shape_problem(image: np.ndarray | None) -> str | None:
    if image is None:
        return "a picture could not be decoded"
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        return (
            f"a picture has shape {image.shape} and dtype {image.dtype}, expected "
            "(height, width, 3) uint8"
        )
    if min(image.shape[:2]) < LEAST_SIDE:
        return (
            f"a picture has {image.shape[1]}x{image.shape[0]} pixels, expected at least "
            f"{LEAST_SIDE}x{LEAST_SIDE}"
        )
    return None
