"""The site's own audit log: every change by anybody, chained and signed as a door's log is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgeface.door.audit import AuditKey, AuditLog, Build, Limits, act_record
from edgeface.door.audit_entry import decode
from edgeface.door.audit_segment import read_lines, segment_numbers, segment_path
from edgeface.door.audit_verify import verify_log
from edgeface.door.audit_walk import Report
from edgeface.door.event import Moment
from edgeface.errors import AuditError
from edgeface.site.database import Database


class Acts:
    """An open log that threads may share; one process at a time. `close` it.

    Who did something is "user:NAME", "token:NAME" or "door:NAME"; people appear by their uid.

    Raises
    ------
    AuditError
        It cannot be written, another process writes it, or it is not whole.
    """

    def __init__(
        self, path: Path, *, key: AuditKey, build: Build, limits: Limits | None = None
    ) -> None:
        self._path, self._key, self._lock = path, key, threading.Lock()
        self._log = AuditLog(
            path, key=key, door="site", build=build, limits=limits, quality=lambda: "system"
        )

    def write(self, act: str, *, by: str, detail: str = "") -> int:
        """Add an act and return its number; it is on the disk then.

        Raises
        ------
        AuditError
            It could not be written.
        """
        moment = Moment(time.monotonic(), datetime.now(timezone.utc))
        with self._lock:
            return self._log.write(act_record(moment, act=act, by=by, detail=detail))

    def find(self, *, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
        """Return acts, newest first: at most `limit`, of numbers below `before`."""
        found: list[dict[str, Any]] = []
        for entry in self._backwards():
            if entry["kind"] != "act" or (before is not None and entry["seq"] >= before):
                continue
            found.append(entry)
            if len(found) == limit:
                break
        return found

    def verify(self) -> Report:
        """Check the whole log, its chain and its signatures."""
        return verify_log(self._path, keys={self._key.id: self._key.public})

    def take_over(self, database: Database) -> None:
        """Write what the command line left in the database while it had no access to the log."""
        with database.transaction() as connection:
            rows = connection.execute(
                "SELECT at, act, by, detail, id FROM site_act_waiting ORDER BY id FOR UPDATE"
            ).fetchall()
            for at, act, by, detail, number in rows:
                self.write(
                    act,
                    by=by,
                    detail=f"{detail} ({at.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC)",
                )
                connection.execute("DELETE FROM site_act_waiting WHERE id = %s", (number,))

    def tick(self) -> None:
        """Sign what is due; call it every few seconds."""
        with self._lock:
            self._log.tick()

    def close(self) -> None:
        """Write the last checkpoint and let go; closing twice is harmless."""
        with self._lock:
            self._log.close()

    def __enter__(self) -> Acts:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _backwards(self) -> Iterator[dict[str, Any]]:
        for number in reversed(segment_numbers(self._path)):
            for line in reversed(list(read_lines(segment_path(self._path, number)))):
                try:
                    yield decode(line.rstrip(b"\n"))
                except AuditError:  # torn, or being written: `verify` tells
                    continue


def leave_act(database: Database, act: str, *, by: str, detail: str) -> None:
    """Note an act where the log is another process's, which takes it over in some seconds."""
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO site_act_waiting (act, by, detail) VALUES (%s, %s, %s)", (act, by, detail)
        )
