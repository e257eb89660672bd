"""Picture files that no encoder at hand writes: EXIF tags, and headers that promise too much."""

from __future__ import annotations

import struct

import cv2
import numpy as np


def jpeg(image: np.ndarray, *, orientation: int | None = None) -> bytes:
    """Encode as JPEG, with an EXIF orientation of 1 to 8 if given."""
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    if orientation is None:
        return encoded
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">H", 1) + entry + bytes(4)
    exif = b"Exif\x00\x00" + tiff
    return encoded[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + encoded[2:]


def png(image: np.ndarray) -> bytes:
    """Encode as PNG; the array's dtype and channels decide the kind."""
    return cv2.imencode(".png", image)[1].tobytes()


def png_promising(width: int, height: int) -> bytes:
    """Only the header of a PNG, of any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + bytes(4) + b"IDAT"


def jpeg_promising(width: int, height: int) -> bytes:
    """Only the start and the frame header of a JPEG, of any size."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes(9)
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame


def quadrants(*, width: int = 64, height: int = 48) -> np.ndarray:
    """Red, green / blue, white: every rotation and mirror image looks different."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (0, 0, 255)
    picture[: height // 2, width // 2 :] = (0, 255, 0)
    picture[height // 2 :, : width // 2] = (255, 0, 0)
    picture[height // 2 :, width // 2 :] = (255, 255, 255)
    return picture
