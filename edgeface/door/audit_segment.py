"""The files of an audit log: their names, reading them, and adding a line that is on the disk."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeface.container import replacing, sync_to_disk
from edgeface.door.audit_entry import LINE_LIMIT_BYTES, decode
from edgeface.errors import AuditError

HEAD = "head.jsonl"
LOCK = "lock"
_NAME = re.compile(r"audit-(\d{6})\.jsonl")


@dataclass(frozen=True)
class Tail:
    """What the newest segment ends with.

    Attributes
    ----------
    entries
        Its entries, whole and chained to one another.
    size
        Bytes that they take.
    torn
        Bytes after them: a line that was being written when power went.
    """

    entries: tuple[dict[str, Any], ...]
    size: int
    torn: bytes


def segment_path(folder: Path, number: int) -> Path:
    """Return the file of segment `number`, from 1."""
    return folder / f"audit-{number:06}.jsonl"


def segment_numbers(folder: Path) -> list[int]:
    """Return the numbers of the segments that are there, oldest first.

    Raises
    ------
    AuditError
        The folder cannot be read.
    """
    with translated(folder):
        found = (_NAME.fullmatch(name) for name in os.listdir(folder))
        return sorted(int(match[1]) for match in found if match)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the disk's errors into ours, with what to do."""
    try:
        yield
    except OSError as error:
        text = error.strerror or str(error)
        raise AuditError(f"audit log {path}: {text}: {_advice(error)}") from error


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full; free some space: until then no face opens the door"
    if error.errno == errno.EROFS:
        return "the disk is read-only; make it writable: until then no face opens the door"
    return "check the path, its permissions and the disk"


def lock(folder: Path) -> int:
    """Take the log for this process and return the handle that holds it.

    Raises
    ------
    AuditError
        Another process writes this log.
    """
    with translated(folder):
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise AuditError(
                f"audit log {folder} is being written by another process: one door, one log; "
                "stop the other one or give this door a folder of its own"
            ) from error
    return handle


def is_locked(folder: Path) -> bool:
    """Tell whether a process is writing this log; False where that cannot be found out."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield a segment's lines with their line ends; the last may lack its own.

    No more than one byte beyond what a line may have is read at once, whatever the file is.

    Raises
    ------
    AuditError
        It cannot be read.
    """
    with translated(path), path.open("rb") as stream:
        while True:
            line = stream.readline(LINE_LIMIT_BYTES + 2)
            if not line:
                return
            yield line


def read_tail(path: Path) -> Tail:
    """Read the newest segment.

    Raises
    ------
    AuditError
        It is damaged elsewhere than in its last line.
    """
    entries: list[dict[str, Any]] = []
    size = 0
    lines = list(read_lines(path))
    for position, line in enumerate(lines):
        problem = _add_whole(entries, line)
        if problem and position + 1 < len(lines):
            raise AuditError(
                f"audit log {path} is damaged at line {position + 1}: {problem}; 'edgeface audit "
                "verify' says more. Move its folder away to keep it, and a new log is begun"
            )
        if problem:
            return Tail(tuple(entries), size, line)
        size += len(line)
    return Tail(tuple(entries), size, b"")


def _add_whole(entries: list[dict[str, Any]], line: bytes) -> str | None:
    """Add a line's entry, or say why it is none that follows the last."""
    if not line.endswith(b"\n"):
        return "the line has no end"
    try:
        entry = decode(line[:-1])
    except AuditError as error:
        return str(error)
    if entries and (entry["prev"], entry["seq"]) != (entries[-1]["hash"], entries[-1]["seq"] + 1):
        return f"entry {entry['seq']} does not follow entry {entries[-1]['seq']}"
    entries.append(entry)
    return None


def last_entry(path: Path) -> dict[str, Any]:
    """Return a finished segment's last entry, without reading the others.

    Raises
    ------
    AuditError
        It cannot be read or is no whole entry.
    """
    with translated(path), path.open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - LINE_LIMIT_BYTES - 1))
        data = stream.read()
    return decode(data.rstrip(b"\n").rpartition(b"\n")[2])


def write_head(folder: Path, line: bytes) -> None:
    """Replace the head, which is the newest signed line: it shows when the log's end is cut off."""
    with translated(folder), replacing(folder / HEAD, mode=0o644) as temporary:
        temporary.write_bytes(line)


class SegmentWriter:
    """An open segment. A line is added whole and on the disk, or not at all.

    Attributes
    ----------
    path
        The file.
    size
        Its bytes.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        with translated(path):
            self._handle = os.open(path, flags | (os.O_CREAT | os.O_EXCL if create else 0), 0o640)
            found = os.fstat(self._handle)
        self.size = found.st_size
        self._file = (found.st_dev, found.st_ino)
        self._unfinished = False
        self._process = os.getpid()

    def append(self, line: bytes) -> None:
        """Add a line; when this returns, a power cut does not take it away.

        Raises
        ------
        AuditError
            The disk refused it, or somebody else changed the file; nothing was added.
        """
        self._require_ours()
        with translated(self.path):
            if self._unfinished:
                self.cut(self.size)
            self._unfinished = True
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(self._handle, rest) :]
                os.fdatasync(self._handle)
            except OSError:
                self.cut(self.size)
                raise
        self._unfinished = False
        self.size += len(line)

    def cut(self, size: int) -> None:
        """Take away what is behind `size` bytes; for use inside `translated`."""
        os.ftruncate(self._handle, size)
        os.fdatasync(self._handle)
        self._unfinished = False
        self.size = size

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _require_ours(self) -> None:
        if os.getpid() != self._process:
            raise AuditError(f"audit log {self.path} was opened before this process was forked")
        with translated(self.path):
            found = os.stat(self.path)
            inside = os.fstat(self._handle)
        same = (found.st_dev, found.st_ino) == self._file
        if not same or (inside.st_size != self.size and not self._unfinished):
            raise AuditError(
                f"audit log {self.path} was deleted, replaced or changed by another program while "
                "the door had it open: keep it as evidence, and start the door again"
            )


def discard(path: Path) -> None:
    """Delete a file and have that on the disk; for use inside `translated`."""
    path.unlink()
    sync_to_disk(path.parent)
