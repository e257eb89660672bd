"""Photos in: read from a file or checked as an array. Everywhere BGR, uint8, (height, width, 3)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeface._imageheader import Header, read_header
from edgeface.errors import ImageError

MAX_PIXELS = 1 << 27
"""Largest picture that is read (134 million pixels); a bigger one is refused undecoded."""

FULL_DECODE_PIXELS = 1 << 24
"""Above this (16.8 million pixels) a picture is read at 1/2, 1/4 or 1/8 of its sides."""

MAX_FILE_BYTES = 512 << 20

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a JPEG, PNG, BMP or WebP photo.

    The EXIF orientation is applied; grey becomes three equal channels; 16 bits per channel are
    cut to 8; transparent pixels are laid over white (EXIF is not applied to such pictures).
    Pictures over `FULL_DECODE_PIXELS` come back at a half, a quarter or an eighth of their
    sides: far more than the detector looks at, in a fraction of the memory.

    Parameters
    ----------
    path
        The picture file.

    Returns
    -------
    ndarray
        (height, width, 3) uint8, BGR, C-contiguous.

    Raises
    ------
    ImageError
        Missing, empty, unreadable, not a picture, damaged, or over `MAX_PIXELS`.
    """
    return decode_image(_read_bytes(Path(path)), name=str(path))


def decode_image(data: bytes, *, name: str, most_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a picture file's bytes as `read_image` does.

    Parameters
    ----------
    data
        The whole file.
    name
        What the error text calls it.
    most_pixels
        A bigger picture is refused undecoded.

    Raises
    ------
    ImageError
        Not a picture, damaged, or over `most_pixels`.
    """
    header = read_header(data)
    if header is None:
        raise ImageError(
            f"{name}: not a JPEG, PNG, BMP or WebP picture (it begins with {data[:12]!r}); "
            "convert it to JPEG or PNG"
        )
    if header.width * header.height > most_pixels:
        raise ImageError(
            f"{name}: {header.width}x{header.height} pixels, at most {most_pixels} are read; "
            "make it smaller first"
        )
    image = _decode(data, header)
    if image is None:
        raise ImageError(
            f"{name}: the {header.format} data is damaged or cut short; copy the file again"
        )
    return np.ascontiguousarray(image)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise ImageError(f"{path}: not a file, expected a picture; name one picture file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB; make it smaller")
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise ImageError(f"{path}: cannot be read ({reason}); check the path") from error
    if not data:
        raise ImageError(f"{path}: the file is empty (0 bytes); take or copy the photo again")
    return data


def _decode(data: bytes, header: Header) -> np.ndarray | None:
    pixels = header.width * header.height
    reduction = next((r for r in (1, 2, 4) if pixels <= FULL_DECODE_PIXELS * r * r), 8)
    buffer = np.frombuffer(data, np.uint8)
    try:
        if not header.alpha:
            return cv2.imdecode(buffer, _REDUCED[reduction])
        image = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
        if image is None or image.ndim != 3 or image.shape[2] != 4:
            return cv2.imdecode(buffer, _REDUCED[reduction])
        return _over_white(image[::reduction, ::reduction])
    except cv2.error:
        return None


def _over_white(image: np.ndarray) -> np.ndarray:
    eight_bit = (image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image
    alpha = eight_bit[:, :, 3:].astype(np.uint16)
    mixed = eight_bit[:, :, :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def require_image(image: Any, *, name: str = "image") -> np.ndarray:
    """Check that `image` is a photo as this package holds it, and return it C-contiguous.

    Parameters
    ----------
    image
        Expected: ndarray (height, width, 3), uint8, BGR, at least 1x1.
    name
        What the error message calls it.

    Raises
    ------
    TypeError
        Not an array, or not uint8; the message says how to convert it.
    ValueError
        Wrong shape, empty, or a float array holding NaN or Inf.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"{name} is a {type(image).__name__}, expected a uint8 ndarray (height, width, 3) "
            "in BGR order; read a file with edgeface.read_image(path)"
        )
    if image.dtype != np.uint8:
        _refuse_dtype(image, name)
    if image.ndim != 3 or image.shape[2] != 3:
        hint = "convert grey with cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)"
        if image.ndim == 3 and image.shape[2] == 4:
            hint = "drop the alpha channel: image[:, :, :3]"
        raise ValueError(f"{name} has shape {image.shape}, expected (height, width, 3); {hint}")
    if image.size == 0:
        raise ValueError(f"{name} is empty (shape {image.shape}), expected at least 1x1 pixels")
    return np.ascontiguousarray(image)


def _refuse_dtype(image: np.ndarray, name: str) -> None:
    if np.issubdtype(image.dtype, np.floating):
        if not np.isfinite(image).all():
            raise ValueError(f"{name} holds NaN or Inf; expected uint8 values 0 to 255")
        hint = "scale it to 0..255, then image.round().astype('uint8')"
    elif image.dtype == np.uint16:
        hint = "(image >> 8).astype('uint8')"
    else:
        hint = "image.clip(0, 255).astype('uint8')"
    raise TypeError(f"{name} has dtype {image.dtype}, expected uint8; convert: {hint}")
