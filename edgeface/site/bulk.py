"""Moving galleries in: many people at once, some hundred times as fast as one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from edgeface.errors import SiteConflictError
from edgeface.gallery_file import read_gallery_file
from edgeface.gallery_person import PersonRecord
from edgeface.gallery_template import require_embeddings
from edgeface.site.merge import edited
from edgeface.site.people import People
from edgeface.site.people_row import COLUMNS, next_version, notify, sort_key, writing

if TYPE_CHECKING:
    from psycopg import Connection

AT_ONCE = 10_000
"""People of one transaction: whoever else changes people waits for it, some seconds."""

_STAGE = """
CREATE TEMPORARY TABLE incoming (
    number integer PRIMARY KEY, uid text, name text, sort_key text, enrolled_at text,
    consent_at text, expires_at text, groups text[], card bigint[], blocked boolean,
    known boolean NOT NULL DEFAULT false
) ON COMMIT DROP;
CREATE TEMPORARY TABLE incoming_template (
    number integer, digest bytea, embedding vector
) ON COMMIT DROP;
"""
_PERSON = (
    "COPY incoming (number, uid, name, sort_key, enrolled_at, consent_at, expires_at, groups, "
    "card, blocked) FROM STDIN (FORMAT BINARY)"
)
_PERSON_TYPES = (
    *("int4", "text", "text", "text", "text", "text", "text"),
    *("text[]", "int8[]", "bool"),
)
_TEMPLATE = "COPY incoming_template (number, digest, embedding) FROM STDIN (FORMAT BINARY)"
_KNOWN = """
UPDATE incoming SET uid = person.uid, known = true FROM person WHERE person.name = incoming.name
"""
_TAKEN_CARD = """
SELECT i.name FROM incoming i JOIN person p ON p.card = i.card WHERE NOT i.known LIMIT 1
"""
_ADD_PEOPLE = f"""
INSERT INTO person (uid, version, touched, sort_key, {COLUMNS})
SELECT uid, %(before)s + row_number() OVER (ORDER BY number), '{{}}', sort_key, {COLUMNS}
FROM incoming WHERE NOT known
"""  # nosec B608  # constants
_ADD_TEMPLATES = """
WITH added AS (
    INSERT INTO template (uid, digest, embedding)
    SELECT i.uid, t.digest, t.embedding FROM incoming_template t JOIN incoming i USING (number)
    ORDER BY t.number
    ON CONFLICT (uid, digest) DO NOTHING RETURNING uid
)
SELECT uid, count(*) FROM added GROUP BY uid
"""
_RENEW = """
UPDATE person SET version = %(before)s + place.number
FROM unnest(%(uids)s::text[]) WITH ORDINALITY AS place (uid, number)
WHERE person.uid = place.uid
"""
_ADD_CHANGES = """
INSERT INTO person_change (uid, version, at, by, fields, conflicts)
SELECT uid, version, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), %(by)s,
    %(fields)s, '{}' FROM person WHERE uid = ANY(%(uids)s)
"""


@dataclass(frozen=True)
class Incoming:
    """Somebody who moves in: own data, and (T, dim) float32 unit rows, T at least 1."""

    record: PersonRecord
    templates: np.ndarray


@dataclass(frozen=True)
class Moved:
    """What came in: people who were not there, and templates that were not there."""

    people: int
    templates: int


def import_people(people: People, incoming: Iterable[Incoming], *, by: str) -> Moved:
    """Add many people, `AT_ONCE` in a transaction.

    Somebody of a name that is enrolled already gets the templates in addition and keeps all other
    data; templates that are there are skipped. So after an error the same again goes on.

    Parameters
    ----------
    people
        The site's.
    incoming
        Names at most once each.
    by
        Who does it, as for `People.enrol`.

    Raises
    ------
    SiteConflictError
        A card is somebody else's, or a name comes twice; the transaction it is in changes nothing.
    """
    rest, moved = iter(incoming), Moved(0, 0)
    while part := [_checked(one, dim=people.dim) for one in islice(rest, AT_ONCE)]:
        with writing(people.database) as connection:
            _stage(connection, part)
            added = _add(connection, by=by)
        moved = Moved(moved.people + added.people, moved.templates + added.templates)
    return moved


def import_gallery_file(people: People, path: str | Path, *, by: str) -> Moved:
    """Add everybody of a file that `Gallery.export_file` wrote, as `import_people`.

    Raises ``GalleryError`` where the file cannot be read, is no sound export or of another model.
    """
    return import_people(people, _of_file(people, Path(path)), by=by)


def _of_file(people: People, path: Path) -> Iterator[Incoming]:
    found = read_gallery_file(path, model_id=people.model_id, dim=people.dim)
    ends = np.cumsum(found.counts())[:-1]  # a file has each person's templates together
    for person, templates in zip(found.people, np.split(found.embeddings, ends)):
        yield Incoming(person, templates)


def _checked(one: Incoming, *, dim: int) -> Incoming:
    record = edited(one.record, {"name": one.record.name})
    return Incoming(record, require_embeddings(one.templates, dim=dim))


def _stage(connection: Connection, part: list[Incoming]) -> None:
    """Copy people and templates into tables of this transaction."""
    from pgvector.psycopg import register_vector

    register_vector(connection)
    connection.execute(_STAGE)
    for what in ("name", "card"):
        values = [getattr(one.record, what) for one in part if getattr(one.record, what)]
        if len(set(values)) != len(values):
            raise SiteConflictError(f"a {what} comes twice among those who move in: nobody moved")
    with connection.cursor().copy(_PERSON) as copy:
        copy.set_types(_PERSON_TYPES)
        for number, one in enumerate(part):
            copy.write_row((number, uuid4().hex, *_values(one.record)))
    with connection.cursor().copy(_TEMPLATE) as copy:
        copy.set_types(("int4", "bytea", "vector"))
        for number, one in enumerate(part):
            for row in one.templates:
                digest = sha256(row.astype("<f4", copy=False).tobytes()).digest()
                copy.write_row((number, digest, row))


def _add(connection: Connection, *, by: str) -> Moved:
    """Move what was staged into the site's tables."""
    connection.execute(_KNOWN)
    taken = connection.execute(_TAKEN_CARD).fetchone()
    if taken:
        raise SiteConflictError(f"the card of {taken[0]!r} is somebody else's: nobody moved")
    new = [uid for (uid,) in connection.execute("SELECT uid FROM incoming WHERE NOT known")]
    before = next_version(connection, count=len(new)) - len(new)
    connection.execute(_ADD_PEOPLE, {"before": before})
    added = dict(connection.execute(_ADD_TEMPLATES).fetchall())
    more = sorted(set(added) - set(new))
    before = next_version(connection, count=len(more)) - len(more)
    connection.execute(_RENEW, {"before": before, "uids": more})
    for uids, fields in ((new, ["name", "templates"]), (more, ["templates"])):
        connection.execute(_ADD_CHANGES, {"by": by, "fields": fields, "uids": uids})
    if added:
        notify(connection, "people")
    return Moved(len(new), sum(added.values()))


def _values(record: PersonRecord) -> tuple:
    card = list(record.card) if record.card else None
    return (
        *(record.name, sort_key(record.name), record.enrolled_at, record.consent_at),
        *(record.expires_at, list(record.groups), card, record.blocked),
    )
