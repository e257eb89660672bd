"""The gallery: is it encrypted, and is its key kept?"""

from __future__ import annotations

from pathlib import Path

from edgeface.doctor.finding import FAIL, OK, WARN, Finding
from edgeface.errors import GalleryError, GalleryKeyError
from edgeface.gallery_database import is_encrypted
from edgeface.gallery_key import KEY_VARIABLE, GalleryKey

_NAME = "gallery"


def check_gallery(path: Path) -> Finding:
    """Say whether whoever has the gallery's file has its templates; nothing is opened with a key.

    Parameters
    ----------
    path
        Where the gallery is, or would be.
    """
    if not path.exists():
        return Finding(_NAME, OK, f"none at {path}")
    try:
        encrypted = is_encrypted(path)
    except GalleryError as error:
        return Finding(_NAME, FAIL, str(error), "restore it from a backup, or name another one")
    if not encrypted:
        remedy = f"edgeface gallery new-key FILE, then {KEY_VARIABLE}=FILE edgeface gallery encrypt"
        return Finding(_NAME, WARN, f"{path} is not encrypted: its file is its templates", remedy)
    if path.stat().st_mode & 0o077:
        return Finding(_NAME, WARN, f"{path} is readable by others", f"chmod 600 {path}")
    return _check_key(path)


def _check_key(path: Path) -> Finding:
    try:
        key = GalleryKey.from_environment()
    except GalleryKeyError as error:
        return Finding(_NAME, FAIL, str(error), f"correct {KEY_VARIABLE} or the key file")
    how = "" if key is None else f", key file by {KEY_VARIABLE}"
    return Finding(_NAME, OK, f"{path} is encrypted{how}")
