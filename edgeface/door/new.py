"""A new door's folder: settings to edit, and the keys that nobody else may have."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgeface.door.audit_key import make_audit_key
from edgeface.errors import DoorError
from edgeface.gallery_key import write_key_file

_TEMPLATE = Path(__file__).with_name("template.toml")


def make_door(folder: str | Path) -> Iterator[Path]:
    """Write door.toml, gallery.key and audit.pem into a folder, and yield each when it is there.

    Raises
    ------
    DoorError
        The folder holds one of them already; nothing is written then.
    OSError
        It cannot be written.
    """
    folder = Path(folder)
    files = {
        folder / "door.toml": lambda path: shutil.copyfile(_TEMPLATE, path),
        folder / "gallery.key": write_key_file,
        folder / "audit.pem": make_audit_key,
    }
    there = [path.name for path in files if os.path.lexists(path)]
    if there:
        raise DoorError(f"{folder} has {', '.join(there)} already: name another folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, make in files.items():
        make(path)
        yield path
