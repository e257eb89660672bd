"""People in the site's tables: rows in and out, and the version that every change gets."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.errors import SiteConflictError, UnknownEntryError
from edgeface.gallery_person import PersonRecord, now
from edgeface.site.database import Database
from edgeface.site.merge import members_of

if TYPE_CHECKING:
    from psycopg import Connection

_LOCK = 0x6564_6766  # whoever changes people, doors or rules holds it until the commit
FIELDS = ("name", "enrolled_at", "consent_at", "expires_at", "groups", "card", "blocked")
"""Of a record: what the site keeps. The others are of a door's gallery."""
COLUMNS = ", ".join(FIELDS)
# Somebody who hangs in the middle holds the others up for so long only.
_LIMITS = (
    "SELECT set_config('lock_timeout', '30s', true), "
    "set_config('idle_in_transaction_session_timeout', '30s', true)"
)
_VECTOR_HEADER_BYTES = 4  # pgvector's binary form: dimensions, a reserved field, numbers


@dataclass(frozen=True)
class Row:
    """Somebody in the table. ``touched``: field -> version at which it was set last."""

    uid: str
    version: int
    record: PersonRecord
    touched: dict[str, int]


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    """Lend a connection inside a transaction that alone changes people, doors or rules.

    One at a time, so that `next_version` hands versions out in the order of commits.
    """
    with database.transaction() as connection:
        connection.execute(_LIMITS)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        yield connection


def next_version(connection: Connection, *, count: int = 1) -> int:
    """Return a new version inside `writing`: the last of ``count``, which follow each other."""
    sql = "UPDATE site_version SET version = version + %s RETURNING version"
    return connection.execute(sql, (count,)).fetchone()[0]


def current_version(connection: Connection) -> int:
    """Return the version that was handed out last, as this transaction sees it."""
    return connection.execute("SELECT version FROM site_version").fetchone()[0]


def notify(connection: Connection, channel: str) -> None:
    """Wake up whoever waits for a channel (`edgeface.site.watch`), once this is committed."""
    connection.execute("SELECT pg_notify(%s, '')", (channel,))


def sort_key(name: str) -> str:
    """Return a name without case and accents: what lists are sorted by and searches look in."""
    parts = unicodedata.normalize("NFKD", name.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def record_of(values: Collection[Any]) -> PersonRecord:
    """Return the record in the values of `COLUMNS`."""
    fields = dict(zip(FIELDS, values))
    card, groups = fields["card"], tuple(fields["groups"])
    return PersonRecord(**{**fields, "card": tuple(card) if card else None, "groups": groups})


def own_fields(record: PersonRecord) -> dict[str, Any]:
    """Return what the site keeps of a record, by `FIELDS`."""
    return {field: getattr(record, field) for field in FIELDS}


def find_row(connection: Connection, *, uid: str | None = None, name: str | None = None) -> Row:
    """Return somebody's row by uid or by name; ``UnknownEntryError`` when there is none."""
    column, value = ("uid", uid) if uid is not None else ("name", name)
    found = connection.execute(
        f"SELECT uid, version, touched, {COLUMNS} FROM person WHERE {column} = %s",  # nosec B608
        (value,),
    ).fetchone()
    if found is None:
        raise UnknownEntryError("nobody of that " + column + " is enrolled at this site")
    return Row(found[0], found[1], record_of(found[3:]), found[2])


def add_row(connection: Connection, row: Row) -> None:
    """Add somebody new; ``SiteConflictError`` where name or card are somebody else's."""
    require_own(connection, row)
    connection.execute(
        f"INSERT INTO person (uid, version, touched, sort_key, {COLUMNS}) "  # nosec B608
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (row.uid, row.version, *_values(row)),
    )


def put_row(connection: Connection, row: Row, *, before: PersonRecord) -> None:
    """Write somebody anew, and what groups were left; errors as `add_row`."""
    require_own(connection, row)
    connection.execute(
        f"UPDATE person SET (version, touched, sort_key, {COLUMNS}) "  # nosec B608
        "= (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) WHERE uid = %s",
        (row.version, *_values(row), row.uid),
    )
    left = members_of(before.groups) - members_of(row.record.groups)
    if left:
        add_departure(connection, row.uid, version=row.version, groups=left)


def add_departure(
    connection: Connection, uid: str, *, version: int, groups: Collection[str]
) -> None:
    """Write down that somebody left groups, so that their doors are told."""
    connection.execute(
        "INSERT INTO departure (uid, version, groups) VALUES (%s, %s, %s)",
        (uid, version, sorted(groups)),
    )


def add_change(
    connection: Connection,
    row: Row,
    *,
    by: str,
    fields: Collection[str],
    conflicts: Collection[str],
) -> None:
    """Write down who changed which fields of somebody."""
    connection.execute(
        "INSERT INTO person_change (uid, version, at, by, fields, conflicts) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        (row.uid, row.version, now(), by, sorted(fields), sorted(conflicts)),
    )


def touch(row: Row, record: PersonRecord, *, version: int, fields: Collection[str]) -> Row:
    """Return a row with another record, some of whose fields were set at this version."""
    touched = {**row.touched, **dict.fromkeys(fields, version)}
    return replace(row, version=version, record=record, touched=touched)


def add_templates(connection: Connection, uid: str, embeddings: np.ndarray) -> int:
    """Add templates, (T, dim) float32 unit rows; return how many were not there yet."""
    added = 0
    for row in embeddings:
        digest = sha256(row.astype("<f4", copy=False).tobytes()).digest()
        # float32 as float64 is exact, and PostgreSQL reads the text back to the same float32.
        added += connection.execute(
            "INSERT INTO template (uid, digest, embedding) VALUES (%s, %s, %s) "
            "ON CONFLICT (uid, digest) DO NOTHING",
            (uid, digest, str(row.tolist())),
        ).rowcount
    return added


def read_templates(
    connection: Connection, uids: Collection[str], *, dim: int
) -> dict[str, np.ndarray]:
    """Return uid -> (T, dim) float32 templates, in the order in which they were added."""
    found: dict[str, list[np.ndarray]] = {uid: [] for uid in uids}
    cursor = connection.cursor(binary=True)
    cursor.execute(
        "SELECT uid, vector_send(embedding) FROM template WHERE uid = ANY(%s) ORDER BY uid, id",
        (list(found),),
    )
    for uid, data in cursor:
        found[uid].append(vector_row(data))
    return {uid: np.array(rows, np.float32).reshape(len(rows), dim) for uid, rows in found.items()}


def vector_row(data: bytes) -> np.ndarray:
    """Return the (dim,) float32 numbers of what ``vector_send`` gave."""
    return np.frombuffer(data, ">f4", offset=_VECTOR_HEADER_BYTES).astype(np.float32)


def require_own(connection: Connection, row: Row) -> None:
    """Raise ``SiteConflictError`` where name or card are somebody else's."""
    taken = taken_fields(connection, row)
    if "name" in taken:
        raise SiteConflictError(
            "somebody of that name is enrolled already: give a name that tells the two apart"
        )
    if "card" in taken:
        raise SiteConflictError(
            f"card {row.record.card} is somebody else's: take it from that person first"
        )


def taken_fields(connection: Connection, row: Row) -> set[str]:
    """Return which of ``name`` and ``card`` are somebody else's."""
    card = list(row.record.card) if row.record.card else None
    found = connection.execute(
        "SELECT name = %s FROM person WHERE uid <> %s AND (name = %s OR card = %s::bigint[])",
        (row.record.name, row.uid, row.record.name, card),
    )
    return {"name" if same_name else "card" for (same_name,) in found}


def _values(row: Row) -> tuple[Any, ...]:
    from psycopg.types.json import Jsonb

    record = row.record
    card = list(record.card) if record.card else None
    return (
        *(Jsonb(row.touched), sort_key(record.name), record.name, record.enrolled_at),
        *(record.consent_at, record.expires_at, list(record.groups), card, record.blocked),
    )
