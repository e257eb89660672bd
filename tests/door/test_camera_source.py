"""What an address names, what never shows of it, and what the settings allow."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
import pytest

from edgeface.door.camera import SETTINGS, Camera, CameraSettings
from edgeface.door.camera_settings import read_settings
from edgeface.door.camera_source import masked, parse_source, with_login
from edgeface.errors import CameraError
from edgeface.schema import first_problem
from tests.door.videos import moving_pictures, write_video

SECRETS = ("admin", "s3cret", "t0ken")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (0, "device"),
        ("2", "device"),
        ("/dev/video11", "device"),
        ("/dev/v4l/by-id/usb-camera-index0", "device"),
        ("rtsp://10.0.0.9:554/stream1", "stream"),
        ("https://10.0.0.9/video.mjpg", "stream"),
        ("v4l2src ! videoconvert ! appsink", "gstreamer"),
        ("rtspsrc location=rtsp://10.0.0.9/a ! decodebin ! appsink", "gstreamer"),
        ("clips/monday.mp4", "video"),
    ],
)
def test_an_address_names_one_kind_of_source(text: object, kind: str) -> None:
    assert parse_source(text).kind == kind


def test_relative_paths_start_from_the_base(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert parse_source("photos", base=tmp_path).address == str(tmp_path / "photos")
    assert parse_source("photos", base=tmp_path).kind == "folder"
    assert parse_source("a.mp4", base=tmp_path).address == str(tmp_path / "a.mp4")


@pytest.mark.parametrize("text", ["", "  ", -1, "-1"])
def test_no_address_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a device"):
        parse_source(text)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:s3cret@10.0.0.9:554/stream1",
        "rtsp://admin:s3cret@@10.0.0.9/a@b",
        "rtsp://10.0.0.9/cam?user=admin&password=s3cret",
        "http://10.0.0.9/video.mjpg?token=t0ken",
        "rtspsrc location=rtsp://admin:s3cret@10.0.0.9/a ! decodebin ! appsink",
        'rtspsrc location="rtsp://10.0.0.9/a" user-id=admin user-pw="s3cret x" ! appsink',
        "souphttpsrc location=http://h/a user-id=admin user-pw=s3cret proxy-pw=t0ken ! appsink",
    ],
)
def test_secrets_of_an_address_never_show(text: str) -> None:
    source = parse_source(text)
    shown = [masked(text), source.label, repr(source), str(source)]
    assert not [(secret, where) for where in shown for secret in SECRETS if secret in where]
    assert "10.0.0.9" in source.label or "//h/" in source.label


def test_gstreamer_without_gstreamer_says_so() -> None:
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(CameraError, match="built without GStreamer; OpenCV from pip has none"):
        Camera.open("videotestsrc ! videoconvert ! appsink")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "source"),
        ({"source": "0", "colour": "red"}, "no such field"),
        ({"source": "0", "rotate": 45}, "one of"),
        ({"source": "0", "max_age_s": 0}, "more than"),
        ({"source": "0", "max_age_s": 60}, "at most"),
        ({"source": "0", "mirror": 1}, "boolean"),
        ({"source": "0", "pixel_format": "mjpeg"}, "MJPG"),
    ],
)
def test_a_wrong_table_is_refused_with_what_was_expected(table: dict, said: str) -> None:
    assert said in str(first_problem(table, SETTINGS))


def test_every_setting_is_described_and_has_the_default_that_is_told() -> None:
    names = set(SETTINGS["properties"]) - {"source", "login_file"}
    assert names == set(CameraSettings.__dataclass_fields__)
    for name in names:
        default, text = getattr(CameraSettings(), name), SETTINGS["properties"][name]["description"]
        if isinstance(default, (int, float)) and not isinstance(default, bool):
            assert f"{default:g}" in text, name


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="below reconnect_first_s"):
        CameraSettings(reconnect_first_s=5, reconnect_limit_s=1)
    with pytest.raises(ValueError, match="width and height go together"):
        CameraSettings(width=640)


def test_a_camera_opens_from_its_table(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", moving_pictures(3))
    table = {"source": "a.avi", "rotate": 90, "mirror": True, "freeze_s": 2.5}
    assert first_problem(table, SETTINGS) is None
    assert read_settings(table) == CameraSettings(rotate=90, mirror=True, freeze_s=2.5)
    with Camera.from_settings(table, base=tmp_path, realtime=False) as camera:
        assert camera.read(0).image.shape == (320, 240, 3)


@pytest.mark.parametrize(
    "line", [b"admin:s3cret", b"admin:s3cret\n", "admin:s3c/r@t:\u00e9".encode()]
)
def test_a_login_file_keeps_the_password_out_of_door_toml(tmp_path: Path, line: bytes) -> None:
    source = with_login(parse_source("rtsp://10.0.0.9:554/a"), line)
    login = urlsplit(str(source.address))
    assert f"{unquote(login.username)}:{unquote(login.password)}" == line.decode().strip()
    assert login.hostname == "10.0.0.9" and source.label == "rtsp://***@10.0.0.9:554/a"


@pytest.mark.parametrize(
    ("mode", "line", "source", "said"),
    [
        (0o644, b"admin:s3cret", "rtsp://h/a", "chmod 600"),
        (0o600, b"s3cret", "rtsp://h/a", "user:password"),
        (0o600, b"admin:s3cret\nadmin:t0ken", "rtsp://h/a", "user:password"),
        (0o600, b"", "rtsp://h/a", "user:password"),
        (0o600, b"admin:s3cret", "rtsp://me@h/a", "name no user"),
        (0o600, b"admin:s3cret", "/dev/video0", "name no user"),
    ],
)
def test_a_login_file_that_is_wrong_or_open_to_others_is_refused(
    tmp_path: Path, mode: int, line: bytes, source: str, said: str
) -> None:
    file = tmp_path / "login"
    file.write_bytes(line)
    file.chmod(mode)
    with pytest.raises(CameraError, match=said) as caught:
        Camera.from_settings({"source": source, "login_file": "login"}, base=tmp_path)
    assert not [secret for secret in SECRETS if secret in f"{caught.value!r}"]


def test_a_missing_login_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="No such file"):
        Camera.from_settings({"source": "rtsp://h/a", "login_file": "no"}, base=tmp_path)
