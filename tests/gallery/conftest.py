"""Synthetic templates: random unit vectors, which in 512 dimensions are all strangers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface.gallery import Gallery
from edgeface.gallery_key import GalleryKey
from tests.faults import ram_folder

MODEL = "0123456789abcdef"
KEY = GalleryKey(b"k" * 32, source="file")
OTHER = GalleryKey(b"o" * 32, source="file")


def on_disk(folder, *needles: bytes) -> list[bytes]:
    """The needles that stand in some file of a folder."""
    contents = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    return [needle for needle in needles if any(needle in content for content in contents)]


def pieces(rows: np.ndarray) -> list[bytes]:
    """32 bytes out of the middle of each template."""
    return [row.tobytes()[1000:1032] for row in rows]


@pytest.fixture
def tmp_path():
    """In place of pytest's: these tests commit thousands of times."""
    with ram_folder() as folder:
        yield folder


@pytest.fixture
def unit():
    """Make (count, 512) float32 unit rows; the same seed gives the same rows."""

    def make(count: int, *, seed: int = 0, dim: int = 512) -> np.ndarray:
        rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    return make


@pytest.fixture
def open_gallery(tmp_path):
    """Open ``tmp_path/gallery.db``; everything opened is closed at the end."""
    opened = []

    def open_one(path=tmp_path / "gallery.db", **options) -> Gallery:
        opened.append(Gallery.open(path, **{"model_id": MODEL, **options}))
        return opened[-1]

    yield open_one
    for gallery in opened:
        gallery.close()


@pytest.fixture
def gallery(open_gallery):
    """A new, empty gallery."""
    return open_gallery()


@pytest.fixture
def sealed(open_gallery):
    """A new, empty, encrypted gallery."""
    return open_gallery(key=KEY)
