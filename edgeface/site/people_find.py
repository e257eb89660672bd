"""Lists of the site's people: one by one, or page by page in order of their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeface.errors import SiteConflictError, UnknownEntryError
from edgeface.gallery_person import now
from edgeface.site.people_row import COLUMNS, own_fields, record_of, sort_key

if TYPE_CHECKING:
    from psycopg import Connection

MOST = 1000
_SELECT = (
    f"SELECT uid, version, (SELECT count(*) FROM template WHERE template.uid = person.uid), "  # nosec B608
    "ARRAY(SELECT door.name FROM door WHERE door.groups && member_of ORDER BY door.name), "
    f"{COLUMNS} FROM person "
)
_STATES = {
    "valid": "NOT blocked AND (expires_at IS NULL OR expires_at > %(now)s)",
    "expired": "NOT blocked AND expires_at <= %(now)s",
    "blocked": "blocked",
}


@dataclass(frozen=True)
class Entry:
    """Somebody as the site knows them; fields as in `edgeface.gallery_person.PersonRecord`.

    Attributes
    ----------
    uid : str
        32 hex digits, for ever this person's.
    version : int
        Of the last change; the version that an edit begins from.
    templates : int
        How many there are.
    doors : tuple of str
        Those whose groups have the person.
    """

    uid: str
    version: int
    name: str
    groups: tuple[str, ...]
    consent_at: str | None
    expires_at: str | None
    card: tuple[int, int] | None
    blocked: bool
    enrolled_at: str
    templates: int
    doors: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """Some people in order of their names; ``next`` asks for those after them, None at the end."""

    entries: tuple[Entry, ...]
    next: str | None


def read_entry(connection: Connection, uid: str) -> Entry:
    """Return somebody; ``UnknownEntryError`` for nobody of that uid."""
    found = connection.execute(_SELECT + "WHERE uid = %s", (uid,)).fetchone()
    if found is None:
        raise UnknownEntryError("nobody of that uid is enrolled at this site")
    return _entry(found)


def find_entries(
    connection: Connection,
    *,
    text: str,
    group: str | None,
    state: str | None,
    limit: int,
    after: str | None,
) -> Page:
    """Return a page of people; see `People.find`."""
    if not 1 <= limit <= MOST:
        raise ValueError(f"limit is {limit}; expected 1 to {MOST}")
    if state is not None and state not in _STATES:
        raise ValueError(f"state is {state!r}; expected one of {', '.join(_STATES)}")
    wanted = [_STATES[state] if state else "true"]
    values: dict[str, Any] = {"now": now(), "group": [group], "limit": limit + 1}
    if text:
        wanted.append("position(%(text)s IN sort_key) > 0")
        values["text"] = sort_key(text)
    if group is not None:
        wanted.append("member_of @> %(group)s::text[]")
    if after is not None:
        wanted.append("(sort_key, uid) > (%(sort_key)s, %(uid)s)")
        values["uid"], values["sort_key"] = after, _sort_key_of(connection, after)
    rows = connection.execute(
        _SELECT + f"WHERE {' AND '.join(wanted)} ORDER BY sort_key, uid LIMIT %(limit)s", values
    ).fetchall()
    entries = tuple(_entry(row) for row in rows[:limit])
    return Page(entries, entries[-1].uid if len(rows) > limit else None)


def _entry(row: tuple) -> Entry:
    uid, version, templates, doors, *values = row
    record = record_of(values)
    return Entry(uid, version, templates=templates, doors=tuple(doors), **own_fields(record))


def _sort_key_of(connection: Connection, uid: str) -> str:
    found = connection.execute("SELECT sort_key FROM person WHERE uid = %s", (uid,)).fetchone()
    if found is None:
        raise SiteConflictError(
            "after is nobody's uid: whoever ended that page was erased; begin at the first page"
        )
    return found[0]
