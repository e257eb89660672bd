"""The file of a `CosineIndex`: a JSON header, then each array at the beginning of a page.

The arrays are mapped, not read: a gallery may be larger than memory.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np

from edgeface import _native
from edgeface.container import replacing
from edgeface.errors import GalleryError, GalleryFormatError
from edgeface.index_arrays import IndexArrays, shapes_for
from edgeface.schema import JsonError, parse_json

MAGIC = b"edgeface index 1\n"
PAGE_BYTES = 65536  # the largest that aarch64 kernels are built with
_KEYS = {"capacity", "dim", "size", "codes", "sketch_dims", "sha256"}
_LIMITS = {"capacity": 1 << 40, "dim": _native.MOST_DIMS, "sketch_dims": 4096}


def write_index_file(path: Path, arrays: IndexArrays, *, size: int) -> None:
    """Write an index; ``path`` is the old file or the whole new one, never something between."""
    capacity, dim = arrays.rows.shape
    header = {
        "capacity": capacity,
        "dim": dim,
        "size": size,
        "codes": arrays.codes is not None,
        "sketch_dims": 0 if arrays.steps is None else len(arrays.steps),
    }
    members = list(_in_file_order(header, arrays.members()))
    header["sha256"] = _digest(header, members)
    try:
        with replacing(path, mode=0o600) as temporary, temporary.open("wb") as file:
            file.write((MAGIC + json.dumps(header).encode()).ljust(PAGE_BYTES))
            for array in members:
                file.write(memoryview(array).cast("B") if array.size else b"")
                file.write(bytes(-file.tell() % PAGE_BYTES))
    except OSError as error:
        raise GalleryError(f"cannot write index {path}: {error.strerror or error}") from error


def read_index_file(path: Path, *, verify: bool, writable: bool) -> tuple[IndexArrays, int]:
    """Map an index, copy-on-write if writable; return its arrays and the end of its used rows.

    Raises
    ------
    GalleryFormatError
        Not an index, of another version, truncated, or damaged.
    GalleryError
        The file cannot be read.
    """
    try:
        if not path.is_file() and path.exists():
            raise GalleryFormatError(f"{path} is not an index: it is no regular file")
        with path.open("rb") as file:
            header = _parse_header(file.read(PAGE_BYTES), path)
        mapped, arrays = _map_arrays(path, header, writable=writable)
    except OSError as error:
        raise GalleryError(f"cannot read index {path}: {error.strerror or error}") from error
    if verify and _digest(header, _in_file_order(header, arrays)) != header["sha256"]:
        raise GalleryFormatError(f"index {path} is damaged: its hash differs; build it again")
    if header["codes"] or header["sketch_dims"]:
        _expect_single_rows(mapped, header)
    names = ("rows", "used", "codes", "sketch", "basis", "steps")
    return IndexArrays(**{name: arrays.get(name) for name in names}), header["size"]


def _parse_header(data: bytes, path: Path) -> dict:
    if not data.startswith(MAGIC):
        raise GalleryFormatError(
            f"{path} is not an index of this version: it begins with {data[:17]!r}, expected "
            f"{MAGIC!r}; build it again"
        )
    try:
        header = parse_json(data[len(MAGIC) :])
    except JsonError as error:
        raise GalleryFormatError(f"index {path}: its header is damaged ({error})") from error
    if not isinstance(header, dict) or set(header) != _KEYS or not _plausible(header):
        raise GalleryFormatError(f"index {path}: its header is damaged: {header!r}")
    return header


def _plausible(header: dict) -> bool:
    counts = [header[name] for name in ("capacity", "dim", "size", "sketch_dims")]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in counts):
        return False
    fits = header["dim"] >= 1 and all(header[name] <= limit for name, limit in _LIMITS.items())
    kinds = isinstance(header["codes"], bool) and isinstance(header["sha256"], str)
    return (
        fits and kinds and header["size"] <= header["capacity"] and header["sketch_dims"] % 32 == 0
    )


def _shapes(header: dict) -> dict[str, tuple]:
    return shapes_for(
        header["capacity"],
        header["dim"],
        codes=header["codes"],
        sketch_dims=header["sketch_dims"],
    )


def _map_arrays(
    path: Path, header: dict, *, writable: bool
) -> tuple[mmap.mmap, dict[str, np.ndarray]]:
    shapes, places = _shapes(header), _places(header)
    length = path.stat().st_size
    if length != places["end"]:
        raise GalleryFormatError(
            f"index {path} has {length} bytes, its header says {places['end']}: copy it again"
        )
    access = mmap.ACCESS_COPY if writable else mmap.ACCESS_READ
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=access)
    return mapped, {
        name: np.frombuffer(mapped, dtype, math.prod(shape), places[name]).reshape(shape)
        for name, (shape, dtype) in shapes.items()
    }


def _expect_single_rows(mapped: mmap.mmap, header: dict) -> None:
    """Float rows are read here and there then: reading ahead would fetch 32 pages for each."""
    places = _places(header)
    length = places["used"] - places["rows"]
    if length:
        mapped.madvise(mmap.MADV_RANDOM, places["rows"], length)


def _places(header: dict) -> dict[str, int]:
    """Offset of each array, in bytes, and of the end."""
    places, offset = {}, PAGE_BYTES
    for name, (shape, dtype) in _shapes(header).items():
        places[name] = offset
        length = math.prod(shape) * np.dtype(dtype).itemsize
        offset += length + -length % PAGE_BYTES
    return {**places, "end": offset}


def _in_file_order(header: dict, arrays: dict) -> Iterator[np.ndarray]:
    return (arrays[name] for name in _shapes(header))


def _digest(header: dict, arrays: Iterable[np.ndarray]) -> str:
    """Hash of the arrays, and of the header but for the hash itself."""
    rest = {name: value for name, value in header.items() if name != "sha256"}
    total = sha256(json.dumps(rest, sort_keys=True).encode())
    for array in arrays:
        total.update(memoryview(np.ascontiguousarray(array)).cast("B") if array.size else b"")
    return total.hexdigest()
