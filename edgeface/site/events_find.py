"""Finding events: what each holds, and the pages of those that are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_COLUMNS = (
    "e.id, e.door, l.log_id, e.seq, e.happened, e.received_at, e.kind, e.reason, e.opened, "
    "e.person, e.with_person, e.line, e.detail"
)
_FROM = f"SELECT {_COLUMNS} FROM event e LEFT JOIN event_log l ON l.id = e.log"  # nosec B608
_CONDITIONS = {
    "door": "e.door = %(door)s",
    "kind": "e.kind = %(kind)s",
    "reason": "e.reason = %(reason)s",
    "opened": "e.opened = %(opened)s",
    "person": "(e.person = %(person)s OR e.with_person = %(person)s)",
    "since": "e.happened >= %(since)s",
    "until": "e.happened < %(until)s",
    "before": "(e.happened, e.id) < (SELECT happened, id FROM event WHERE id = %(before)s)",
}
_LIMIT = 1000
# Of a line, what an event shows beside its columns.
_SHOWN = (
    *("at", "clock", "score", "lead", "live", "track", "frames", "pulse_s", "alarm", "part"),
    *("state", "act", "by", "version", "bundle", "model", "config", "why"),
)


@dataclass(frozen=True)
class Wanted:
    """Which events: those that fit everything that is not None.

    Attributes
    ----------
    door, kind, reason
        As events have them; the reason of an alarm is its kind, of a fault its part.
    opened
        Whether the door opened.
    person
        A uid: who it was, or the first of two.
    since, until
        Aware; from the first on, before the second.
    limit
        How many at most, 1 to 1000.
    before
        The id of the last event of the page before.
    """

    door: str | None = None
    kind: str | None = None
    reason: str | None = None
    opened: bool | None = None
    person: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    before: int | None = None


@dataclass(frozen=True)
class Event:
    """A line of a door's log, or something that the site noticed.

    Attributes
    ----------
    id
        Grows in the order in which events came.
    door
        Who sent it.
    log, seq
        Which line it is; None of what the site noticed.
    happened
        By the door's clock where that was trusted and is not ahead of the site's, else when it
        came. Aware, UTC.
    received_at
        When it came.
    kind
        Of `edgeface.door.audit_entry.SCHEMAS` or `edgeface.site.events_arrival.NOTICES`.
    reason
        Of a decision; of an alarm its kind, of a fault its part.
    opened
        Whether the door opened; None of what is no decision.
    person, with_person
        Uids, where the site knows the person.
    detail
        More in words.
    entry
        The line as it was written; empty of what the site noticed.
    """

    id: int
    door: str
    log: str | None
    seq: int | None
    happened: datetime
    received_at: datetime
    kind: str
    reason: str | None
    opened: bool | None
    person: str | None
    with_person: str | None
    detail: str
    entry: Mapping[str, Any] = field(default_factory=dict)

    def message(self) -> dict[str, Any]:
        """Return it as JSON holds it, with what its kind has beside; no signature, no hash."""
        own = {key: value for key, value in vars(self).items() if key != "entry"}
        for key in ("happened", "received_at"):
            own[key] = _text(own[key])
        shown = {key: self.entry[key] for key in _SHOWN if key in self.entry}
        return {**shown, **own, "at": self.entry.get("utc")}


@dataclass(frozen=True)
class Page:
    """Events, newest first, and the id to ask on with (`Wanted.before`); None: no more."""

    events: tuple[Event, ...]
    next: int | None


@dataclass(frozen=True)
class Count:
    """How often a door opened and did not, and its last decision's time."""

    opened: int
    denied: int
    last: datetime


def find(connection: Connection, wanted: Wanted) -> Page:
    """Return the newest events that are wanted."""
    limit = min(max(wanted.limit, 1), _LIMIT)
    parts = [text for key, text in _CONDITIONS.items() if getattr(wanted, key) is not None]
    where = f"WHERE {' AND '.join(parts)}" if parts else ""
    query = f"{_FROM} {where} ORDER BY e.happened DESC, e.id DESC LIMIT %(limit)s"  # nosec B608
    found = connection.execute(query, {**vars(wanted), "limit": limit + 1}).fetchall()
    events = tuple(_event(*row) for row in found[:limit])
    return Page(events, events[-1].id if len(found) > limit else None)


def find_arrived(connection: Connection, *, after: int, limit: int) -> tuple[Event, ...]:
    """Return the events that came after one, oldest first."""
    query = f"{_FROM} WHERE e.id > %s ORDER BY e.id LIMIT %s"  # nosec B608
    return tuple(_event(*row) for row in connection.execute(query, (after, limit)))


def _event(*row: Any) -> Event:
    *columns, line, detail = row
    # Of what the site noticed, the line is about something else.
    entry = json.loads(line) if detail is None else {}
    columns[4], columns[5] = (time.astimezone(timezone.utc) for time in columns[4:6])
    return Event(*columns, detail=detail or entry.get("detail", ""), entry=entry)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
