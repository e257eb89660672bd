"""Changes to people inside a transaction: what an enrolment and an edit do, whoever asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from edgeface.errors import UnknownEntryError
from edgeface.gallery_person import PersonRecord, now
from edgeface.site.merge import Merged, edited, merge
from edgeface.site.people_row import (
    Row,
    add_change,
    add_row,
    add_templates,
    find_row,
    next_version,
    notify,
    put_row,
    taken_fields,
    touch,
)

if TYPE_CHECKING:
    from psycopg import Connection


def enrol_row(
    connection: Connection, name: str, embeddings: np.ndarray, *, by: str, changes: Mapping
) -> Row:
    """Add templates to the person of a name, who is created when new; inside `writing`."""
    try:
        row = find_row(connection, name=name)
    except UnknownEntryError:
        return _add_person(connection, name, embeddings, by=by, changes=changes)
    if changes:
        row = change_row(connection, row, changes, by=by)[0]
    return more_templates(connection, row, embeddings, by=by)


def more_templates(connection: Connection, row: Row, embeddings: np.ndarray, *, by: str) -> Row:
    """Add templates to somebody; those that are there already change nothing."""
    if not add_templates(connection, row.uid, embeddings):
        return row
    new = renew_row(connection, row)
    add_change(connection, new, by=by, fields=["templates"], conflicts=())
    return new


def renew_row(connection: Connection, row: Row) -> Row:
    """Give somebody a new version, so that doors are told everything of them."""
    new = touch(row, row.record, version=next_version(connection), fields=())
    put_row(connection, new, before=row.record)
    notify(connection, "people")
    return new


def change_row(
    connection: Connection,
    row: Row,
    changes: Mapping[str, Any],
    *,
    by: str,
    base: int | None = None,
    narrowing: Collection[str] = (),
    yielding: bool = False,
) -> tuple[Row, tuple[str, ...]]:
    """Set fields of somebody, merged with what others set since version ``base``.

    ``base`` None: the edit knows the newest. ``narrowing``: fields by which it may not let in more.
    ``yielding``: a name or card that is somebody else's
    stays as it was, and is a conflict; else it is a ``SiteConflictError``. Returns the row as it
    is now, and the fields on which edits differ.
    """
    touched = {field for field, at in row.touched.items() if base is not None and at > base}
    merged = merge(row.record, changes, touched=touched, narrowing=narrowing)
    if not changes:
        return row, ()
    new = touch(row, merged.record, version=next_version(connection), fields=changes)
    conflicts = merged.conflicts
    if yielding:
        new, conflicts = _without_taken(connection, new, before=row.record, merged=merged)
    put_row(connection, new, before=row.record)
    add_change(connection, new, by=by, fields=changes, conflicts=conflicts)
    notify(connection, "people")
    return new, conflicts


def _without_taken(
    connection: Connection, row: Row, *, before: PersonRecord, merged: Merged
) -> tuple[Row, tuple[str, ...]]:
    taken = taken_fields(connection, row)
    kept = {field: getattr(before, field) for field in taken}
    conflicts = tuple(sorted({*merged.conflicts, *taken}))
    return replace(row, record=replace(row.record, **kept)), conflicts


def _add_person(
    connection: Connection, name: str, embeddings: np.ndarray, *, by: str, changes: Mapping
) -> Row:
    version = next_version(connection)
    record = edited(PersonRecord(name, now()), changes)
    row = touch(Row(uuid4().hex, version, record, {}), record, version=version, fields=changes)
    add_row(connection, row)
    add_templates(connection, row.uid, embeddings)
    add_change(connection, row, by=by, fields=["name", "templates", *changes], conflicts=())
    notify(connection, "people")
    return row
