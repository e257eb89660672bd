"""Is on the board what is in the image? Compared piece by piece, with progress."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from boards.errors import BoardsError

CHUNK_BYTES = 4 << 20
BLKFLSBUF = 0x1261  # ioctl of <linux/fs.h>: forget what the kernel holds of this device


def compare(
    image: Path, read: Callable[[int, int], bytes], *, chunk: int = CHUNK_BYTES, where: str
) -> None:
    """Compare an image with what ``read(start, length)`` gives.

    Raises
    ------
    BoardsError
        The first byte that differs, or what was read is too short.
    """
    size = image.stat().st_size
    with open(image, "rb") as opened:
        for start in range(0, size, chunk):
            wanted = opened.read(min(chunk, size - start))
            found = read(start, len(wanted))
            if found != wanted:
                place = start + _first_difference(wanted, found)
                raise BoardsError(
                    f"{where} differs from {image} at byte {place}: the medium is worn out or was "
                    "taken away; write again, or take another"
                )
            _progress("verified", start + len(wanted), size)


def _first_difference(wanted: bytes, found: bytes) -> int:
    pairs = enumerate(zip(wanted, found))
    return next((n for n, (a, b) in pairs if a != b), min(len(wanted), len(found)))


def _progress(word: str, done: int, size: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == size else ""
        print(f"\r{word} {100 * done // size:3d} %", end=end, file=sys.stderr, flush=True)


def disk_reader(path: Path) -> Iterator[Callable[[int, int], bytes]]:
    """Reads a disk or file itself, not what the kernel remembers of writing it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        try:
            fcntl.ioctl(descriptor, BLKFLSBUF)
        except OSError:  # a file has no such ioctl
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        yield lambda start, length: os.pread(descriptor, length, start)
    finally:
        os.close(descriptor)
