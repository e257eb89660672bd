"""Galleries of schema 1: read as they are, and rewritten by whatever changes them next."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from edgeface.errors import GalleryFormatError
from edgeface.gallery_database import SCHEMA, SCHEMA_VERSION, damaged
from edgeface.gallery_person import PersonRecord
from edgeface.gallery_seal import fresh, new_uid


def read_people(db: sqlite3.Connection) -> list[tuple[int, PersonRecord]]:
    """Return everybody as (row number, record)."""
    rows = db.execute("SELECT id, name, enrolled_at FROM person ORDER BY id")
    return [(number, PersonRecord(name, enrolled_at)) for number, name, enrolled_at in rows]


def read_templates(
    db: sqlite3.Connection, people: list[tuple[int, PersonRecord]], *, path: Path
) -> Iterator[tuple[int, str, bytes]]:
    """Yield (person's row number, model id, row) of every template, each checked.

    Raises ``GalleryFormatError`` for one that is not whole.
    """
    names = {number: record.name for number, record in people}
    rows = db.execute("SELECT id, person_id, model_id, embedding, digest FROM template ORDER BY id")
    for template, person, model_id, blob, digest in rows:
        if person not in names or not hmac.compare_digest(_digest(names[person], blob), digest):
            raise GalleryFormatError(damaged(path, f"template {template} is not whole"))
        yield person, model_id, blob


def upgrade(db: sqlite3.Connection, *, path: Path) -> None:
    """Rewrite all tables as schema 2, inside the caller's transaction."""
    people = read_people(db)
    templates = list(read_templates(db, people, path=path))
    db.execute("DROP TABLE template")
    db.execute("DROP TABLE person")
    for name, sql in SCHEMA.items():
        if name != "setting":
            db.execute(sql)
    seal, settings = fresh(None)
    db.executemany("INSERT INTO setting VALUES (?, ?)", settings.items())
    uids = {}
    for number, record in people:
        uids[number] = uid = new_uid()
        row = (number, uid, seal.name_tag(record.name), seal.seal_record(uid, record))
        db.execute("INSERT INTO person VALUES (?, ?, ?, ?)", row)
    for person, model_id, blob in templates:
        sealed = seal.seal_template(uids[person], model_id, blob)
        db.execute(
            "INSERT INTO template (person_id, model_id, embedding, digest) VALUES (?, ?, ?, ?)",
            (person, model_id, *sealed),
        )
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _digest(name: str, blob: bytes) -> bytes:
    return blake2b(name.encode("utf-8") + b"\0" + blob, digest_size=16).digest()
