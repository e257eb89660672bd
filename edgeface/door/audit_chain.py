"""The chain of entries and the files it lies in: one process adds to it, whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from edgeface.container import sync_to_disk
from edgeface.door.audit_entry import (
    FORMAT,
    SCHEMAS,
    SIGNED_KINDS,
    chained,
    digest,
    encode,
    signature_text,
    signed_message,
    utc_text,
)
from edgeface.door.audit_key import AuditKey
from edgeface.door.audit_resume import find_end
from edgeface.door.audit_segment import (
    SegmentWriter,
    discard,
    last_entry,
    lock,
    segment_numbers,
    segment_path,
    translated,
    write_head,
)
from edgeface.door.event import Moment
from edgeface.errors import AuditError
from edgeface.schema import first_problem


class AuditChain:
    """The log's end, held by this process. `AuditLog` decides what goes into it, and when.

    Parameters
    ----------
    folder
        The log's, which exists.
    key
        Signs.
    same
        Fields that every entry of this run has.

    Attributes
    ----------
    seq
        Number of the last entry.
    head
        The newest signed line.
    segment_utc
        When that began; None where the wall clock was not trusted.
    notes
        What `edgeface.door.audit_resume.Found` has of it.

    Raises
    ------
    AuditError
        Another process has it, it cannot be written, or it is not whole.
    """

    def __init__(self, folder: Path, *, key: AuditKey, same: Mapping[str, Any]) -> None:
        self._folder, self._key, self._same = folder, key, dict(same)
        self._writer: SegmentWriter | None = None
        self._lock = lock(folder)
        try:
            self._continue()
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """Bytes of the newest file; 0 when closed."""
        return 0 if self._writer is None else self._writer.size

    def append(self, kind: str, moment: Moment, fields: Mapping[str, Any]) -> bytes:
        """Add an entry and return its line; it is on the disk then.

        Raises
        ------
        AuditError
            Closed, not as `SCHEMAS` says, or the disk refused it; nothing was added.
        """
        if self._writer is None:
            raise AuditError(f"audit log {self._folder} is closed: open it again")
        entry = {
            **self._same,
            "seq": self.seq + 1,
            "prev": self._hash,
            "salt": secrets.token_hex(8),
            "kind": kind,
            "utc": utc_text(moment.utc),
            "mono": round(moment.monotonic, 3),
            **fields,
        }
        if kind in SIGNED_KINDS:
            entry.update(log=self._log, key=self._key.id)
        entry["hash"] = chained(self._hash, digest(entry))
        if kind in SIGNED_KINDS:
            entry["signature"] = signature_text(self._key.sign(signed_message(entry["hash"])))
        problem = first_problem(entry, SCHEMAS.get(kind, {"enum": sorted(SCHEMAS)}))
        if problem:
            raise AuditError(f"an entry of kind {kind!r} is refused: {problem}")
        line = encode(entry) + b"\n"
        self._writer.append(line)
        self.seq, self._hash = entry["seq"], entry["hash"]
        return line

    def sign(self, kind: str, moment: Moment, fields: Mapping[str, Any]) -> None:
        """Add an entry that is signed, and make it the head."""
        self.head = self.append(kind, moment, fields)
        write_head(self._folder, self.head)

    def begin_segment(self, moment: Moment, fields: Mapping[str, Any]) -> None:
        """Begin a new file, whose first entry carries the chain over."""
        before, number = self._writer, self._segment + 1
        path = segment_path(self._folder, number)
        self._writer = SegmentWriter(path, create=True)
        try:
            head = {**fields, "format": FORMAT, "segment": number}
            line = self.append("segment", moment, head)
            with translated(self._folder):
                sync_to_disk(self._folder)
        except AuditError:
            self._writer.close()
            self._writer = before
            with translated(path):
                discard(path)
            raise
        if before is not None:
            before.close()
        self._segment, self.segment_utc, self.head = number, moment.utc, line
        write_head(self._folder, line)

    def retire(self, moment: Moment, fields: Mapping[str, Any], *, before: datetime) -> None:
        """Delete finished files that end before a time; a signed entry takes their place.

        A file that is damaged says no time: it goes with the newer ones.
        """
        for number in reversed(segment_numbers(self._folder)):
            if number >= self._segment:
                continue
            try:
                last = last_entry(segment_path(self._folder, number))
            except AuditError:
                continue
            if last["utc"] is not None and last["utc"] < str(utc_text(before)):
                through = {"through_seq": last["seq"], "through_hash": last["hash"]}
                through["through_segment"] = number
                self.sign("tombstone", moment, {**fields, **through})
                self._delete_through(number)
                return

    def close(self) -> None:
        """Let go of the files; closing twice is harmless."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _continue(self) -> None:
        found = find_end(self._folder, key=self._key)
        self.seq, self._hash, self.head = found.seq, found.hash, found.head
        self._segment, self.segment_utc = found.segment, found.segment_utc
        self.notes = found.notes
        self._log = found.log or secrets.token_hex(16)
        if found.segment == 0:
            return
        self._writer = SegmentWriter(segment_path(self._folder, found.segment), create=False)
        if found.torn:
            with translated(self._folder):
                self._writer.cut(found.size)
        self._delete_through(found.deleted_through)

    def _delete_through(self, segment: int) -> None:
        with translated(self._folder):
            for number in segment_numbers(self._folder):
                if number <= segment:
                    discard(segment_path(self._folder, number))
