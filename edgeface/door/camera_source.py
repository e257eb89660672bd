"""Where pictures come from: what an address names, and how it is written without its secrets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import cv2

from edgeface.errors import CameraError

FILES = ("video", "folder")
"""Kinds of source that end, and that can be replayed."""

_OPTIONS_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"  # OpenCV's
_GSTREAMER = re.compile(r"\s!\s")
_TIMED_URL = re.compile("rtsps?://", re.IGNORECASE)
_URL_USER = re.compile(r"(?<=://)[^/\s\"']*@")
_URL_QUERY = re.compile(r"(://[^\s?\"']*)\?[^\s\"']*")
_NAMED_SECRET = re.compile(
    r"\b((?:user|username|login|pw|pass|passwd|password|token|key|secret|user-id|user-pw"
    r"|proxy-id|proxy-pw)\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s!&]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Source:
    """An address of pictures.

    Attributes
    ----------
    kind
        "device" (V4L2), "stream" (RTSP, HTTP and whatever else FFmpeg opens by URL), "gstreamer",
        "video" or "folder".
    address
        As OpenCV wants it; may hold a password, so neither `repr` nor `label` shows it.
    label
        The same for people: logs, errors, health.
    """

    kind: str
    address: str = field(repr=False)

    @property
    def label(self) -> str:
        """The address without user names, passwords and queries."""
        return masked(self.address)

    @property
    def ends(self) -> bool:
        """Whether it is a file or folder."""
        return self.kind in FILES

    @property
    def timed(self) -> bool:
        """Whether its pictures come with the time at which they were taken; HTTP has none."""
        return self.kind == "device" or bool(_TIMED_URL.match(self.address))


def masked(text: str) -> str:
    """Return a text in which no URL has its user, password or query, and no option its secret."""
    text = _URL_USER.sub("***@", text)
    text = _URL_QUERY.sub(r"\1?***", text)
    return _NAMED_SECRET.sub(r"\1***", text)


def parse_source(source: int | str | os.PathLike[str], *, base: Path | None = None) -> Source:
    """Return what a camera's address names; nothing is opened.

    Parameters
    ----------
    source
        ``0`` or ``"0"`` or ``"/dev/video0"`` or a link below ``/dev``: a V4L2 device. A text with
        ``://``: a URL. A text with `` ! ``: a GStreamer pipeline that ends in ``appsink``. Anything
        else: a video file, or a folder of photos.
    base
        Folder that relative paths start from; None for the working folder.

    Raises
    ------
    ValueError
        Empty, or a negative number.
    """
    text = str(source).strip()
    if not text or text.startswith("-"):
        raise ValueError(
            f"camera source is {text!r}; expected a device (/dev/video0), a URL (rtsp://...), a "
            "GStreamer pipeline, a video file or a folder"
        )
    if text.isdigit():
        return Source("device", f"/dev/video{int(text)}")
    if _GSTREAMER.search(text):
        return Source("gstreamer", text)
    if "://" in text:
        return Source("stream", text)
    if text.startswith("/dev/"):
        return Source("device", text)
    path = Path(base or "", text)
    return Source("folder" if path.is_dir() else "video", str(path))


def with_login(source: Source, login: bytes) -> Source:
    """Return a stream's source with a user and password, which its own address does not have.

    Parameters
    ----------
    login
        ``user:password`` in UTF-8, as a file holds it: a line end does not count.

    Raises
    ------
    ValueError
        Not a stream, an address with a user of its own, or no such line; the text shows no secret.
    """
    if source.kind != "stream" or _URL_USER.search(source.address):
        raise ValueError(
            f"{source.label}: a login file is for URLs that name no user; remove the one or other"
        )
    user, colon, password = login.decode("utf-8", "replace").rstrip("\r\n").partition(":")
    if not user or not colon or not (user + password).isprintable():
        raise ValueError("the login file holds no line user:password; write one, and nothing else")
    secret = f"{quote(user, safe='')}:{quote(password, safe='')}@"
    return Source("stream", source.address.replace("://", f"://{secret}", 1))


def prepare(source: Source) -> None:
    """Check what no waiting would mend, and have RTSP come by TCP unless the environment has a say.

    By UDP, OpenCV's choice, lost packets damage pictures and anybody in the network can add some.

    Raises
    ------
    CameraError
        No such file, or this OpenCV cannot read such a source.
    """
    os.environ.setdefault(_OPTIONS_VARIABLE, "rtsp_transport;tcp")
    if source.ends and not os.path.exists(source.address):
        raise CameraError(
            f"{source.label}: there is no such file or folder; check the path (devices are below "
            "/dev, streams have ://)"
        )
    name, backend = _BACKENDS.get(source.kind, ("", 0))
    if name and not cv2.videoio_registry.hasBackend(backend):
        hint = (
            "; OpenCV from pip has none: use the Linux distribution's (python3-opencv), or the "
            "rtsp:// URL or /dev/video device without GStreamer"
            if source.kind == "gstreamer"
            else ""
        )
        raise CameraError(f"{source.label}: OpenCV {cv2.__version__} is built without {name}{hint}")


def backend_of(source: Source) -> int:
    """Return the number by which OpenCV knows who opens such a source."""
    return _BACKENDS[source.kind][1]


_BACKENDS = {
    "device": ("V4L2", cv2.CAP_V4L2),
    "stream": ("FFmpeg", cv2.CAP_FFMPEG),
    "video": ("FFmpeg", cv2.CAP_FFMPEG),
    "gstreamer": ("GStreamer", cv2.CAP_GSTREAMER),
}
