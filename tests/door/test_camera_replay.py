"""Files and folders, frame by frame: every one, in order, with the same times every time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.door.camera import Camera, CameraEnded, CameraSettings, Frame
from edgeface.errors import CameraError
from tests.door.videos import SIZE, moving_pictures, write_video


def replay(source: Path, **settings: object) -> Camera:
    """Open a file to be replayed."""
    return Camera.open(source, settings=CameraSettings(**settings), realtime=False)


def every(camera: Camera) -> list[Frame]:
    """All frames until the end."""
    frames = []
    while True:
        try:
            frames.append(camera.read(0))
        except CameraEnded:
            return frames


def square_at(image: np.ndarray) -> int:
    """Left edge of the wandering square."""
    return int(np.argmax(image[120].max(axis=1) > 180))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pictures at 12.5 frames a second."""
    path = tmp_path_factory.mktemp("video") / "door.avi"
    return write_video(path, moving_pictures(20), fps=12.5)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "FFV1")]
)
def test_every_frame_of_a_video_comes_in_order_with_the_files_times(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = write_video(tmp_path / name, moving_pictures(20), fps=12.5, codec=codec)
    with replay(path) as camera:
        frames = every(camera)
        assert camera.state == "ended"
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.captured for frame in frames] == pytest.approx([i / 12.5 for i in range(20)])
    for i, frame in enumerate(frames):
        assert frame.image.shape == (SIZE[1], SIZE[0], 3)
        assert square_at(frame.image) == pytest.approx((8 * i) % 240, abs=4)


def test_two_replays_are_equal_to_the_last_bit(video: Path) -> None:
    with replay(video) as first, replay(video) as second:
        for one, other in zip(every(first), every(second)):
            assert one.captured == other.captured
            assert np.array_equal(one.image, other.image)


def test_a_replays_time_is_that_of_its_last_frame(video: Path) -> None:
    with replay(video) as camera:
        for _ in range(3):
            frame = camera.read(0)
        assert camera.now() == frame.captured == pytest.approx(2 / 12.5)


def test_after_the_end_every_read_says_so(video: Path) -> None:
    with replay(video) as camera:
        every(camera)
        for _ in range(2):
            with pytest.raises(CameraEnded, match="ended after 20 pictures"):
                camera.read(0)


def test_frames_are_read_only(video: Path) -> None:
    with replay(video) as camera:
        assert not camera.read(0).image.flags.writeable


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_pictures_are_turned_then_mirrored(video: Path, rotate: int, mirror: bool) -> None:
    with replay(video) as plain, replay(video, rotate=rotate, mirror=mirror) as turned:
        expected = np.rot90(plain.read(0).image, -rotate // 90)
        expected = expected[:, ::-1] if mirror else expected
        assert np.array_equal(turned.read(0).image, expected)
        assert turned.health().width == expected.shape[1]


def test_a_folder_is_played_in_the_order_of_its_names(tmp_path: Path) -> None:
    pictures = moving_pictures(4)
    for name, picture in zip(("b.png", "a.PNG", "d.png", "c.png"), pictures):
        cv2.imwrite(str(tmp_path / name), picture)
    (tmp_path / "notes.txt").write_text("not a photo")
    with replay(tmp_path, fps=10) as camera:
        frames = every(camera)
    assert [frame.captured for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    for frame, number in zip(frames, (1, 0, 3, 2)):
        assert np.array_equal(frame.image, pictures[number])


def test_an_unreadable_photo_is_one_fault_and_the_next_one_comes(tmp_path: Path) -> None:
    good = moving_pictures(2)
    cv2.imwrite(str(tmp_path / "a.png"), good[0])
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8garbage")
    cv2.imwrite(str(tmp_path / "c.png"), good[1])
    with replay(tmp_path) as camera:
        camera.read(0)
        with pytest.raises(CameraError, match="could not be decoded"):
            camera.read(0)
        assert camera.state == "faulty" and "decoded" in str(camera.fault())
        assert np.array_equal(camera.read(0).image, good[1])
        assert camera.state == "live" and camera.fault() is None


def test_the_same_bytes_for_freeze_s_are_a_fault_until_they_change(tmp_path: Path) -> None:
    still, *moving = moving_pictures(6)
    path = write_video(tmp_path / "f.mkv", [still] * 40 + moving, fps=10, codec="FFV1")
    with replay(path, freeze_s=3) as camera:
        good = [camera.read(0) for _ in range(30)]
        for _ in range(10):
            with pytest.raises(CameraError, match="frozen"):
                camera.read(0)
        assert good[-1].captured == pytest.approx(2.9)
        assert len(every(camera)) == 5


def test_one_changed_pixel_is_no_freeze(tmp_path: Path) -> None:
    picture = moving_pictures(1)[0]
    for i in range(10):
        picture[101, 33, 1] = i
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
    with replay(tmp_path, freeze_s=0.3) as camera:
        assert len(every(camera)) == 10


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (0, 135, 0)])
def test_a_picture_of_one_colour_is_a_fault(tmp_path: Path, colour: tuple[int, ...]) -> None:
    flat = np.full((240, 320, 3), colour, np.uint8)
    path = write_video(tmp_path / "flat.avi", [flat, *moving_pictures(1)])
    with replay(path) as camera:
        with pytest.raises(CameraError, match="one colour"):
            camera.read(0)
        camera.read(0)


def test_a_tiny_picture_is_a_fault(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), moving_pictures(1)[0][:32, :32])
    with replay(tmp_path) as camera, pytest.raises(CameraError, match="32x32 pixels"):
        camera.read(0)


def test_garbage_inside_a_video_gives_frames_or_faults_and_an_end(tmp_path: Path) -> None:
    path = write_video(tmp_path / "g.avi", moving_pictures(20))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60_000] = np.random.default_rng(1).bytes(60_000)
    path.write_bytes(data)
    with replay(path) as camera:
        good = 0
        for _ in range(200):
            try:
                good += camera.read(0).image.shape == (SIZE[1], SIZE[0], 3)
            except CameraEnded:
                break
            except CameraError:
                continue
        assert camera.state == "ended" and 5 <= good < 20


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(CameraError, match="cannot be opened; it is damaged"):
        replay(path)


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="no such file"):
        replay(tmp_path / "none.mp4")
    with pytest.raises(CameraError, match="no photo in it"):
        replay(tmp_path)


@pytest.mark.parametrize("source", ["/dev/video0", 0, "rtsp://a.example/x"])
def test_what_never_ends_is_not_replayed(source: object) -> None:
    with pytest.raises(ValueError, match="expected a video file or a folder"):
        Camera.open(source, realtime=False)
