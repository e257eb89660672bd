"""Everything that the site holds of a person, for that person (GDPR, articles 15 and 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.gallery_person import now
from edgeface.site.events_find import Wanted, find
from edgeface.site.people_find import Entry
from edgeface.site.people_row import Row, own_fields

if TYPE_CHECKING:
    from psycopg import Connection

FORMAT = 1
_AT_ONCE = 1000
_OF_OTHERS = ("id", "person", "with_person", "track")


def account_of(
    connection: Connection, row: Row, *, entry: Entry, templates: np.ndarray
) -> dict[str, Any]:
    """Return it as JSON values."""
    site_id, model_id = connection.execute("SELECT site_id, model_id FROM site").fetchone()
    changes = connection.execute(
        "SELECT version, at, by, fields FROM person_change WHERE uid = %s ORDER BY version",
        (row.uid,),
    )
    return {
        "format": FORMAT,
        "exported_at": now(),
        "site_id": site_id,
        "uid": row.uid,
        "person": own_fields(row.record),
        "doors": list(entry.doors),
        "events": _events(connection, row.uid),
        "changes": [
            {"version": version, "at": at, "by": by, "fields": fields}
            for version, at, by, fields in changes
        ],
        "what_a_template_is": (
            "a list of numbers that a model computes from a photo of a face, and by which the face "
            "is recognised; the photo itself is not kept"
        ),
        "templates": [{"model_id": model_id, "values": values.tolist()} for values in templates],
    }


def _events(connection: Connection, uid: str) -> list[dict[str, Any]]:
    """Return every event about the person, newest first, without who else was there."""
    events: list[dict[str, Any]] = []
    page = find(connection, Wanted(person=uid, limit=_AT_ONCE))
    while True:
        events += [event.message() for event in page.events]
        if page.next is None:
            break
        page = find(connection, Wanted(person=uid, limit=_AT_ONCE, before=page.next))
    return [{k: v for k, v in event.items() if k not in _OF_OTHERS} for event in events]
