"""The gallery: who is enrolled, and who is it.

A gallery is one SQLite database bound to one model. Identification runs on a copy in memory that
follows the database, also when other processes enrol.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeface import _native
from edgeface.gallery_arrival import SiteEntry
from edgeface.gallery_check import GalleryCheck
from edgeface.gallery_file import read_gallery_file, write_gallery_file
from edgeface.gallery_index import (
    Candidate,
    Identification,
    IdentityCheck,
    decide,
    rank_people,
    require_number,
    with_expired,
)
from edgeface.gallery_key import GalleryKey
from edgeface.gallery_person import Person, PersonRecord, now
from edgeface.gallery_receipt import Receipt
from edgeface.gallery_site import GallerySite, Holding
from edgeface.gallery_store import GalleryStore
from edgeface.gallery_template import (
    Templates,
    Valid,
    require_embeddings,
    require_name,
    require_probe,
)

__all__ = [
    "Candidate",
    "Gallery",
    "GalleryCheck",
    "GalleryKey",
    "Holding",
    "Identification",
    "IdentityCheck",
    "ImportReport",
    "Person",
    "Receipt",
    "SiteEntry",
]


@dataclass(frozen=True)
class ImportReport:
    """What an import added; templates that were already there were skipped."""

    people_added: int
    templates_added: int
    templates_skipped: int


class Gallery(GallerySite):
    """Enrolled people. Threads may share one; after a fork open another.

    Every method raises ``GalleryError`` when the database cannot be read or written: a full or
    read-only disk, damage, a file replaced while it was open. Nothing is ever half written.
    """

    def __init__(self, store: GalleryStore, *, model_id: str, dim: int) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._model_id = model_id
        self._dim = dim
        self._templates = store.load()
        self._valid = Valid.now(self._templates)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        model_id: str,
        dim: int = 512,
        create: bool = True,
        key: GalleryKey | None = None,
        migrate: bool = False,
    ) -> Gallery:
        """Open a gallery, or create it with the directories above it.

        Parameters
        ----------
        path : str or Path
            The database file. Its log lies beside it while it is open, so the directory must be
            writable. New files can be read by their owner only.
        model_id : str
            `Bundle.model_id` of the model that makes the embeddings.
        dim : int
            Length of an embedding.
        create : bool
            False makes a missing gallery a ``GalleryError``.
        key : GalleryKey or None
            Of an encrypted gallery; a new gallery is encrypted with it.
        migrate : bool
            Take a gallery of another model over: its templates stay, and nobody is recognised
            until enrolled again; see `Person.needs_enrolment`.

        Raises
        ------
        GalleryModelError
            It belongs to another model, and ``migrate`` is False.
        GalleryKeyError
            It is encrypted and this key does not open it; or it is not, and a key was given.
        GalleryFormatError
            Not a gallery, of a newer schema, or damaged. The file is left as it is.
        """
        if not isinstance(model_id, str) or not model_id.isprintable() or not model_id:
            raise ValueError(f"model_id is {model_id!r}; expected the text of Bundle.model_id")
        if not isinstance(dim, int) or not 1 <= dim <= _native.MOST_DIMS:
            raise ValueError(f"dim is {dim!r}; expected 1 to {_native.MOST_DIMS}")
        store = GalleryStore(
            Path(path), model_id=model_id, dim=dim, create=create, key=key, migrate=migrate
        )
        try:
            return cls(store, model_id=model_id, dim=dim)
        except BaseException:
            store.close()
            raise

    @property
    def model_id(self) -> str:
        """The model all templates are of."""
        return self._model_id

    def enroll(self, name: str, embeddings: np.ndarray, **changes: Any) -> None:
        """Add templates to a person; one transaction, on the disk when this returns.

        Parameters
        ----------
        name : str
            1 to 200 printable characters; stored in Unicode form NFC. Somebody already enrolled
            gets the templates in addition; identical ones are kept once.
        embeddings : (T, dim) float32 ndarray
            Unit rows, T at least 1.
        **changes
            The person's own data, as for `describe`.
        """
        name = require_name(name)
        embeddings = require_embeddings(embeddings, dim=self._dim)
        with self._lock, self._store.writing():
            self._store.add(name, embeddings, record=PersonRecord(name, now()))
            if changes:
                self._store.change(name, changes)
                self._require_own_cards()

    def identify(
        self,
        embedding: np.ndarray,
        *,
        threshold: float,
        margin: float,
        top_k: int = 5,
        expired: bool = False,
    ) -> Identification:
        """Answer "who is it?", exactly: every template is compared.

        People who have expired are not recognised. Somebody blocked is: `people` says so.

        Parameters
        ----------
        embedding : (dim,) float32 ndarray
            Of unit norm.
        threshold : float
            Least cosine of a match, -1 to 1; see `Bundle.threshold`.
        margin : float
            Least lead over the second person, 0 to 2. An exact tie is never a match.
        top_k : int
            How many candidates to return.
        expired : bool
            True: where nobody else reaches the threshold, those who have expired count too. For
            callers who ask `people` for the date before they let anybody in.
        """
        probe = require_probe(embedding, dim=self._dim)
        threshold = require_number(threshold, "threshold", low=-1, high=1)
        margin = require_number(margin, "margin", low=0, high=2)
        if not isinstance(top_k, int) or top_k < 1:
            raise ValueError(f"top_k is {top_k!r}; expected a whole number of at least 1")
        # The margin needs the second person even when only one candidate is asked for.
        valid, count = self._valid_now(), max(top_k, 2)
        ranked = rank_people(valid.templates, probe, count=count)
        if expired:
            ranked = with_expired(ranked, valid, probe, threshold=threshold, count=count)
        return decide(ranked, threshold=threshold, margin=margin, top_k=top_k)

    def verify(self, name: str, embedding: np.ndarray, *, threshold: float) -> IdentityCheck:
        """Answer "is it this person?" by the best of the person's templates.

        Raises ``UnknownIdentityError`` when nobody of that name is enrolled.
        """
        name = require_name(name)
        probe = require_probe(embedding, dim=self._dim)
        threshold = require_number(threshold, "threshold", low=-1, high=1)
        templates = self._current()
        rows = templates.of(name)
        if len(rows) == 0:
            raise self._unknown(name)
        score = float(_native.cosine_topk(rows, probe, 1)[1][0])
        expired = templates.has_expired(name, now())
        return IdentityCheck(name, score >= threshold and not expired, score, threshold, expired)

    def remove(self, name: str) -> None:
        """Delete a person and all templates, from the disk's free space too.

        Raises ``UnknownIdentityError`` when nobody of that name is enrolled.
        """
        name = require_name(name)
        with self._lock:
            with self._store.writing():
                known = self._store.remove(name)
            if not known:
                raise self._unknown(name)
            self._store.scrub()

    def people(self) -> tuple[Person, ...]:
        """Return everybody, in order of their names: the same tuple until the gallery changes."""
        return self._current().listed

    def export_file(self, path: str | Path) -> None:
        """Write everybody with templates of this model into one file, atomically.

        It is **not encrypted**, also where the gallery is; see docs/gallery-format.md.
        """
        place = Path(path)
        self._require_other_file(place)
        write_gallery_file(place, self._current(), model_id=self._model_id)

    def import_file(self, path: str | Path) -> ImportReport:
        """Add everybody from an export; one transaction, so all of it or nothing.

        Somebody already enrolled gets the templates in addition and keeps all other data; identical
        templates are skipped, so importing twice changes nothing.
        """
        found = read_gallery_file(Path(path), model_id=self._model_id, dim=self._dim)
        with self._lock:
            known = set(self._current().names)
            with self._store.writing():
                added = sum(
                    self._store.add(person.name, found.of(person.name), record=person)
                    for person in found.people
                )
                self._require_own_cards()
        people = len(set(found.names) - known)
        return ImportReport(people, added, len(found.owners) - added)

    def close(self) -> None:
        """Close the database; closing twice is harmless."""
        with self._lock:
            self._store.close()

    def __len__(self) -> int:
        """Number of people."""
        return len(self._current().names)

    def __bool__(self) -> bool:
        return True  # an empty gallery is still a gallery

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *exception: object) -> bool | None:
        self.close()
        return None

    def _current(self) -> Templates:
        # Callers match outside the lock: what they got is never changed, only replaced.
        with self._lock:
            if self._store.changed():
                self._templates = self._store.load()
            return self._templates

    def _valid_now(self) -> Valid:
        with self._lock:
            templates = self._current()
            if not self._valid.holds(templates):
                self._valid = Valid.now(templates)
            return self._valid
