"""Reading a whole gallery into memory, every row checked."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgeface import gallery_schema1
from edgeface.errors import GalleryFormatError
from edgeface.gallery_database import damaged
from edgeface.gallery_person import PersonRecord
from edgeface.gallery_seal import RowSeal
from edgeface.gallery_template import Templates


def load_templates(
    db: sqlite3.Connection, seal: RowSeal | None, *, model_id: str, dim: int, path: Path
) -> Templates:
    """Return everybody, and the templates of one model.

    Parameters
    ----------
    db
        Inside a transaction.
    seal
        None for a gallery of schema 1.

    Raises ``GalleryFormatError`` for a row that is damaged, forged or not in its place.
    """
    count = db.execute("SELECT count(*) FROM template WHERE model_id = ?", (model_id,))
    owners = np.empty(count.fetchone()[0], np.int64)
    embeddings = np.empty((len(owners), dim), np.float32)
    if seal is None:
        numbered = gallery_schema1.read_people(db)
        found = gallery_schema1.read_templates(db, numbered, path=path)
        rows: Iterable = ((person, row) for person, model, row in found if model == model_id)
    else:
        people = read_people(db, seal, path=path)
        numbered = [(number, record) for number, _, record in people]
        rows = _rows(db, seal, people, model_id=model_id, path=path)
    position = {number: i for i, (number, _) in enumerate(numbered)}
    for i, (person, row) in enumerate(rows):
        if len(row) != 4 * dim:
            what = f"a template has {len(row)} bytes, expected {4 * dim}"
            raise GalleryFormatError(damaged(path, what))
        owners[i] = position[person]
        embeddings[i] = np.frombuffer(row, "<f4")
    return Templates(tuple(record for _, record in numbered), owners, embeddings)


def read_people(
    db: sqlite3.Connection, seal: RowSeal, *, path: Path
) -> list[tuple[int, bytes, PersonRecord]]:
    """Return everybody as (row number, uid, record)."""
    people = []
    for number, uid, tag, data in db.execute("SELECT id, uid, tag, record FROM person ORDER BY id"):
        try:
            record = seal.open_record(uid, data)
        except (ValueError, TypeError, KeyError) as error:
            raise GalleryFormatError(damaged(path, f"person {number} is not whole")) from error
        if not hmac.compare_digest(seal.name_tag(record.name), tag):
            raise GalleryFormatError(damaged(path, f"person {number} has another's tag"))
        people.append((number, uid, record))
    return people


def open_rows(
    seal: RowSeal, uids: dict[int, bytes], rows: Iterable[tuple], *, path: Path
) -> Iterable[tuple[int, str, bytes]]:
    """Yield (row number, person's, row's bytes) of rows (id, person_id, model_id, embedding)."""
    for template, person, model_id, data in rows:
        try:
            yield template, person, seal.open_template(uids[person], model_id, data)
        except (ValueError, TypeError, KeyError) as error:  # KeyError: a person that is not there
            what = f"template {template} is not whole"
            raise GalleryFormatError(damaged(path, what)) from error


def _rows(
    db: sqlite3.Connection, seal: RowSeal, people: list, *, model_id: str, path: Path
) -> Iterable[tuple[int, bytes]]:
    found = db.execute(
        "SELECT id, person_id, model_id, embedding FROM template WHERE model_id = ? ORDER BY id",
        (model_id,),
    )
    uids = {number: uid for number, uid, _ in people}
    for _, person, row in open_rows(seal, uids, found, path=path):
        yield person, row
