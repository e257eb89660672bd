"""A kit as one file: a plain tar of the kit's folder, as ``tar -cf kit.tar FOLDER`` makes it.

Nothing in it is believed here: who made a kit, and whether it is whole, is checked by
``edgeface-slot``, on the unpacked folder.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgeface.errors import SiteError

_MEMBERS_LIMIT = 10_000
_FACTS_LIMIT = 65536
_NEEDED = ("kit.json", "SHA256SUMS", "slot.py")


@dataclass(frozen=True)
class KitFacts:
    """What a kit says of itself.

    Attributes
    ----------
    name
        Its folder, such as ``edgeface-0.1.0-rk3576``.
    version, board
        Of edgeface; and the board that it is for.
    """

    name: str
    version: str
    board: str


def read_kit_facts(archive: Path) -> KitFacts:
    """Return what the kit in an archive says of itself.

    Raises
    ------
    SiteError
        It is no plain tar of one kit's folder, or holds anything but files and folders.
    """
    with _opened(archive) as (tar, members):
        return _facts(tar, members)


def unpack_kit(archive: Path, folder: Path) -> Path:
    """Write the kit's folder, plain files only, into an empty folder, and return it.

    Raises
    ------
    SiteError
        As `read_kit_facts`.
    OSError
        It could not be written; or a name is there twice.
    """
    with _opened(archive) as (tar, members):
        name = _facts(tar, members).name
        for path, member in members.items():
            if member.isdir():
                (folder / path).mkdir(mode=0o755, parents=True, exist_ok=True)
            else:
                (folder / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                _write(tar.extractfile(member), folder / path)
    return folder / name


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[tarfile.TarFile, dict[str, tarfile.TarInfo]]]:
    """Give the archive and its members by path; errors of reading are a SiteError."""
    try:
        with tarfile.open(archive, "r:") as tar:
            yield tar, _members(tar)
    except tarfile.TarError as error:
        raise SiteError(
            f"the file is not a plain tar archive ({error}): tar -cf kit.tar FOLDER makes one"
        ) from error


def _members(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    members: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        path = member.name[2:] if member.name.startswith("./") else member.name
        parts = path.split("/")
        if not (member.isreg() or member.isdir()) or {"", ".", ".."} & set(parts):
            if path == "." and member.isdir():
                continue
            raise SiteError(f"the archive holds {path!r}: expected plain files and folders only")
        if path in members or len(members) == _MEMBERS_LIMIT:
            raise SiteError(f"the archive holds {path!r} twice, or over {_MEMBERS_LIMIT} files")
        members[path] = member
    return members


def _facts(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> KitFacts:
    folders = {path.split("/")[0] for path in members}
    name = min(folders, default="")
    missing = [file for file in _NEEDED if f"{name}/{file}" not in members]
    if len(folders) != 1 or missing:
        lacks = f", no {missing[0]}" if missing else ""
        raise SiteError(f"the archive holds {len(folders)} folders{lacks}: expected one kit's")
    stream = tar.extractfile(members[f"{name}/kit.json"])
    try:
        facts = json.loads(stream.read(_FACTS_LIMIT) if stream else b"")
        return KitFacts(name, str(facts["version"]), str(facts["board"]))
    except (ValueError, KeyError, TypeError) as error:
        raise SiteError(f"the archive's kit.json is none of a kit: {error!r}") from error


def _write(source: IO[bytes] | None, place: Path) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "wb") as stream:
        if source:
            shutil.copyfileobj(source, stream, 1 << 20)
