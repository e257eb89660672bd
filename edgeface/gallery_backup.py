"""Copying a gallery while it is in use; the list of its copies."""

from __future__ import annotations

import fcntl
import glob
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from edgeface.container import sync_to_disk
from edgeface.errors import GalleryError
from edgeface.gallery_database import open_database, pragma
from edgeface.gallery_person import now

_PAGES_A_STEP = 64
_SCHEMA_1 = ".schema1-"


def back_up(path: Path, target: Path) -> None:
    """Copy a gallery, as it is at one moment, into ``target``: whole or not at all, mode 0600.

    Whoever enrols meanwhile is not kept waiting. For use inside
    `edgeface.gallery_database.translated`.
    """
    with _replacing_alone(target) as temporary, closing(open_database(path)) as source:
        # A transaction that reads: so the copy is of one moment, and never begins anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM setting").fetchone()
        with closing(sqlite3.connect(temporary, isolation_level=None)) as copy:
            source.backup(copy, pages=_PAGES_A_STEP, sleep=0)
            # One file, no log beside it; whoever opens it as a gallery turns the log on again.
            pragma(copy, "journal_mode=DELETE")
            verdict = pragma(copy, "quick_check(1)")
        if verdict != "ok":
            raise GalleryError(f"the backup of {path} is not whole ({verdict}): check its disk")


def name_for_schema_1(path: Path) -> Path:
    """Return where the copy goes that is made before a gallery leaves schema 1."""
    return path.with_name(f"{path.name}{_SCHEMA_1}{now().replace(':', '')}")


def list_schema_1(db: sqlite3.Connection, *, path: Path) -> None:
    """List all copies that upgrades made, also those of upgrades that were interrupted."""
    pattern = f"{glob.escape(path.name)}{_SCHEMA_1}*"
    for place in sorted(path.parent.glob(pattern)):
        list_backup(db, place)
    for temporary in path.parent.glob(f".{pattern}.part"):
        _remove(temporary)


def list_backup(db: sqlite3.Connection, place: Path) -> None:
    """Note in a gallery, inside a transaction, that there is a copy of it, or another one there."""
    told = os.fsencode(place).decode("utf-8", "replace")
    db.execute("DELETE FROM backup WHERE path = ?", (told,))
    db.execute("INSERT INTO backup (path, made_at) VALUES (?, ?)", (told, now()))


def listed_backups(db: sqlite3.Connection, *, since: str = "") -> tuple[tuple[str, str], ...]:
    """Return (path, time) of the copies made at ``since`` or later."""
    sql = "SELECT path, made_at FROM backup WHERE made_at >= ? ORDER BY id"
    return tuple(db.execute(sql, (since,)))


def remove_leftovers(places: Iterable[str]) -> None:
    """Delete what copying into these places left when it was killed: nobody knows of it."""
    for place in set(places):
        _remove(_temporary(Path(place)))


def _remove(temporary: Path) -> None:
    try:
        handle = os.open(temporary, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # nothing there, or a disk that is not there now
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _unlink(temporary)
    except BlockingIOError:  # being written at this moment
        pass
    finally:
        os.close(handle)


@contextmanager
def _replacing_alone(target: Path) -> Iterator[Path]:
    """As `edgeface.container.replacing`, under a name by which `remove_leftovers` finds it."""
    temporary = _temporary(target)
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(handle, target)
        os.ftruncate(handle, 0)
        try:
            yield temporary
            os.fsync(handle)
            os.replace(temporary, target)
            sync_to_disk(target.parent)
        finally:
            _unlink(temporary)
    finally:
        os.close(handle)


def _lock(handle: int, target: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise GalleryError(
            f"another process is writing a backup to {target}: wait, or name another file"
        ) from error


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _unlink(temporary: Path) -> None:
    for name in (temporary, f"{temporary}-journal", f"{temporary}-wal", f"{temporary}-shm"):
        Path(name).unlink(missing_ok=True)
