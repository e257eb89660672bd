"""Reading a door's audit log from any number on, over its files, while the door writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeface.door.audit_entry import LINE_LIMIT_BYTES, decode
from edgeface.door.audit_segment import (
    last_entry,
    read_lines,
    segment_numbers,
    segment_path,
    translated,
)
from edgeface.errors import AuditError


@dataclass(frozen=True)
class Line:
    """One line of a log.

    Attributes
    ----------
    log_id, seq
        Which line of which log.
    line
        Its bytes, without line end.
    entry
        What it says.
    missing_from
        The lines from this number up to this one are not there; None: the one before is.
    """

    log_id: str
    seq: int
    line: bytes
    entry: dict[str, Any]
    missing_from: int | None = None


class LogReader:
    """Goes along a log. It holds no file open, and writes nothing.

    Parameters
    ----------
    folder
        The log's; it need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log_id = ""
        self._segment = self._offset = self._seq = 0

    def log_id(self) -> str | None:
        """Return the id of the log that is in the folder now; None where there is none.

        Raises
        ------
        AuditError
            It cannot be read.
        """
        for number in reversed(self._numbers()):
            first = self._first(number)
            if first is not None:
                return first["log"]
        return None

    def last_seq(self) -> int:
        """Return the number of the last whole line; 0 where there is none.

        Raises
        ------
        AuditError
            It cannot be read.
        """
        for number in reversed(self._numbers()):
            try:
                return last_entry(segment_path(self._folder, number))["seq"]
            except AuditError:  # its end is torn, or just being written
                whole = [found["seq"] for _, _, found in self._whole(number, 0)]
                if whole:
                    return whole[-1]
        return 0

    def go_to(self, seq: int) -> None:
        """Go on behind the line of a number, or at the first one that is there.

        Raises
        ------
        AuditError
            The log cannot be read.
        """
        numbers = self._numbers()
        self._log_id = self.log_id() or ""
        self._segment, self._offset, self._seq = (numbers or [0])[0], 0, seq
        for number in reversed(numbers):
            first = self._first(number)
            if first is not None and first["seq"] <= seq + 1:
                self._segment = number
                return

    def lines(self) -> Iterator[Line]:
        """Yield the whole lines that are there behind the last one that was yielded.

        Raises
        ------
        AuditError
            The log cannot be read; ask again.
        """
        while True:
            yield from self._lines_of_segment()
            later = [number for number in self._numbers() if number > self._segment]
            if not later:
                return
            self._segment, self._offset = later[0], 0

    def _lines_of_segment(self) -> Iterator[Line]:
        for end, line, entry in self._whole(self._segment, self._offset):
            self._offset = end
            seq = entry["seq"]
            if seq <= self._seq:
                continue
            missing = self._seq + 1 if seq > self._seq + 1 else None
            self._seq = seq
            yield Line(self._log_id, seq, line, entry, missing)

    def _whole(self, number: int, offset: int) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        """A file's whole lines behind an offset: where each ends, its bytes, what it says.

        Damaged ones are passed over: their numbers are missing then.
        """
        path = segment_path(self._folder, number)
        if not path.exists():
            return
        with translated(path), path.open("rb") as stream:
            stream.seek(offset)
            while True:
                line = stream.readline(LINE_LIMIT_BYTES + 2)
                offset += len(line)
                if not line.endswith(b"\n") and len(line) < LINE_LIMIT_BYTES + 2:
                    return  # the end, where a line may just be written
                entry = _entry(line)
                if entry is not None:
                    yield offset, line[:-1], entry

    def _first(self, number: int) -> dict[str, Any] | None:
        """The entry that a file begins with; None where it has none yet, or that is damaged."""
        for line in read_lines(segment_path(self._folder, number)):
            entry = _entry(line)
            return entry if entry is not None and entry["kind"] == "segment" else None
        return None

    def _numbers(self) -> list[int]:
        return segment_numbers(self._folder) if self._folder.is_dir() else []


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        return decode(line[:-1]) if line.endswith(b"\n") else None
    except AuditError:
        return None
