"""The gallery's content in its database: people and templates in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from edgeface.errors import GalleryFormatError
from edgeface.gallery_connection import GalleryConnection
from edgeface.gallery_database import damaged, pragma, translated
from edgeface.gallery_load import load_templates
from edgeface.gallery_person import PersonRecord, apply_changes
from edgeface.gallery_seal import new_uid
from edgeface.gallery_template import Templates

SITE = "site"
"""The setting that says where a gallery stands with its site, sealed."""


@dataclass(frozen=True)
class SiteState:
    """Where a gallery stands with its site.

    Attributes
    ----------
    cursor : str
        Up to where it holds what the site told, in the agent's words; "" for nothing.
    removed : tuple of (key, version)
        Whom somebody removed or erased here, and the site does not know of it yet: the site's id
        and version of the person; or what `GallerySite.sending` noted, and -1.
    """

    cursor: str = ""
    removed: tuple[tuple[str, int], ...] = ()


class GalleryStore(GalleryConnection):
    """An open gallery and its rows. Not for threads by itself: `Gallery` holds a lock around it."""

    def add(self, name: str, embeddings: np.ndarray, *, record: PersonRecord) -> int:
        """Add templates to a person, who is created as ``record`` says when new.

        For use inside `writing`. Arguments are checked by the caller. Returns how many templates
        were not there yet.
        """
        found = self.find(name)
        number, uid = found[:2] if found else self.add_person(record)
        before = self.db.total_changes
        blobs = (row.astype("<f4", copy=False).tobytes() for row in embeddings)
        self.db.executemany(
            "INSERT INTO template (person_id, model_id, embedding, digest) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (person_id, digest) DO NOTHING",
            (
                (number, self.model_id, *self.seal.seal_template(uid, self.model_id, blob))
                for blob in blobs
            ),
        )
        return self.db.total_changes - before

    def find(self, name: str) -> tuple[int, bytes, PersonRecord] | None:
        """Return a person's (row number, uid, record), inside `writing`; None when unknown."""
        row = self.db.execute(
            "SELECT id, uid, record FROM person WHERE tag = ?", (self.seal.name_tag(name),)
        ).fetchone()
        if row is None:
            return None
        try:
            return (row[0], row[1], self.seal.open_record(row[1], row[2]))
        except ValueError as error:
            raise GalleryFormatError(damaged(self.path, f"person {row[0]} is not whole")) from error

    def change(self, name: str, changes: Mapping[str, Any]) -> PersonRecord | None:
        """Set some of a person's fields, inside `writing`; None when unknown."""
        found = self.find(name)
        if found is None:
            return None
        number, uid, record = found
        record = apply_changes(record, changes)
        row = (self.seal.seal_record(uid, record), number)
        self.db.execute("UPDATE person SET record = ? WHERE id = ?", row)
        return record

    def remove(self, name: str) -> bool:
        """Delete a person and all templates, for use inside `writing`; False when unknown.

        Of somebody whom a site knows, or may know, is noted that this was done here: it is told.
        """
        found = self.find(name)
        if found is None:
            return False
        number, _, record = found
        if record.site_id or record.site_copy:
            site = self.site()
            self.set_site(replace(site, removed=(*site.removed, _removal(record))))
        self.ask_to_scrub()
        self.db.execute("DELETE FROM person WHERE id = ?", (number,))
        return True

    def site(self) -> SiteState:
        """Return where the gallery stands with its site, inside `writing` or `reading`."""
        if SITE not in self.settings:
            return SiteState()
        try:
            values = json.loads(self.seal.open_site(self.settings[SITE]))
            removed = tuple((uid, version) for uid, version in values["removed"])
            return SiteState(values["cursor"], removed)
        except (ValueError, TypeError, KeyError) as error:
            raise GalleryFormatError(damaged(self.path, "its site is not whole")) from error

    def set_site(self, site: SiteState) -> None:
        """Write down where the gallery stands with its site, inside `writing`."""
        text = self.seal.seal_site(json.dumps(asdict(site)).encode("ascii"))
        self.set(SITE, text)
        self.settings[SITE] = text  # for whoever asks again in this transaction

    def receipt_key(self) -> bytes:
        """Return the key of erased people's digests, inside `writing` or `reading`."""
        try:
            return self.seal.open_receipt_key(self.settings["receipt_key"])
        except ValueError as error:
            raise GalleryFormatError(damaged(self.path, "its receipt key is not whole")) from error

    def count(self) -> int:
        """Return how many people there are, in a transaction or outside."""
        with translated(self.path):
            return self.db.execute("SELECT count(*) FROM person").fetchone()[0]

    def load(self) -> Templates:
        """Read and check the whole gallery, as it was at one moment."""
        with self.reading():
            templates = load_templates(
                self.db, self._seal, model_id=self.model_id, dim=self.dim, path=self.path
            )
            # Asked inside the transaction: the version of exactly what was read.
            self.loaded_version = pragma(self.db, "data_version")
        return templates

    def add_person(self, record: PersonRecord) -> tuple[int, bytes]:
        """Add somebody new, inside `writing`; return (row number, uid)."""
        uid = new_uid()
        row = (uid, self.seal.name_tag(record.name), self.seal.seal_record(uid, record))
        sql = "INSERT INTO person (uid, tag, record) VALUES (?, ?, ?)"
        return self.db.execute(sql, row).lastrowid, uid


def _removal(record: PersonRecord) -> tuple[str, int]:
    if record.site_id is None:
        return record.site_copy or "", -1
    return record.site_id, record.site_version or 0
