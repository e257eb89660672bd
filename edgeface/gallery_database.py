"""The gallery's database file: made whole, recognised or refused, its errors explained.

Journal: write-ahead log, so that identification never waits for an enrolment. synchronous=FULL,
because a door loses power without warning and WAL with NORMAL may forget the last commits;
enrolments are rare, so a sync each costs nothing that anybody notices. secure_delete, because
whoever asks to be removed must be gone from the disk too.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from edgeface.container import sync_to_disk
from edgeface.errors import GalleryError, GalleryFormatError

APPLICATION_ID = 0x45464731  # "EFG1"
SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 10.0
SCHEMA = {
    "setting": "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "person": """CREATE TABLE person (
        id INTEGER PRIMARY KEY,
        uid BLOB NOT NULL UNIQUE,
        tag BLOB NOT NULL UNIQUE,
        record BLOB NOT NULL)""",
    "template": """CREATE TABLE template (
        id INTEGER PRIMARY KEY,
        person_id INTEGER NOT NULL REFERENCES person(id) ON DELETE CASCADE,
        model_id TEXT NOT NULL,
        embedding BLOB NOT NULL,
        digest BLOB NOT NULL,
        UNIQUE (person_id, digest))""",
    "backup": """CREATE TABLE backup (
        id INTEGER PRIMARY KEY,
        path TEXT NOT NULL,
        made_at TEXT NOT NULL)""",
    "erasure": """CREATE TABLE erasure (
        id INTEGER PRIMARY KEY,
        receipt TEXT NOT NULL)""",
}


# As galleries are that older versions made; gallery_schema1.py reads them.
SCHEMA_1 = {
    "setting": SCHEMA["setting"],
    "person": """CREATE TABLE person (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        enrolled_at TEXT NOT NULL)""",
    "template": SCHEMA["template"],
}
_SCHEMAS = {1: SCHEMA_1, SCHEMA_VERSION: SCHEMA}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the disk's errors into ours, with what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except OSError as error:
        text = error.strerror or str(error)
        raise GalleryError(f"gallery {path}: {text}: {_os_advice(error)}") from error


def _translate(error: sqlite3.Error, path: Path) -> GalleryError:
    # By text: sqlite_errorcode came with Python 3.11, boards have 3.9.
    text = str(error).rstrip(".").partition(" with text ")[0]  # what follows may be a person's data
    if any(sign in text for sign in ("not a database", "malformed", "decode to UTF-8")):
        return GalleryFormatError(damaged(path, text))
    advice = next(
        (advice for sign, advice in _ADVICE.items() if sign in text), "nothing was changed"
    )
    return GalleryError(f"gallery {path}: {text}: {advice}")


_ADVICE = {
    "readonly": "the disk, the directory or the file is read-only; make it writable or use another "
    "path",
    "unable to open": "the disk or the directory is read-only, or this user has no permission; the "
    "log beside the gallery needs a writable directory",
    "full": "free some space and try again; nothing was changed",
    "I/O error": "the disk is full, at a size limit, or failing; nothing was changed",
    "locked": f"another process has been writing for {BUSY_TIMEOUT_S:g} s; try again",
    "closed": "open the gallery again",
}


def _os_advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full; free some space and try again"
    if error.errno == errno.EROFS:
        return "the disk is read-only; make it writable or use another path"
    return "check the path and its permissions"


def damaged(path: Path, what: str) -> str:
    """Return the text about a damaged gallery."""
    return (
        f"gallery {path} is damaged or not a gallery ({what}): restore it from a backup, or "
        "from an export with import_file into a new gallery; this file was left as it is"
    )


def file_identity(path: Path) -> tuple[int, int]:
    """Return (device, inode), which a replaced file does not share; (0, 0) when missing."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


def open_database(path: Path) -> sqlite3.Connection:
    """Open an existing gallery after checking that it is one; for use inside `translated`.

    Raises ``GalleryFormatError`` and changes nothing when it is not, is damaged, or has another
    schema version.
    """
    db = _connect(path)
    try:
        db.execute("BEGIN")  # so that all of it is of one schema: another process may upgrade it
        _check(db, path)
        db.execute("ROLLBACK")
        for setting in ("foreign_keys=ON", "synchronous=FULL", "secure_delete=ON"):
            db.execute(f"PRAGMA {setting}").fetchall()
        if pragma(db, "journal_mode") != "wal":  # restored by a tool that changed it
            pragma(db, "journal_mode=WAL")
    except BaseException:
        db.close()
        raise
    return db


def is_encrypted(path: Path) -> bool:
    """Tell whether a gallery needs a key, without touching it; one that is being changed may err.

    Raises ``GalleryError`` when it is no gallery or cannot be read.
    """
    with translated(path):
        _require_file(path)
        uri = path.absolute().as_uri() + "?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as db:
            _check_version(db, path)
            found = db.execute("SELECT count(*) FROM setting WHERE key = 'key'").fetchone()
    return found[0] > 0


def pragma(db: sqlite3.Connection, text: str):
    """Run a pragma and return its first value."""
    return db.execute(f"PRAGMA {text}").fetchone()[0]


def _check_version(db: sqlite3.Connection, path: Path) -> int:
    if pragma(db, "application_id") != APPLICATION_ID:
        raise GalleryFormatError(
            f"{path} is a database of another program: give the path of a gallery, or one that "
            "does not exist yet"
        )
    version = pragma(db, "user_version")
    if version not in _SCHEMAS:
        what = "upgrade edgeface" if version > SCHEMA_VERSION else "restore it from an export"
        raise GalleryFormatError(
            f"gallery {path} has schema version {version}, this edgeface reads 1 and "
            f"{SCHEMA_VERSION}: {what}; nothing was changed"
        )
    return version


def _check(db: sqlite3.Connection, path: Path) -> None:
    version = _check_version(db, path)
    verdict = pragma(db, "quick_check(1)")
    if verdict != "ok":
        raise GalleryFormatError(damaged(path, " ".join(verdict.split())))
    found = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    if found != _SCHEMAS[version]:
        raise GalleryFormatError(damaged(path, "its tables are not those of a gallery"))


def _require_file(path: Path) -> None:
    if path.stat().st_size == 0:
        raise GalleryFormatError(damaged(path, "0 bytes"))
    if not path.is_file():
        raise GalleryFormatError(f"{path} is not a regular file: give the path of a gallery")


def _connect(path: Path) -> sqlite3.Connection:
    _require_file(path)
    return sqlite3.connect(
        path.as_uri() + "?mode=rw",  # never creates: that is for `create_database`
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def create_database(path: Path, settings: dict[str, str], *, allowed: bool) -> None:
    """Make an empty gallery beside ``path`` and then give it the name.

    So a gallery that is there is whole, an empty file means loss and never a crash during
    creation, and of two processes that create at once one wins and both open the same. For use
    inside `translated`.
    """
    if not allowed:
        raise GalleryError(f"there is no gallery {path}: check the path, or enrol somebody first")
    log = Path(f"{path}-wal")
    if log.exists() and not os.path.lexists(path):  # else another process has just created both
        raise GalleryError(
            f"gallery {path} is missing but its log {log} is there: put the gallery back beside it"
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    os.close(handle)
    try:
        _write_empty(name, settings)
        _publish(name, path)
    finally:
        for leftover in (name, f"{name}-wal", f"{name}-shm"):
            Path(leftover).unlink(missing_ok=True)


def _write_empty(name: str, settings: dict[str, str]) -> None:
    with closing(sqlite3.connect(name, isolation_level=None)) as db:
        db.execute("PRAGMA page_size=8192")  # 3 templates a page; in the usual 4096 there is one
        db.execute("PRAGMA journal_mode=WAL").fetchall()
        db.execute("BEGIN")
        for sql in SCHEMA.values():
            db.execute(sql)
        db.executemany("INSERT INTO setting VALUES (?, ?)", settings.items())
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    sync_to_disk(Path(name))


def _publish(name: str, path: Path) -> None:
    # A rename would replace the gallery of a process that was faster, and hard links, which would
    # not, are missing on memory cards' exFAT. So whoever looks and renames holds the directory.
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        if not os.path.lexists(path):
            os.rename(name, path)
            os.fsync(directory)
    finally:
        os.close(directory)
