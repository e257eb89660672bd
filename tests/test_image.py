"""Photos in: every kind of file gives BGR uint8, or an error that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeface._imageheader import read_header
from edgeface.errors import ImageError
from edgeface.image import MAX_PIXELS, read_image, require_image
from tests import pictures

# EXIF orientation -> what a viewer does to the stored pixels.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 1),
}


def _write(folder: Path, data: bytes, name: str = "photo") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("orientation", _UPRIGHT)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    stored = pictures.quadrants()
    upright = read_image(_write(tmp_path, pictures.jpeg(stored, orientation=orientation)))
    expected = _UPRIGHT[orientation](stored)
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected).mean() < 6


def test_exif_orientation_is_applied_to_pictures_read_at_reduced_size(tmp_path: Path) -> None:
    stored = pictures.quadrants(width=5000, height=3600)
    upright = read_image(_write(tmp_path, pictures.jpeg(stored, orientation=6)))
    assert upright.shape == (2500, 1800, 3)
    assert upright[10, 10].tolist() == pytest.approx([255, 0, 0], abs=9)  # was bottom left: blue


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64).astype(np.uint8)
    image = read_image(_write(tmp_path, pictures.png(grey)))
    assert (image == grey[..., None]).all()


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    image = read_image(_write(tmp_path, pictures.png(deep)))
    assert image.dtype == np.uint8
    assert np.abs(image[..., 0].ravel().astype(int) - np.arange(256)).max() <= 1


def _webp(picture: np.ndarray) -> bytes:
    return cv2.imencode(".webp", picture)[1].tobytes()


@pytest.mark.parametrize(
    ("dtype", "encode"),
    [(np.uint8, pictures.png), (np.uint16, pictures.png), (np.uint8, _webp)],
    ids=["png", "png16", "webp"],
)
def test_transparent_pixels_lie_over_white(
    tmp_path: Path, dtype: type, encode: Callable[[np.ndarray], bytes]
) -> None:
    full = np.iinfo(dtype).max
    picture = np.zeros((16, 16, 4), dtype)
    picture[:, :, 1] = full  # green everywhere
    picture[8:, :, 3] = full  # opaque below only
    image = read_image(_write(tmp_path, encode(picture)))
    assert np.abs(image[:8].astype(int) - 255).max() <= 4
    assert np.abs(image[8:].astype(int) - (0, 255, 0)).max() <= 4


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    image = read_image(_write(tmp_path, pictures.png(np.full((1, 1, 3), 7, np.uint8))))
    assert image.shape == (1, 1, 3)


def test_suffix_does_not_matter(tmp_path: Path) -> None:
    path = _write(tmp_path, pictures.png(pictures.quadrants()), "really_a_png.jpg")
    assert (read_image(path) == pictures.quadrants()).all()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"hello, I am a text file\n", "not a JPEG, PNG, BMP or WebP"),
        (b"\x00\x00\x00\x24ftypheic\x00\x00\x00\x00", "convert it"),
        (pictures.jpeg(pictures.quadrants())[:40], "not a JPEG"),
        (pictures.png(pictures.quadrants())[:60], "damaged or cut short"),
        (pictures.png_promising(100_000, 100_000), "100000x100000 pixels"),
        (pictures.jpeg_promising(65_000, 65_000), "65000x65000 pixels"),
        (pictures.png_promising(0, 0), "damaged"),
    ],
    ids=["empty", "text", "heic", "cut_header", "cut", "vast_png", "vast_jpeg", "no_pixels"],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, data: bytes, expected: str) -> None:
    path = _write(tmp_path, data)
    with pytest.raises(ImageError, match=expected) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(ImageError, match="not a file"):
        read_image(tmp_path)


def test_limit_admits_the_largest_phone_cameras() -> None:
    assert 12_000 * 9_000 <= MAX_PIXELS


_SEEDS = [
    pictures.jpeg(pictures.quadrants()),
    pictures.png(pictures.quadrants()),
    cv2.imencode(".webp", pictures.quadrants())[1].tobytes(),
    cv2.imencode(".bmp", pictures.quadrants())[1].tobytes(),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.sampled_from(_SEEDS),
    cut=st.integers(0, 4000),
    at=st.integers(2, 3999),
    noise=st.binary(min_size=1, max_size=8),
)
def test_damaged_file_gives_a_picture_or_an_image_error(
    tmp_path_factory: pytest.TempPathFactory, seed: bytes, cut: int, at: int, noise: bytes
) -> None:
    data = bytearray(seed[: max(1, len(seed) - cut)])
    at = min(at, len(data))
    data[at : at + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data)
    try:
        image = read_image(path)
    except ImageError:
        return
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF1234WEBP"]), st.binary()
)
def test_header_reader_survives_any_bytes(start: bytes, rest: bytes) -> None:
    header = read_header(start + rest)
    assert header is None or (header.width >= 0 and header.height >= 0)


@pytest.mark.parametrize("name", [".jpg", ".png", ".bmp", ".webp"])
def test_header_size_is_the_decoded_size(name: str) -> None:
    header = read_header(cv2.imencode(name, pictures.quadrants())[1].tobytes())
    assert header is not None and (header.width, header.height) == (64, 48)


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        ("photo.jpg", TypeError, "read_image"),
        ([[0, 0, 0]], TypeError, "list"),
        (np.zeros((4, 4, 3), np.float32), TypeError, "float32"),
        (np.zeros((4, 4, 3), np.uint16), TypeError, "uint16"),
        (np.zeros((4, 4, 3), np.int64), TypeError, "int64"),
        (np.full((4, 4, 3), np.nan), ValueError, "NaN"),
        (np.zeros((4, 4), np.uint8), ValueError, "GRAY2BGR"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, "alpha"),
        (np.zeros((3, 4, 4), np.uint8), ValueError, r"\(3, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "empty"),
    ],
)
def test_wrong_array_is_refused_with_what_was_found(
    value: object, error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        require_image(value)


def test_views_become_contiguous() -> None:
    mirrored = pictures.quadrants()[:, ::-1]
    checked = require_image(mirrored)
    assert checked.flags["C_CONTIGUOUS"] and (checked == mirrored).all()
