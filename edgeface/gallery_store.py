"""The gallery's content in its database: transactions, templates in, templates out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from hashlib import blake2b
from pathlib import Path

import numpy as np

from edgeface.errors import GalleryError, GalleryFormatError, GalleryModelError
from edgeface.gallery_database import (
    create_database,
    damaged,
    file_identity,
    open_database,
    pragma,
    translated,
)
from edgeface.gallery_template import Templates


class GalleryStore:
    """An open gallery database. Not for threads by itself: `Gallery` holds a lock around it."""

    def __init__(self, path: Path, *, model_id: str, dim: int, create: bool) -> None:
        self.path = path = path.absolute()  # whoever changes directory keeps the gallery
        self._model_id = model_id
        self._dim = dim
        self._loaded_version = -1
        self._process = os.getpid()
        with translated(path):
            if not path.exists():
                create_database(path, {"model_id": model_id, "dim": str(dim)}, allowed=create)
            self._file = file_identity(path)
            self._db = open_database(path)
            try:
                self._check_model()
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the database; closing twice is harmless."""
        with translated(self.path):
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: at the end of the block everything is on the disk, or nothing is."""
        self._require_same_file()
        with translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        self._loaded_version = -1  # data_version does not count our own commits

    def add(self, name: str, embeddings: np.ndarray, *, enrolled_at: str) -> int:
        """Add templates to a person, who is created when new; return how many were not there yet.

        For use inside `writing`. Arguments are checked by the caller.
        """
        row = self._db.execute("SELECT id FROM person WHERE name = ?", (name,)).fetchone()
        person = row[0] if row else self._add_person(name, enrolled_at)
        before = self._db.total_changes
        blobs = (row.astype("<f4", copy=False).tobytes() for row in embeddings)
        self._db.executemany(
            "INSERT INTO template (person_id, model_id, embedding, digest) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (person_id, digest) DO NOTHING",
            ((person, self._model_id, blob, _digest(name, blob)) for blob in blobs),
        )
        return self._db.total_changes - before

    def remove(self, name: str) -> bool:
        """Delete a person and all templates, for use inside `writing`; False when unknown."""
        return self._db.execute("DELETE FROM person WHERE name = ?", (name,)).rowcount > 0

    def forget_log(self) -> None:
        """Empty the write-ahead log, where removed templates would otherwise stay readable."""
        with translated(self.path):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def changed(self) -> bool:
        """Tell whether anybody committed since the last `load`. Costs microseconds."""
        self._require_same_file()
        with translated(self.path):
            return self._loaded_version != pragma(self._db, "data_version")

    def load(self) -> Templates:
        """Read and check the whole gallery, as it was at one moment."""
        self._require_same_file()
        with translated(self.path):
            self._db.execute("BEGIN")
            try:
                people = self._db.execute("SELECT id, name, enrolled_at FROM person ORDER BY id")
                people = people.fetchall()
                templates = self._load_templates(people)
                # Asked inside the transaction: the version of exactly what was read.
                self._loaded_version = pragma(self._db, "data_version")
            finally:
                self._roll_back()
        return templates

    def _add_person(self, name: str, enrolled_at: str) -> int:
        sql = "INSERT INTO person (name, enrolled_at) VALUES (?, ?)"
        return self._db.execute(sql, (name, enrolled_at)).lastrowid

    def _load_templates(self, people: list[tuple]) -> Templates:
        position = {person[0]: i for i, person in enumerate(people)}
        count = self._db.execute("SELECT count(*) FROM template").fetchone()[0]
        owners = np.empty(count, np.int64)
        embeddings = np.empty((count, self._dim), np.float32)
        rows = self._db.execute(
            "SELECT id, person_id, model_id, embedding, digest FROM template ORDER BY id"
        )
        for i, (template, person, model_id, blob, digest) in enumerate(rows):
            if model_id != self._model_id:
                raise GalleryModelError(self._of_other_model(f"template {template}", model_id))
            owner = position.get(person, -1)
            whole = owner >= 0 and len(blob) == 4 * self._dim
            if not whole or _digest(people[owner][1], blob) != digest:
                raise GalleryFormatError(damaged(self.path, f"template {template} is not whole"))
            owners[i] = owner
            embeddings[i] = np.frombuffer(blob, "<f4")
        names, times = tuple(p[1] for p in people), tuple(p[2] for p in people)
        return Templates(names, times, owners, embeddings)

    def _check_model(self) -> None:
        settings = dict(self._db.execute("SELECT key, value FROM setting"))
        found = settings.get("model_id")
        if found != self._model_id:
            raise GalleryModelError(self._of_other_model("it", found))
        if settings.get("dim") != str(self._dim):
            raise GalleryModelError(
                f"gallery {self.path} holds embeddings of length {settings.get('dim')}, this model "
                f"makes {self._dim}: use another gallery"
            )

    def _of_other_model(self, what: str, found: object) -> str:
        return (
            f"gallery {self.path}: {what} belongs to model {found}, in use is {self._model_id}: "
            "their embeddings cannot be compared; use the bundle it was made with, or enrol again "
            "into another gallery"
        )

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # SQLite has done it itself on a full disk or a damaged file
            self._db.execute("ROLLBACK")

    def _require_same_file(self) -> None:
        if os.getpid() != self._process:
            raise GalleryError(
                f"gallery {self.path} was opened before this process was forked: open it again here"
            )
        if file_identity(self.path) != self._file:
            raise GalleryError(
                f"gallery {self.path} was deleted or replaced while it was open: open it again, or "
                "what you enrol would be lost"
            )


def now() -> str:
    """Return the time as the gallery stores it: ISO 8601, UTC, seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _digest(name: str, blob: bytes) -> bytes:
    # SQLite has no checksums. With the name in it, a template that damage moved to another person
    # is noticed too.
    return blake2b(name.encode("utf-8") + b"\0" + blob, digest_size=16).digest()
