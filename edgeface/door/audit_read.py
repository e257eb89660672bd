"""Reading an audit log: its entries in order, those that are asked for, and those to come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Callable

from edgeface.door.audit_entry import decode, utc_text
from edgeface.door.audit_segment import read_lines, segment_numbers, segment_path, translated
from edgeface.errors import AuditError

_FOLLOW_S = 0.25


@dataclass(frozen=True)
class Filter:
    """Which entries are asked for: those that fit everything that is not None.

    Attributes
    ----------
    since, until
        UTC, aware. An entry without trusted time fits: it may be the one that is looked for.
    people
        Names or pseudonyms, of which the entry has one.
    reason, kind
        As entries have them.
    """

    since: datetime | None = None
    until: datetime | None = None
    people: frozenset[str] | None = None
    reason: str | None = None
    kind: str | None = None

    def fits(self, entry: dict[str, Any]) -> bool:
        """Tell whether an entry is asked for."""
        at = entry["utc"]
        if at is not None and self.since is not None and at < str(utc_text(self.since)):
            return False
        if at is not None and self.until is not None and at > str(utc_text(self.until)):
            return False
        if self.kind is not None and entry["kind"] != self.kind:
            return False
        if self.reason is not None and entry.get("reason") != self.reason:
            return False
        return self.people is None or bool(
            self.people & {entry.get("person"), entry.get("with_person")}
        )


def read_entries(folder: Path, *, broken: Callable[[str], object]) -> Iterator[dict[str, Any]]:
    """Yield a log's entries, oldest first, each whole in itself; `verify_log` checks more.

    Parameters
    ----------
    broken
        Called with a text for each line that is no whole entry; it is left out.

    Raises
    ------
    AuditError
        There is no log, or it cannot be read.
    """
    numbers = segment_numbers(folder)
    if not numbers:
        raise AuditError(f"{folder} holds no audit log: give the folder of [audit] path")
    for number in numbers:
        for position, line in enumerate(read_lines(segment_path(folder, number)), 1):
            yield from _whole(line, f"file {number}, line {position}", broken)


def log_end(folder: Path) -> tuple[int, int]:
    """Return where a log ends now: the number of its newest file, and the bytes in it."""
    number = max(segment_numbers(folder), default=1)
    path = segment_path(folder, number)
    return number, path.stat().st_size if path.exists() else 0


def follow_entries(
    folder: Path,
    *,
    start: tuple[int, int],
    broken: Callable[[str], object],
    ended: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, Any]]:
    """Yield the entries that are written after `start`, a `log_end`, until `ended` says so.

    Raises
    ------
    AuditError
        The log cannot be read any more.
    """
    number, offset = start
    while True:
        last_look = ended()
        lines = _lines_after(segment_path(folder, number), offset)
        for line in lines:
            offset += len(line)
            yield from _whole(line, f"file {number}", broken)
        if not lines and segment_path(folder, number + 1).exists():
            number, offset = number + 1, 0
        elif last_look:
            return
        elif not lines:
            time.sleep(_FOLLOW_S)


def _lines_after(path: Path, offset: int) -> list[bytes]:
    """Whole lines behind an offset; the file may not be there yet."""
    if not path.exists():
        return []
    with translated(path), path.open("rb") as stream:
        stream.seek(offset)
        return [line for line in stream.readlines() if line.endswith(b"\n")]


def _whole(line: bytes, where: str, broken: Callable[[str], object]) -> Iterator[dict[str, Any]]:
    try:
        yield decode(line.rstrip(b"\n"))
    except AuditError as error:
        broken(f"{where}: {error}")
