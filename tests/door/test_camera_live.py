"""A camera that plays on: the newest frame or a reason, whatever the source does meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.door.camera import CameraEnded, NoFrameYet
from edgeface.errors import CameraError
from tests.door.cameras import open_quick, wait_until
from tests.door.mjpeg import MjpegServer
from tests.door.videos import moving_pictures, write_video


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    """A camera on HTTP."""
    with MjpegServer() as running:
        yield running


@pytest.fixture(scope="module")
def second_of_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 pictures at 25 frames a second."""
    path = tmp_path_factory.mktemp("video") / "second.avi"
    return write_video(path, moving_pictures(25), fps=25)


def test_a_file_plays_at_its_own_speed_and_ends(second_of_video: Path) -> None:
    began = time.monotonic()
    with open_quick(second_of_video, max_age_s=5) as camera:
        indices = []
        with pytest.raises(CameraEnded, match="ended after 25 frames"):
            while True:
                indices.append(camera.read(2).index)
        assert camera.state == "ended"
    assert 0.9 < time.monotonic() - began < 3
    assert indices == sorted(set(indices)) and indices[-1] == 24


def test_a_slow_reader_gets_the_newest_frame_and_is_told_what_it_missed(
    second_of_video: Path,
) -> None:
    with open_quick(second_of_video, max_age_s=5) as camera:
        first = camera.read(2)
        time.sleep(0.5)
        second = camera.read(2)
        assert camera.now() - second.captured < 0.2
        assert second.dropped == second.index - first.index - 1 >= 5
        assert camera.health().dropped >= second.dropped


def test_the_same_frame_is_never_given_twice(server: MjpegServer) -> None:
    with open_quick(server.url) as camera:
        indices = [camera.read(3).index for _ in range(20)]
    assert len(set(indices)) == 20


def test_warm_up_frames_are_not_used(server: MjpegServer) -> None:
    with open_quick(server.url, warm_up_frames=12) as camera:
        assert camera.state == "starting" and camera.fault() is None
        assert camera.read(5).index >= 12
        assert camera.state == "live"


def test_a_camera_of_one_frame_a_second_is_live_and_its_frames_are_fresh(
    server: MjpegServer,
) -> None:
    server.fps = 1
    with open_quick(server.url, stall_s=5, read_timeout_s=3, open_timeout_s=10) as camera:
        camera.read(10)
        with pytest.raises(NoFrameYet):
            camera.read(0.2)
        assert camera.state == "live" and camera.fault() is None
        frame = camera.read(3)
        assert camera.now() - frame.captured < 0.3


def test_an_old_frame_is_never_given(server: MjpegServer) -> None:
    with open_quick(server.url, max_age_s=0.3, stall_s=5, read_timeout_s=4) as camera:
        camera.read(5)
        server.mute.set()
        time.sleep(0.6)  # the newest frame lies there unread and grows old
        with pytest.raises(CameraError):
            camera.read(0.1)


def test_age_is_reckoned_by_the_clock_given_and_never_by_the_wall_clock(
    server: MjpegServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaps = iter([3600.0 * (-1) ** i * i for i in range(1_000_000)])
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + next(leaps))
    with open_quick(server.url) as camera:
        for _ in range(10):
            frame = camera.read(3)
            assert 0 <= camera.now() - frame.captured < 0.5
        assert camera.fault() is None


def test_no_part_of_the_camera_asks_the_wall_clock(repository: Path) -> None:
    for file in sorted((repository / "edgeface/door").glob("camera*.py")):
        assert not re.search(r"time\.time\b|datetime|gmtime|localtime", file.read_text()), file


def test_unplugged_is_lost_and_plugged_in_again_is_live(server: MjpegServer) -> None:
    with open_quick(server.url) as camera:
        before = camera.read(5)
        server.unplug()
        wait_until(lambda: camera.state == "lost")
        with pytest.raises(CameraError, match="no more pictures|cannot be opened") as caught:
            camera.read(0.6)
        assert not isinstance(caught.value, (NoFrameYet, CameraEnded))
        server.plug()
        after = camera.read(8)
        assert after.index > before.index
        health = camera.health()
        assert health.state == "live" and health.fault is None and health.reconnects >= 1


def test_a_device_that_is_not_there_is_lost_and_tried_again() -> None:
    with open_quick("/dev/video-of-nobody") as camera:
        wait_until(lambda: camera.health().reconnects >= 2)
        assert camera.state == "lost"
        with pytest.raises(CameraError, match="check that it is plugged in"):
            camera.read(0.05)


def test_a_silent_stream_is_lost_within_its_read_timeout(server: MjpegServer) -> None:
    with open_quick(server.url, read_timeout_s=0.5, stall_s=5) as camera:
        camera.read(5)
        server.mute.set()
        began = time.monotonic()
        wait_until(lambda: camera.state == "lost")
        assert time.monotonic() - began < 2
        server.mute.clear()
        camera.read(8)


def test_a_frozen_camera_is_a_fault_is_opened_anew_and_stays_one_while_frozen(
    server: MjpegServer,
) -> None:
    with open_quick(server.url, freeze_s=0.5, stall_s=1.0) as camera:
        camera.read(5)
        moving, still = server.picture, server.picture(7)
        server.picture = lambda number: still
        wait_until(lambda: "frozen" in str(camera.fault()))
        assert camera.state == "faulty"
        with pytest.raises(CameraError, match="frozen"):
            camera.read(0.6)
        wait_until(lambda: server.connections >= 2)
        wait_until(lambda: camera.state == "faulty")
        with pytest.raises(CameraError):
            camera.read(0.6)
        server.picture = moving
        camera.read(8)
        assert camera.fault() is None


def test_a_covered_lens_is_a_fault_until_it_is_uncovered(server: MjpegServer) -> None:
    black = cv2.imencode(".jpg", np.zeros((240, 320, 3), np.uint8))[1].tobytes()
    with open_quick(server.url, stall_s=30) as camera:
        camera.read(5)
        moving, server.picture = server.picture, lambda number: black
        wait_until(lambda: "one colour" in str(camera.fault()))
        server.picture = moving
        camera.read(5)
        assert camera.state == "live" and server.connections == 1


def test_garbage_in_the_stream_gives_no_crash_and_the_next_good_picture_comes(
    server: MjpegServer,
) -> None:
    moving, rng = server.picture, np.random.default_rng(3)
    with open_quick(server.url) as camera:
        camera.read(5)
        server.picture = lambda number: rng.bytes(9000)
        with pytest.raises(CameraError):
            for _ in range(100):
                camera.read(0.6)
        server.picture = moving
        assert camera.read(8).image.shape == (240, 320, 3)


def test_damaged_pictures_never_come_in_another_shape(server: MjpegServer) -> None:
    moving, rng = server.picture, np.random.default_rng(4)

    def damaged(number: int) -> bytes:
        data = bytearray(moving(number))
        for place in rng.integers(300, len(data), 20):
            data[place] = rng.integers(256)
        return bytes(data)

    server.picture = damaged
    with open_quick(server.url) as camera:
        for _ in range(20):
            try:
                assert camera.read(1).image.shape == (240, 320, 3)
            except CameraError:
                continue
