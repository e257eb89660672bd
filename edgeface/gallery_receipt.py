"""Receipts of erasure: who (by a digest that only the gallery's owner can make), when, how much.

Each names the one before it by its hash, so that none can be taken out or added in between.
"""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgeface.errors import GalleryFormatError
from edgeface.gallery_backup import listed_backups
from edgeface.gallery_database import damaged
from edgeface.gallery_person import PersonRecord, now
from edgeface.gallery_store import GalleryStore

FIRST = "0" * 64


@dataclass(frozen=True)
class Receipt:
    """Proof that somebody was erased; holds no name and no template.

    Attributes
    ----------
    gallery_id : str
        32 hex digits.
    subject : str
        HMAC-SHA-256 of the person's name under a key of the gallery: `Gallery.erasure_of` finds it
        by the name.
    erased_at : str
        ISO 8601, UTC.
    templates : int
        How many were deleted, of all models.
    models : tuple of str
        Whose templates they were.
    backups : tuple of (path, time)
        Copies made while the person was enrolled, which may hold the person still: delete them.
    previous, head : str
        SHA-256 of the receipt before it (zeros for the first) and of this one.
    """

    gallery_id: str
    subject: str
    erased_at: str
    templates: int
    models: tuple[str, ...]
    backups: tuple[tuple[str, str], ...]
    previous: str
    head: str

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1)


@dataclass(frozen=True)
class Erased:
    """Somebody to be erased; ``models`` has one entry per template."""

    name: str
    models: tuple[str, ...]
    enrolled_at: str

    @classmethod
    def of(cls, store: GalleryStore, number: int, record: PersonRecord) -> Erased:
        """Return what is there of a person by the number of the row, inside a transaction."""
        sql = "SELECT model_id FROM template WHERE person_id = ?"
        models = tuple(row[0] for row in store.db.execute(sql, (number,)))
        return cls(record.name, models, record.enrolled_at)


def write_receipts(store: GalleryStore, people: Iterable[Erased]) -> tuple[Receipt, ...]:
    """Add a receipt for each person, inside the transaction that erases them."""
    known = read_receipts(store.db, path=store.path)
    previous = known[-1].head if known else FIRST
    receipts = []
    for person in people:
        content = {
            "gallery_id": store.settings["gallery_id"],
            "subject": subject_digest(store, person.name),
            "erased_at": now(),
            "templates": len(person.models),
            "models": tuple(sorted(set(person.models))),
            "backups": listed_backups(store.db, since=person.enrolled_at),
            "previous": previous,
        }
        receipt = Receipt(**content, head=_head(content))
        store.db.execute("INSERT INTO erasure (receipt) VALUES (?)", (receipt.to_json(),))
        receipts.append(receipt)
        previous = receipt.head
    return tuple(receipts)


def read_receipts(db: sqlite3.Connection, *, path: Path) -> tuple[Receipt, ...]:
    """Return all receipts, oldest first; ``GalleryFormatError`` where the chain is broken."""
    receipts: list[Receipt] = []
    for number, text in db.execute("SELECT id, receipt FROM erasure ORDER BY id"):
        try:
            receipt = _parse(text)
        except (ValueError, TypeError, KeyError) as error:
            what = f"receipt {number} is no receipt"
            raise GalleryFormatError(damaged(path, what)) from error
        content = {key: value for key, value in vars(receipt).items() if key != "head"}
        previous = receipts[-1].head if receipts else FIRST
        whole = hmac.compare_digest(receipt.head, _head(content))
        if not whole or receipt.previous != previous:
            raise GalleryFormatError(damaged(path, f"receipt {number} does not follow the others"))
        receipts.append(receipt)
    return tuple(receipts)


def subject_digest(store: GalleryStore, name: str) -> str:
    """Return the digest that receipts name a person by: 64 hex digits."""
    return hmac.new(store.receipt_key(), name.encode("utf-8"), "sha256").hexdigest()


def _parse(text: str) -> Receipt:
    values = json.loads(text)
    values["models"] = tuple(values["models"])
    values["backups"] = tuple((path, made_at) for path, made_at in values["backups"])
    return Receipt(**values)


def _head(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("ascii")).hexdigest()
