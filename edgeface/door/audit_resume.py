"""Where a log ended: what the next entry follows, and what a power cut left behind."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edgeface.door.audit_entry import GENESIS, SIGNED_KINDS, decode, signature_bytes, signed_message
from edgeface.door.audit_key import AuditKey
from edgeface.door.audit_segment import (
    HEAD,
    Tail,
    discard,
    read_lines,
    read_tail,
    segment_numbers,
    segment_path,
    translated,
)
from edgeface.errors import AuditError


@dataclass(frozen=True)
class Found:
    """The end of a log; `segment` is 0 where there is none yet.

    Attributes
    ----------
    seq, hash
        Of its last whole entry.
    log
        The log's id.
    segment, segment_utc, size
        The newest file's number, when it began, and its bytes up to the last whole entry.
    torn
        Whether something is behind them.
    deleted_through
        Files up to this number were to be deleted when power went.
    head
        The newest signed line.
    notes
        What the log must say of this.
    """

    seq: int = 0
    hash: str = GENESIS
    log: str = ""
    segment: int = 0
    segment_utc: datetime | None = None
    size: int = 0
    torn: bool = False
    deleted_through: int = 0
    head: bytes = b""
    notes: tuple[str, ...] = ()


def find_end(folder: Path, *, key: AuditKey) -> Found:
    """Find where the log in a folder ended. Only an empty newest file is changed: it is deleted.

    Raises
    ------
    AuditError
        It is damaged, or its end is missing.
    """
    head, head_line = _read_head(folder, key)
    numbers = segment_numbers(folder)
    notes: list[str] = []
    tail = read_tail(segment_path(folder, numbers[-1])) if numbers else None
    if tail is not None and not tail.entries:  # power went while it was begun
        notes.append(_torn_note(tail.torn, f"file {numbers[-1]}, which was being begun,"))
        if len(numbers) > 1 or head is None:
            with translated(folder):
                discard(segment_path(folder, numbers.pop()))
        tail = read_tail(segment_path(folder, numbers[-1])) if numbers else None
    if tail is None or not tail.entries:
        _require_nothing_missing(folder, head, ())
        return Found(notes=tuple(notes))
    _require_nothing_missing(folder, head, tail.entries)
    if tail.torn:
        notes.append(_torn_note(tail.torn, f"entry {tail.entries[-1]['seq']}"))
    if head is None:
        notes.append("the file with the head was missing or unreadable, and is made anew")
    return _found(tail, numbers[-1], head_line, notes)


def _found(tail: Tail, number: int, head_line: bytes, notes: Sequence[str]) -> Found:
    first, last = tail.entries[0], tail.entries[-1]
    if first["kind"] != "segment" or first["segment"] != number:
        raise AuditError(
            f"audit log file {number} does not begin as file {number}: files were renamed or "
            "replaced; 'edgeface audit verify' says more"
        )
    gone = (e["through_segment"] for e in tail.entries if e["kind"] == "tombstone")
    return Found(
        seq=last["seq"],
        hash=last["hash"],
        log=first["log"],
        segment=number,
        segment_utc=_utc(first["utc"]),
        size=tail.size,
        torn=bool(tail.torn),
        deleted_through=max(gone, default=0),
        head=head_line,
        notes=tuple(notes),
    )


def _read_head(folder: Path, key: AuditKey) -> tuple[dict[str, Any] | None, bytes]:
    """The head's entry and line; (None, b"") where there is none that can be read."""
    path = folder / HEAD
    if not path.exists():
        return None, b""
    line = b"".join(read_lines(path))
    try:
        entry = decode(line.rstrip(b"\n"))
    except AuditError:
        return None, b""
    if entry["kind"] not in SIGNED_KINDS:
        return None, b""
    if entry["key"] == key.id and not holds(entry, key.public):
        return None, b""
    return entry, line


def holds(entry: dict[str, Any], public: Any) -> bool:
    """Tell whether a signed entry's signature is by this public key."""
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature_bytes(entry), signed_message(entry["hash"]))
    except InvalidSignature:
        return False
    return True


def _require_nothing_missing(
    folder: Path, head: dict[str, Any] | None, entries: Sequence[dict[str, Any]]
) -> None:
    """Refuse a log whose signed end is not there any more."""
    if head is None:
        return
    last = entries[-1]["seq"] if entries else 0
    same = {entry["seq"]: entry["hash"] for entry in entries}
    if last >= head["seq"] and same.get(head["seq"], head["hash"]) == head["hash"]:
        return
    what = f"ends with entry {last}" if last < head["seq"] else "has another entry of that number"
    raise AuditError(
        f"audit log {folder} {what}, its head says that entry {head['seq']} was signed: it was cut "
        "off or replaced. Move the folder away to keep it as evidence, and a new log is begun"
    )


def _torn_note(torn: bytes, after: str) -> str:
    mark = hashlib.sha256(torn).hexdigest()[:16]
    return f"{len(torn)} bytes after {after} were torn by a power cut, removed; SHA-256 {mark}"


def _utc(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))
