"""A line of a door's audit log that arrived, and what the table of events keeps of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from edgeface.door.audit_entry import SIGNED_KINDS, decode, plain
from edgeface.errors import AuditError

NOTICES = ("chain_broken", "collision", "gap", "key", "new_log", "rollout", "unreadable")
"""Kinds of events that the site itself makes: of what it noticed in what a door sent. "collision":
an edit at the door that others contradicted, or that was refused; "rollout": one that failed at the
door. These two say nothing of the log."""

_FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Arrival:
    """One line as it came. Nothing of it is checked yet: `row_of` does.

    Attributes
    ----------
    door
        Whose topic it came on, so who sent it.
    log_id
        The log's id, 32 hex digits.
    line
        Without its line end.
    people
        Pseudonym or name in the line -> uid.
    missing_from
        The lines from this number up to this line are not at the door any more; None: they are.
    """

    door: str
    log_id: str
    line: bytes
    people: Mapping[str, str]
    missing_from: int | None = None


@dataclass(frozen=True)
class Notice:
    """Something that the site noticed; with the same `mark` it is noticed once."""

    door: str
    kind: str
    detail: str
    mark: str
    line: str = ""


def row_of(arrival: Arrival, *, received_at: datetime) -> dict[str, Any]:
    """Return a line's row, but for its log.

    Raises
    ------
    AuditError
        It is no whole entry, a signed one of another log, or of a day that there is not.
    """
    entry = decode(arrival.line)
    if entry["kind"] in SIGNED_KINDS and entry["log"] != arrival.log_id:
        raise AuditError(f"it is of log {entry['log']}, and came as one of log {arrival.log_id}")
    at = moment_of(entry["utc"])
    return {
        "door": arrival.door,
        "seq": entry["seq"],
        "hash": entry["hash"],
        "received_at": received_at,
        "happened": min(at or received_at, received_at),
        "kind": entry["kind"],
        "reason": entry.get("reason") or entry.get("alarm") or entry.get("part"),
        "opened": entry["outcome"] == "open" if "outcome" in entry else None,
        "score": entry.get("score"),
        "person": arrival.people.get(entry.get("person") or ""),
        "with_person": arrival.people.get(entry.get("with_person") or ""),
        "line": arrival.line.decode("ascii"),
    }


def unreadable(arrival: Arrival, why: str) -> Notice:
    """Return the notice of a line that is none."""
    mark = hashlib.sha256(arrival.line).hexdigest()
    text = plain(arrival.line[:4096].decode("ascii", "replace"))
    return Notice(arrival.door, "unreadable", plain(why), f"unreadable {arrival.door} {mark}", text)


def moment_of(text: str | None) -> datetime | None:
    """Return an entry's time, aware; None where the door's clock was not trusted.

    Raises ``AuditError`` for a day or an hour that there is not, or one before 1970.
    """
    if text is None:
        return None
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise AuditError(f"utc is {text}: there is no such time") from error
    if moment < _FIRST:  # far enough back, a time zone has no name for it
        raise AuditError(f"utc is {text}: no door was there then")
    return moment
