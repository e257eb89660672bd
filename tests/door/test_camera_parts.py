"""The camera's parts that need no camera: times of capture, waits, and the look at a picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.door.camera_backoff import Backoff
from edgeface.door.camera_check import FrameCheck, flat
from edgeface.door.camera_stamp import CALM_S, LONGEST_S, Stamps
from tests.door.videos import moving_pictures

seconds = st.floats(0, 100, allow_nan=False)


def arrivals(stamps: Stamps, count: int, *, start: float = 100.0, rate: float = 1.0) -> float:
    """Frames of 25 a second that arrive on time; the camera's clock runs at `rate`."""
    now = start
    for i in range(count):
        now = start + i * 0.04
        stamps.captured(i * 0.04 * rate, now=now)
    return now


def test_frames_on_time_were_taken_when_they_arrived() -> None:
    stamps = Stamps()
    now = arrivals(stamps, 100)
    assert stamps.captured(100 * 0.04, now=now + 0.04) == pytest.approx(now + 0.04)


def test_a_held_back_frame_keeps_the_time_at_which_it_was_due() -> None:
    stamps = Stamps()
    now = arrivals(stamps, 100)
    assert stamps.captured(100 * 0.04, now=now + 5) == pytest.approx(now + 0.04, abs=0.01)


def test_a_rush_at_the_start_is_not_settled_until_it_is_over() -> None:
    stamps = Stamps()
    for i in range(25):  # a second of pictures within 25 ms
        stamps.captured(i * 0.04, now=100 + i * 0.001)
        assert not stamps.settled
    for i in range(25, 25 + int(CALM_S / 0.04) + 2):
        stamps.captured(i * 0.04, now=100.025 + (i - 25) * 0.04)
    assert stamps.settled


def test_a_camera_that_sends_slower_than_it_decodes_is_not_settled_while_it_catches_up() -> None:
    stamps = Stamps()
    for i in range(80):  # 30 ms of decoding for each 40 ms of stream
        stamps.captured(i * 0.04, now=100 + i * 0.03)
    assert not stamps.settled


def test_a_camera_whose_clock_runs_wrong_settles_all_the_same() -> None:
    stamps = Stamps()
    for i in range(int(LONGEST_S / 0.04) + 2):
        stamps.captured(i * 0.08, now=100 + i * 0.04)
    assert stamps.settled


@pytest.mark.parametrize("rate", [0.9995, 1.0, 1.0005])
def test_an_hour_of_a_drifting_clock_makes_no_frame_old(rate: float) -> None:
    stamps = Stamps()
    now = arrivals(stamps, 90_000, rate=rate)
    captured = stamps.captured(90_000 * 0.04 * rate, now=now + 0.04)
    assert now + 0.04 - captured < 0.01


def test_a_device_that_stamps_with_our_clock_is_believed_from_its_first_frame() -> None:
    stamps = Stamps(same_clock=True)
    assert stamps.captured(999.9, now=1000.0) == 999.9 and stamps.settled
    assert stamps.captured(998.0, now=1000.1) == 998.0
    assert stamps.captured(2000.0, now=1000.2) == 1000.2


def test_a_device_that_stamps_with_another_clock_is_reckoned_like_a_stream() -> None:
    stamps = Stamps(same_clock=True)
    assert stamps.captured(1.7e9, now=1000.0) == 1000.0 and not stamps.settled
    assert stamps.captured(1.7e9 + 1, now=1003.0) == pytest.approx(1001.0, abs=0.01)


@given(st.lists(st.tuples(seconds, st.one_of(st.none(), seconds)), max_size=50))
def test_no_frame_is_from_the_future(steps: list[tuple[float, float | None]]) -> None:
    stamps, now = Stamps(), 0.0
    for step, position in steps:
        now += step
        assert stamps.captured(position, now=now) <= now + 1e-9


def test_waits_double_up_to_the_limit_and_begin_anew() -> None:
    backoff = Backoff(first_s=1, limit_s=5, uniform=lambda low, high: high)
    assert [backoff.wait_s() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.wait_s() == 1


def test_waits_are_shortened_at_random_by_up_to_half() -> None:
    waits = [Backoff(first_s=8, limit_s=8).wait_s() for _ in range(200)]
    assert all(4 <= wait <= 8 for wait in waits) and max(waits) - min(waits) > 2


@pytest.mark.parametrize(
    "image",
    [
        None,
        np.zeros((240, 320), np.uint8),
        np.zeros((240, 320, 4), np.uint8),
        np.zeros((240, 320, 3), np.float32),
        np.zeros((0, 320, 3), np.uint8),
        np.zeros((240, 63, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_a_problem(image: np.ndarray | None) -> None:
    assert FrameCheck(freeze_s=3).problem(image, now=0) is not None


def test_a_single_bright_spot_between_the_sampled_rows_is_no_flat_picture() -> None:
    image = np.full((240, 320, 3), 10, np.uint8)
    assert flat(image)
    image[101, 33] = 200
    assert not flat(image)


def test_a_freeze_is_counted_from_the_last_change_over_pictures_of_two_cameras() -> None:
    check, (first, second) = FrameCheck(freeze_s=1), moving_pictures(2)
    assert check.problem(first, now=0) is None
    assert check.problem(first.copy(), now=0.9) is None
    assert "frozen" in str(check.problem(first.copy(), now=1.0))
    assert check.problem(second, now=1.1) is None
    assert check.problem(first, now=1.2) is None
