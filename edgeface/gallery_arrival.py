"""What a site tells of people, on its way into the gallery's rows."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgeface.gallery_backup import remove_leftovers
from edgeface.gallery_load import read_people
from edgeface.gallery_person import PersonRecord, apply_changes, now
from edgeface.gallery_receipt import Erased, write_receipts
from edgeface.gallery_store import GalleryStore
from edgeface.gallery_template import NAME_LIMIT, require_embeddings, require_name


@dataclass(frozen=True, eq=False)
class SiteEntry:
    """Somebody as the site tells.

    Attributes
    ----------
    uid : str
        32 hex digits.
    version : int
        Of what is told.
    name : str or None
        None: gone, or not to be known here any more; nothing else is looked at then.
    changes : mapping
        All own data, as `Gallery.describe` takes it.
    templates : (T, dim) float32 ndarray or None
        Unit rows: these, and no others. None is none.
    copy : str
        Kept with the person as `PersonRecord.site_copy`.
    """

    uid: str
    version: int
    name: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    templates: np.ndarray | None = None
    copy: str = ""

    def checked(self, *, dim: int) -> SiteEntry:
        """Return it in the gallery's form; ``ValueError`` or ``TypeError`` where it has none."""
        if self.name is None:
            return self
        rows = self.templates
        if rows is not None and len(rows):
            rows = require_embeddings(rows, dim=dim)
        return replace(self, name=require_name(self.name), templates=rows)


class Arrival:
    """Entries on their way into a store, inside one `GalleryStore.writing`."""

    def __init__(self, store: GalleryStore) -> None:
        self._store = store
        people = read_people(store.db, store.seal, path=store.path)
        self._people = {number: (uid, record) for number, uid, record in people}

    def erase(self, gone: Collection[str], *, kept: Collection[str] | None) -> None:
        """Delete the site's people of these uids, with receipts; and all but `kept` where given."""
        numbers = [
            number
            for number, (_, record) in self._people.items()
            if record.site_id is not None
            and (record.site_id in gone or (kept is not None and record.site_id not in kept))
        ]
        erased = [Erased.of(self._store, n, self._people.pop(n)[1]) for n in numbers]
        if not erased:
            return
        receipts = write_receipts(self._store, erased)
        self._store.db.executemany("DELETE FROM person WHERE id = ?", ((n,) for n in numbers))
        remove_leftovers(place for receipt in receipts for place, _ in receipt.backups)
        self._store.ask_to_scrub()

    def take(self, entries: Iterable[SiteEntry]) -> None:
        """Write people as they are told; ``ValueError`` for a name or a uid told twice."""
        entries = tuple(entries)
        for what in ("uid", "name"):
            told = [getattr(entry, what) for entry in entries]
            if len(set(told)) != len(told):
                raise ValueError(f"the site tells one {what} twice: nothing was taken over")
        known = {record.site_id: n for n, (_, record) in self._people.items() if record.site_id}
        own = {record.name: n for n, (_, record) in self._people.items() if not record.site_id}
        placed = [(known.get(entry.uid, own.get(entry.name or "")), entry) for entry in entries]
        records = {n: _told(entry, self._people[n][1]) for n, entry in placed if n is not None}
        new = [_told(entry, None) for n, entry in placed if n is None]
        self._step_aside([*records.values(), *new], records)
        self._write(records)
        for number, entry in placed:
            if number is None:
                number, uid = self._store.add_person(new.pop(0))
            else:
                uid = self._people[number][0]
            self._replace_templates(number, uid, entry.templates)

    def _step_aside(self, told: list[PersonRecord], records: dict[int, PersonRecord]) -> None:
        """Add to `records` those who are not told of and have a name or card of one who is."""
        names = {record.name for record in told}
        cards = {record.card for record in told if record.card}
        for number, (uid, record) in self._people.items():
            if number in records or (record.name not in names and record.card not in cards):
                continue
            name, card = record.name, record.card
            if name in names:
                name = f"{name[: NAME_LIMIT - 12]} ({uid.hex()[:8]})"
            aside = replace(record, name=name, card=None if card in cards else card)
            records[number] = replace(aside, site_version=None, site_copy=None)

    def _write(self, records: Mapping[int, PersonRecord]) -> None:
        db, seal = self._store.db, self._store.seal
        # Names may go round among them: none has a name while the others get theirs.
        nameless = ((os.urandom(16), number) for number in records)
        db.executemany("UPDATE person SET tag = ? WHERE id = ?", nameless)
        db.executemany(
            "UPDATE person SET tag = ?, record = ? WHERE id = ?",
            (
                (seal.name_tag(record.name), seal.seal_record(self._people[n][0], record), n)
                for n, record in records.items()
            ),
        )

    def _replace_templates(self, number: int, uid: bytes, rows: np.ndarray | None) -> None:
        db, model_id = self._store.db, self._store.model_id
        told = {}
        for row in () if rows is None else rows:
            blob = row.astype("<f4", copy=False).tobytes()
            sealed, digest = self._store.seal.seal_template(uid, model_id, blob)
            told[digest] = sealed
        found = db.execute("SELECT digest FROM template WHERE person_id = ?", (number,))
        known = {digest for (digest,) in found}
        sql = "DELETE FROM template WHERE person_id = ? AND digest = ?"
        db.executemany(sql, ((number, digest) for digest in known - set(told)))
        if known - set(told):
            self._store.ask_to_scrub()
        db.executemany(
            "INSERT INTO template (person_id, model_id, embedding, digest) VALUES (?, ?, ?, ?)",
            ((number, model_id, told[digest], digest) for digest in told if digest not in known),
        )


def _told(entry: SiteEntry, known: PersonRecord | None) -> PersonRecord:
    record = apply_changes(known or PersonRecord(entry.name or "", now()), entry.changes)
    return replace(
        record,
        name=entry.name,
        site_id=entry.uid,
        site_version=entry.version,
        site_copy=entry.copy,
    )
