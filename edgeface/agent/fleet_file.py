"""Files of a roll-out that are whole or not there, whatever happens to the power."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def write_whole(path: Path, data: bytes, *, like: Path | None = None, mode: int = 0o600) -> None:
    """Write a file so that a power cut leaves the old one or the new one.

    Parameters
    ----------
    like
        A file whose mode and owner it gets; None: `mode`, and this process's user.
    """
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as stream:
        stream.write(data)
        if like is None:
            os.fchmod(stream.fileno(), mode)
        else:
            found = like.stat()
            os.fchown(stream.fileno(), found.st_uid, found.st_gid)
            os.fchmod(stream.fileno(), found.st_mode & 0o7777)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(new, path)
    sync_folder(path.parent)


def replace_whole(source: Path, path: Path) -> None:
    """Put a file that is on the disk in another's place, in one rename."""
    os.replace(source, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
