"""Copying a gallery while it is in use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from edgeface.container import replacing
from edgeface.errors import GalleryError
from edgeface.gallery_database import open_database, pragma

_PAGES_A_STEP = 64


def back_up(path: Path, target: Path) -> None:
    """Copy a gallery, as it is at one moment, into ``target``: whole or not at all, mode 0600.

    Whoever enrols meanwhile is not kept waiting. For use inside
    `edgeface.gallery_database.translated`.
    """
    with replacing(target, mode=0o600) as temporary:
        with closing(open_database(path)) as source:
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
