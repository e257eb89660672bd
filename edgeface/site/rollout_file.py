"""The files that are rolled out: looked at, and kept in a folder under their SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeface.container import sync_to_disk
from edgeface.door.config import SCHEMA, read_config
from edgeface.errors import BoardError, DoorError, SiteError
from edgeface.kit_archive import read_kit_facts
from edgeface.toml import read_toml

_DAY_S = 86400.0


@dataclass(frozen=True)
class RolloutFile:
    """A file that is kept.

    Attributes
    ----------
    sha256
        Of its bytes, in hex.
    bytes
        Its size.
    label
        What it is, for people.
    """

    sha256: str
    bytes: int
    label: str


def keep_file(kind: str, file: Path, *, doors: Sequence[str], folder: Path) -> RolloutFile:
    """Look at a file of a kind and copy it into a folder, on the disk when this returns.

    Raises
    ------
    SiteError
        It is no kit, or no configuration for these doors, or cannot be read or kept.
    """
    label = _kit_label(file) if kind == "kit" else _config_label(file, doors)
    try:
        handle, new = tempfile.mkstemp(dir=folder, prefix=".new-")
        os.close(handle)
        shutil.copyfile(file, new)
        digest = file_sha256(Path(new))
        os.replace(new, folder / digest)
        sync_to_disk(folder)
    except OSError as error:
        raise SiteError(f"the file cannot be kept in {folder}: {error.strerror}") from error
    return RolloutFile(digest, (folder / digest).stat().st_size, label)


def forget_files(folder: Path, *, but: Collection[str]) -> None:
    """Delete the files that are kept, but those of these SHA-256; and what was left behind."""
    for file in folder.iterdir():
        on_its_way = file.name.startswith(".") and time.time() - file.stat().st_mtime < _DAY_S
        if file.name not in but and not on_its_way:
            file.unlink(missing_ok=True)


def file_sha256(file: Path) -> str:
    """Return a file's SHA-256, in hex; the file is on the disk when this returns."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
        os.fsync(stream.fileno())
    return digest.hexdigest()


def _kit_label(file: Path) -> str:
    facts = read_kit_facts(file)
    return f"kit {facts.name}: edgeface {facts.version} for {facts.board}"


def _config_label(file: Path, doors: Sequence[str]) -> str:
    """Check a whole door.toml, or tables and keys for each door's own, and say which it is."""
    try:
        tables = read_toml(file)
        if tables and "name" in tables:
            name = read_config(file).name
            if list(doors) != [name]:
                raise SiteError(
                    f"the file is the whole door.toml of {name}, found doors "
                    f"{', '.join(doors)}: leave name out to change the same keys at several doors"
                )
            return f"door.toml of {name}"
    except (BoardError, DoorError) as error:
        raise SiteError(str(error).replace(str(file.absolute()), "the file")) from error
    unknown = sorted(set(tables or {}) - set(SCHEMA["properties"]))
    if not tables or unknown:
        found = unknown[0] if unknown else "nothing"
        raise SiteError(f"the file holds {found}: expected tables of a door.toml")
    return f"door.toml: {', '.join(sorted(tables))}"
