"""A frozen or looped feed: its frames are more alike than a living person's can be.

Three signs, each enough. *The same*: embeddings of consecutive frames at a cosine that only the
very same pixels give (INT8 networks turn half a level of noise into 0.995). *Still*: nothing in
the picture moved for a second, beyond the sensor's noise; a print on a stand, or a frozen feed
that was encoded again. *A loop*: frame after frame looks like one of some seconds ago, always as
long ago.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeface.image import require_image


def _number(description: str, *, most: float) -> dict[str, Any]:
    return {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": most,
        "description": description,
    }


SETTINGS: dict[str, Any] = {
    "type": "object",
    "description": "when frames are too equal to come from a living scene",
    "additionalProperties": False,
    "properties": {
        "same_cosine": _number(
            "cosine of consecutive embeddings that only equal pixels give; default 0.999", most=1
        ),
        "same_frames": {
            "type": "integer",
            "minimum": 2,
            "maximum": 100,
            "description": "how many frames in a row make a frozen feed; default 3",
        },
        "still_s": _number("seconds in which somebody alive moves; default 1.0", most=60),
        "still_levels": _number(
            "most change of a still picture's cells, grey levels; default 1.0", most=50
        ),
        "loop_s": _number("longest loop that is noticed, seconds; default 30", most=600),
        "loop_frames": {
            "type": "integer",
            "minimum": 3,
            "maximum": 100,
            "description": "how many of the last frames are looked at for a loop; default 10",
        },
    },
}

GRID = 32
"""Cells across and down of a frame's signature, the mean luma of each."""

LOOP_APART_S = 1.0
"""A frame's twin is at least so old: less is a scene in which little moves."""

LOOP_SHARE = 0.7
LOOP_LAG_S = 0.15
"""So many of the last frames have a twin, and their ages differ by no more than this."""

MOST_REMEMBERED = 900
"""Frames: bounds memory and time where a camera is faster than 30 a second."""

_MOVING_CELLS = GRID * GRID // 100
_FEW = 15  # no divisor of GRID: cells of every column
_NOISE_TAIL = 8.0
_NOISE_FLOOR = 0.4


@dataclass(frozen=True)
class _Seen:
    at: float
    signature: np.ndarray

    @property
    def few(self) -> np.ndarray:
        """Some of the cells: enough to see at a glance that a frame is another."""
        return self.signature[::_FEW]


class Feed:
    """Compare each frame with those before it. One feed, whoever stands before it.

    Parameters
    ----------
    same_cosine, same_frames, still_s, still_levels, loop_s, loop_frames
        As in `SETTINGS`; decision 0028 says where the numbers come from.
    """

    def __init__(
        self,
        *,
        same_cosine: float = 0.999,
        same_frames: int = 3,
        still_s: float = 1.0,
        still_levels: float = 1.0,
        loop_s: float = 30.0,
        loop_frames: int = 10,
    ) -> None:
        self._same_cosine = same_cosine
        self._same_frames = same_frames
        self._still_s = still_s
        self._still_levels = still_levels
        self._loop_s = loop_s
        self._loop_frames = loop_frames
        self._forget()

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> Feed:
        """Make it from door.toml's ``[liveness.feed]``, which `SETTINGS` describes."""
        return cls(**table)

    def update(self, embedding: np.ndarray, image: np.ndarray, *, at: float) -> str:
        """Judge a frame that shows a face.

        Parameters
        ----------
        embedding
            (512,) float32 of length 1: the followed face's.
        image
            The frame, (height, width, 3) uint8 BGR, before anything is drawn on it.
        at
            When it was captured, seconds of the monotonic clock.

        Returns
        -------
        str
            "static" while a sign of a frozen or looped feed holds, else "live".

        Raises
        ------
        TypeError, ValueError
            Not such an image.
        """
        signature = signature_of(image)
        if self._seen and at < self._seen[-1].at:
            self._forget()
        while self._seen and at - self._seen[0].at > self._loop_s:
            self._seen.popleft()
        signs = (
            self._is_same(embedding),
            self._is_still(signature, at),
            self._is_loop(signature, at),
        )
        self._seen.append(_Seen(at, signature))
        return "static" if any(signs) else "live"

    def _forget(self) -> None:
        self._seen: deque[_Seen] = deque(maxlen=MOST_REMEMBERED)
        self._embedding: np.ndarray | None = None
        self._equal = 1
        self._still_since: _Seen | None = None
        self._lags: deque[float | None] = deque(maxlen=self._loop_frames)

    def _is_same(self, embedding: np.ndarray) -> bool:
        before, self._embedding = self._embedding, embedding
        same = before is not None and float(before @ embedding) >= self._same_cosine
        self._equal = self._equal + 1 if same else 1
        return self._equal >= self._same_frames

    def _is_still(self, signature: np.ndarray, at: float) -> bool:
        since = self._still_since
        if since is None or not alike(since.signature, signature, most=self._still_levels):
            self._still_since = _Seen(at, signature)
            return False
        return at - since.at >= self._still_s

    def _is_loop(self, signature: np.ndarray, at: float) -> bool:
        self._lags.append(self._lag_of_twin(signature, at))
        lags = [lag for lag in self._lags if lag is not None]
        needed = LOOP_SHARE * self._loop_frames
        if len(lags) < needed:
            return False
        together = np.abs(np.array(lags) - np.median(lags)) <= LOOP_LAG_S
        return int(together.sum()) >= needed

    def _lag_of_twin(self, signature: np.ndarray, at: float) -> float | None:
        """Return the age of the youngest frame that looks like this one, seconds."""
        old = [seen for seen in self._seen if at - seen.at >= LOOP_APART_S]
        if not old:
            return None
        few = np.stack([seen.few for seen in old]) - signature[::_FEW]
        few -= np.median(few, axis=1, keepdims=True)
        maybe = np.flatnonzero(np.abs(few).max(axis=1) <= 6 * self._still_levels)
        for index in maybe[::-1]:
            if alike(old[index].signature, signature, most=self._still_levels):
                return at - old[index].at
        return None


def signature_of(image: np.ndarray) -> np.ndarray:
    """Return a frame's mean luma in 32x32 cells: (1024,) float32, 0 to 255."""
    luma = cv2.cvtColor(require_image(image), cv2.COLOR_BGR2GRAY).astype(np.float32)
    return cv2.resize(luma, (GRID, GRID), interpolation=cv2.INTER_AREA).ravel()


def alike(first: np.ndarray, second: np.ndarray, *, most: float) -> bool:
    """Say whether two signatures differ by no more than a sensor's noise, in grey levels.

    A change of the whole picture's light does not count. The hundredth of the cells that changed
    most must have changed by less than `most`, and by no more than noise explains, whose size is
    that of the middle cell's change: motion shows in few cells.
    """
    change = first - second
    change = np.abs(change - np.median(change))
    if change.max() > 4 * most:
        return False
    moved = float(np.partition(change, -_MOVING_CELLS)[-_MOVING_CELLS:].mean())
    return moved <= min(most, max(_NOISE_FLOOR, _NOISE_TAIL * float(np.median(change))))
