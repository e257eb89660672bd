"""Results of earlier pictures are found whatever way an NPU mixes them up."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface.backends.fresh import FreshRuns
from edgeface.errors import InferenceError

SHAPE = (4, 4, 3)


class Npu:
    """Doubles pixels, and gives the result of so many runs before as `behind` says."""

    def __init__(self, behind: int = 0) -> None:
        self.behind = behind
        self._results = [np.zeros(SHAPE, np.float32)] * 8

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        self._results.append(picture.astype(np.float32) * 2)
        return self._results[-1 - self.behind].copy()


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, np.uint8)


@pytest.mark.parametrize("behind", [1, 2, 3, 4, 5])
def test_an_npu_that_is_late_is_found_before_it_answers(behind: int) -> None:
    with pytest.raises(InferenceError, match="the previous picture's output"):
        FreshRuns(name="x", update="it").start(Npu(behind), SHAPE)


@pytest.mark.parametrize("behind", [1, 2, 3])
def test_an_npu_that_falls_behind_answers_only_when_it_has_caught_up(behind: int) -> None:
    npu, fresh = Npu(), FreshRuns(name="x", update="it")
    for seed in range(8):
        assert np.array_equal(fresh.run(npu, picture(seed)), picture(seed) * np.float32(2))
    npu.behind = behind
    for seed in range(8, 16):
        with pytest.raises(InferenceError, match="the previous picture's output"):
            fresh.run(npu, picture(seed))
    npu.behind = 0
    assert np.array_equal(fresh.run(npu, picture(0)), picture(0) * np.float32(2))


def test_small_differences_between_runs_of_one_picture_are_no_fault() -> None:
    rng = np.random.default_rng(0)

    def noisy(shown: np.ndarray) -> np.ndarray:
        return shown + rng.normal(0, 1, SHAPE).astype(np.float32)

    fresh = FreshRuns(name="x", update="it")
    fresh.start(noisy, SHAPE)
    assert np.abs(fresh.run(noisy, picture(1)) - picture(1)).max() < 10
