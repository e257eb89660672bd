"""Copies of byte ranges between files that leave holes where only zeros are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from boards.errors import BoardsError

CHUNK_BYTES = 1 << 20
GRAIN_BYTES = 1 << 16  # zeros are looked for in pieces of this size
ZEROS = bytes(GRAIN_BYTES)


def copy_range(source: Path, target: Path, *, start: int, length: int, to: int) -> None:
    """Copy ``length`` bytes from ``start`` of one file to ``to`` of another, which may grow.

    Holes of the source, and zeros, are skipped: the target must read as zeros there already.

    Raises
    ------
    BoardsError
        The source ends before the range does.
    """
    if source.stat().st_size < start + length:
        raise BoardsError(
            f"{source} has {source.stat().st_size} bytes; its table says {start + length}: "
            "the file was cut short; download or copy it again"
        )
    with open(source, "rb", buffering=0) as reader, open(target, "r+b", buffering=0) as writer:
        place = start
        while place < start + length:
            place = _next_data(reader.fileno(), place, start + length)
            reader.seek(place)
            data = reader.read(min(CHUNK_BYTES, start + length - place))
            _write(writer.fileno(), data, to + place - start)
            place += len(data)
        if os.fstat(writer.fileno()).st_size < to + length:
            writer.truncate(to + length)


def _next_data(descriptor: int, place: int, end: int) -> int:
    """First byte at or after ``place`` that is no hole, at most ``end``."""
    try:
        return min(os.lseek(descriptor, place, os.SEEK_DATA), end)
    except OSError:  # ENXIO: only a hole follows; EINVAL: the file system does not tell
        return end if place < end and _tells_holes(descriptor) else place


def _tells_holes(descriptor: int) -> bool:
    try:
        os.lseek(descriptor, 0, os.SEEK_HOLE)
    except OSError:
        return False
    return True


def _write(descriptor: int, data: bytes, place: int) -> None:
    for start in range(0, len(data), GRAIN_BYTES):
        piece = data[start : start + GRAIN_BYTES]
        if piece != ZEROS[: len(piece)]:
            written = 0
            while written < len(piece):
                written += os.pwrite(descriptor, piece[written:], place + start + written)


def new_file(path: Path, size: int) -> None:
    """A file of ``size`` zero bytes that takes no room yet."""
    with open(path, "xb") as file:
        file.truncate(size)


def need_room(folder: Path, size: int, what: str) -> None:
    """Refuse to start what the host's disk cannot hold.

    Raises
    ------
    BoardsError
        ``folder``'s file system has less than ``size`` bytes free.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise BoardsError(
            f"{folder} has {free >> 20} MiB free, and {what} needs {(size >> 20) + 1}; "
            "free some, or choose another --out"
        )
