"""Cameras, as Video4Linux offers them: which there are, and in which formats they give pictures."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from edgeface.doctor.finding import FAIL, OK, WARN, Finding

# videodev2.h: struct v4l2_capability (104 bytes), struct v4l2_fmtdesc (64 bytes).
_QUERY_CAPABILITY, _ENUMERATE_FORMATS = 0x80685600, 0xC0405602
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_FORMAT = struct.Struct("=III32sII12x")
_CAPTURE, _CAPTURE_PLANES, _HAS_DEVICE_CAPS = 0x1, 0x1000, 0x80000000
_TYPES = {_CAPTURE: 1, _CAPTURE_PLANES: 9}
_MOST_FORMATS = 64
# What OpenCV turns into BGR by itself; a sensor's raw Bayer needs an image processor before it.
_READABLE = {"YUYV", "UYVY", "MJPG", "JPEG", "NV12", "NV21", "YU12", "YV12", "BGR3", "RGB3", "GREY"}


def check_cameras(root: Path) -> list[Finding]:
    """Look at every /dev/video* that gives pictures."""
    nodes = sorted((root / "dev").glob("video[0-9]*"))
    found = [finding for node in nodes for finding in _camera(node)]
    return found or [Finding("camera", OK, "none: photos only")]


def _camera(node: Path) -> Iterator[Finding]:
    check = f"camera {node.name}"
    try:
        handle = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        remedy = "usermod --append --groups video USER, log in anew; or end the program that has it"
        yield Finding(check, FAIL, f"cannot be opened: {error.strerror}", remedy)
        return
    try:
        card, formats = _describe(handle)
    except OSError as error:
        yield Finding(check, WARN, f"is no camera: {error.strerror}", "look at: v4l2-ctl --all")
        return
    finally:
        os.close(handle)
    if formats is None:
        return  # metadata, or an encoder: no camera
    text = f"{card}: {', '.join(formats) or 'no formats'}"
    if _READABLE.intersection(formats):
        yield Finding(check, OK, text)
    else:
        wanted = ", ".join(sorted(_READABLE))
        yield Finding(check, WARN, text, f"OpenCV reads {wanted}: use the image processor's node")


def _describe(handle: int) -> tuple[str, list[str] | None]:
    """Return a device's name and its pictures' formats; None where it gives no pictures."""
    answer = fcntl.ioctl(handle, _QUERY_CAPABILITY, bytes(_CAPABILITY.size))
    _, card, _, _, all_of_it, of_node = _CAPABILITY.unpack(answer)
    capabilities = of_node if all_of_it & _HAS_DEVICE_CAPS else all_of_it
    kinds = [number for bit, number in _TYPES.items() if capabilities & bit]
    name = card.split(b"\0")[0].decode("utf-8", "replace")
    return name, list(_formats(handle, kinds[0])) if kinds else None


def _formats(handle: int, kind: int) -> Iterator[str]:
    for index in range(_MOST_FORMATS):
        request = _FORMAT.pack(index, kind, 0, b"", 0, 0)
        try:
            answer = fcntl.ioctl(handle, _ENUMERATE_FORMATS, request)
        except OSError as error:
            if error.errno == errno.EINVAL:  # that was the last one
                return
            raise
        code = _FORMAT.unpack(answer)[4]
        yield code.to_bytes(4, "little").decode("ascii", "replace").strip()
