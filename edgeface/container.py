"""One file of named members: a zip whose members are stored, never compressed.

Bundles and gallery exports are both such files. What Python's ``zipfile`` tolerates and we do not:
duplicate names, paths, compression, encryption, declared sizes that the file cannot hold. A file
from a stranger is therefore measured before anything is read from it.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from edgeface.errors import (
    BundleError,
    BundleFormatError,
    BundleIntegrityError,
    EdgeFaceError,
    GalleryError,
    GalleryFormatError,
)

MEMBER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CHUNK_BYTES = 1 << 16
# Zip's end of central directory, its 64-bit form's pointer, and a local header without name and
# extra field: see its appnote, 4.3.16, 4.3.15, 4.3.7.
_END = struct.Struct("<4sHHHHIIH")
_END64_POINTER = b"PK\x06\x07"
_END64_POINTER_BYTES = 20
_LOCAL = struct.Struct("<4xHHH4xIIIHH")
_DIRECTORY_LIMIT_BYTES = 1 << 16  # some 600 members; zipfile makes an object of each
ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000  # traditional, strong, masked directory
_FOLDER_ATTRIBUTE = 0x10  # of MS-DOS
# What zipfile raises on a damaged file, by its documentation and by fuzzing.
ZIP_DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, struct.error,
    NotImplementedError, UnicodeDecodeError, ValueError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What a container is for: its name in messages, its largest size, its errors."""

    noun: str
    limit_bytes: int
    error: type[EdgeFaceError]
    format_error: type[EdgeFaceError]
    damage_error: type[EdgeFaceError]


BUNDLE = Kind("bundle", 512 << 20, BundleError, BundleFormatError, BundleIntegrityError)
GALLERY_EXPORT = Kind(
    "gallery export", 2 << 30, GalleryError, GalleryFormatError, GalleryFormatError
)


def member_sizes(path: Path, kind: Kind) -> dict[str, int]:
    """Check the container's outside and return the length in bytes of each member."""
    with _opened(path, kind) as archive:
        return {info.filename: info.file_size for info in archive.infolist()}


def read_member(path: Path, name: str, kind: Kind, *, limit_bytes: int) -> bytes:
    """Return one member; longer than ``limit_bytes`` is the kind's format error."""
    with _opened(path, kind) as archive:
        if name not in archive.namelist():
            raise kind.damage_error(f"{kind.noun} {path} has no {name}: was it replaced meanwhile?")
        found = archive.getinfo(name).file_size
        if found > limit_bytes:
            raise kind.format_error(
                f"{kind.noun} {path}: member {name} is {found} bytes, at most {limit_bytes} "
                "are accepted"
            )
        return archive.read(name)


def member_hashes(path: Path, kind: Kind) -> dict[str, str]:
    """Return the SHA-256 of each member, reading in chunks so that memory stays flat."""
    with _opened(path, kind) as archive:
        return {name: _hash_member(archive, name) for name in archive.namelist()}


def _hash_member(archive: zipfile.ZipFile, name: str) -> str:
    digest = sha256()
    with archive.open(name) as stream:
        for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def write_members(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a container in place; the same members give the same bytes on every machine and day.

    Wrap it in `replacing` to make it atomic. Raises ``OSError`` as it comes.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(_fixed_header(name), data)


@contextmanager
def replacing(path: Path, *, mode: int) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` that becomes ``path`` if the block succeeds."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, mode & ~_umask())
        sync_to_disk(temporary)
        os.replace(temporary, path)
        sync_to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_to_disk(path: Path) -> None:
    """``fsync`` a file, or a directory so that a rename in it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    current = os.umask(0o077)  # there is no call that only reads it
    os.umask(current)
    return current


def _fixed_header(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # Unix: ZipInfo would write the host's own
    info.external_attr = 0o644 << 16
    return info


@contextmanager
def _opened(path: Path, kind: Kind) -> Iterator[zipfile.ZipFile]:
    """Open and check; every failure of the file or of ``zipfile`` becomes the kind's own error."""
    try:
        with _open_regular(path, kind) as stream:
            _require_both_ends(stream, path, kind)
            with zipfile.ZipFile(stream) as archive:
                _check_entries(archive, path, kind)
                yield archive
    except OSError as error:
        reason = error.strerror or error
        raise kind.error(f"cannot read {kind.noun} {path}: {reason}; {_advice(error)}") from error
    except ZIP_DAMAGE as error:
        raise kind.damage_error(
            f"{kind.noun} {path} is damaged ({error}): copy or download it again"
        ) from error


def _open_regular(path: Path, kind: Kind) -> BinaryIO:
    # O_NONBLOCK: opening a named pipe by mistake must not wait for its writer for ever.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise kind.format_error(f"{path} is not a regular file: give the path of a {kind.noun}")
    return os.fdopen(handle, "rb")


def _advice(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "check the path, or copy the file there"
    if isinstance(error, PermissionError):
        return "give this user permission to read it (chmod, chown)"
    return "check the disk it is on"


def _require_both_ends(stream: BinaryIO, path: Path, kind: Kind) -> None:
    size = os.fstat(stream.fileno()).st_size
    if size == 0:
        raise kind.format_error(f"{kind.noun} {path} is empty (0 bytes): copy it again")
    if size > kind.limit_bytes:
        raise kind.format_error(
            f"{kind.noun} {path} is {size} bytes, at most {kind.limit_bytes} are accepted"
        )
    if stream.read(4) != b"PK\x03\x04":
        raise kind.format_error(
            f"{path} is not a {kind.noun}: it does not begin like a zip file (PK\\x03\\x04)"
        )
    stream.seek(max(0, size - _END.size - _END64_POINTER_BYTES))
    problem = end_problem(stream.read(), size=size)
    if problem:
        raise kind.damage_error(f"{kind.noun} {path} {problem}; copy or download it again")
    stream.seek(0)


def end_problem(tail: bytes, *, size: int) -> str:
    """Say what is wrong with a zip file's last 42 or more bytes; "" when they may be read on.

    zipfile searches backwards for a directory and would take that of a zip inside the zip, which
    is what a truncated file ends with. Ours end with their own directory, exactly, and with one
    that is small.
    """
    end = tail[-_END.size :].ljust(_END.size, b"\0")
    signature, _disk, _start, _here, _entries, length, offset, comment = _END.unpack(end)
    if signature != b"PK\x05\x06" or offset + length + _END.size != size or comment:
        return (
            "is truncated or has something appended: it begins like a zip but does not end with "
            "its directory"
        )
    if tail[-_END.size - _END64_POINTER_BYTES :].startswith(_END64_POINTER):
        return "has a second, 64-bit directory, which would be read in place of its own"
    if length > _DIRECTORY_LIMIT_BYTES:
        return f"has a directory of {length} bytes, at most {_DIRECTORY_LIMIT_BYTES} are accepted"
    return ""


def _check_entries(archive: zipfile.ZipFile, path: Path, kind: Kind) -> None:
    seen = set()
    for info in archive.infolist():
        reason = _refusal(info) or ("appears twice" if info.filename in seen else "")
        if reason:
            raise kind.format_error(f"{kind.noun} {path}: member {info.filename[:80]!r} {reason}")
        seen.add(info.filename)
    # Stored members cannot be longer than the file, unless sizes lie or members overlap.
    declared = sum(info.file_size for info in archive.infolist())
    held = os.fstat(archive.fp.fileno()).st_size
    if declared > held:
        raise kind.format_error(
            f"{kind.noun} {path}: members declare {declared} bytes, the whole file has {held}"
        )
    _check_layout(archive, path, kind)


def _check_layout(archive: zipfile.ZipFile, path: Path, kind: Kind) -> None:
    """No other reader finds another archive in it: no gap, no overlap, nothing told twice."""
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        archive.fp.seek(info.header_offset)
        local = _LOCAL.unpack(archive.fp.read(_LOCAL.size))
        told = (info.flag_bits, info.compress_type, info.CRC, info.compress_size, info.file_size)
        if info.header_offset != end or local[1:6] != told:
            raise kind.format_error(
                f"{kind.noun} {path}: the directory says of {info.filename} what the file does not "
                f"hold at byte {end}: members follow one another without a gap; write it again"
            )
        end += _LOCAL.size + sum(local[6:]) + info.compress_size
    if end != archive.start_dir:
        raise kind.format_error(
            f"{kind.noun} {path}: members end at byte {end}, the directory begins at byte "
            f"{archive.start_dir}: nothing may be between; write it again"
        )


def _refusal(info: zipfile.ZipInfo) -> str:
    if info.orig_filename != info.filename or not MEMBER_NAME.fullmatch(info.filename):
        return "is not a plain file name (letters, digits, '.', '_', '-'; no directories)"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or info.external_attr & _FOLDER_ATTRIBUTE:
        return "is a link, a folder or a device: members are plain files"
    if info.flag_bits & ENCRYPTED_FLAGS:
        return "is encrypted: members are stored as they are"
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        return "is compressed: members are stored (zip -0)"
    return ""
