"""Keeping a gallery: people's own data, erasure, keys, backups, models. `Gallery` inherits it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from edgeface.errors import GalleryError, GalleryKeyError, UnknownIdentityError
from edgeface.gallery_account import account_of, write_account
from edgeface.gallery_backup import back_up, list_backup, listed_backups, remove_leftovers
from edgeface.gallery_check import GalleryCheck, check_rows
from edgeface.gallery_database import translated
from edgeface.gallery_key import GalleryKey
from edgeface.gallery_load import read_people
from edgeface.gallery_person import Person
from edgeface.gallery_receipt import (
    Erased,
    Receipt,
    read_receipts,
    subject_digest,
    write_receipts,
)
from edgeface.gallery_rekey import reseal, rewrap
from edgeface.gallery_store import GalleryStore
from edgeface.gallery_template import require_name


class GalleryKeeping(ABC):
    """What the gallery's owner does from time to time; see `edgeface.Gallery`."""

    _store: GalleryStore
    _lock: threading.RLock
    _model_id: str

    @property
    def path(self) -> Path:
        """The database file."""
        return self._store.path

    @property
    def gallery_id(self) -> str:
        """32 hex digits that no other gallery has; "" while it is of schema 1."""
        return self._store.settings.get("gallery_id", "")

    @property
    def encrypted(self) -> bool:
        """Whether a key is needed to read it."""
        return self._store.key is not None

    @abstractmethod
    def people(self) -> tuple[Person, ...]:
        """Return everybody, in order of their names."""

    def describe(self, name: str, **changes: Any) -> Person:
        """Set some of a person's own data, in one transaction; the rest stays.

        Parameters
        ----------
        name : str
            Somebody enrolled; else ``UnknownIdentityError``.
        **changes
            ``consent_at``, ``expires_at``: None, an aware datetime, or text as ``2026-01-31`` (its
            first moment in UTC) or ``2026-01-31T12:00:00Z``. ``groups``: names. ``card``: None or
            (facility, number), which nobody else has. ``blocked``: bool.

        Raises ``TypeError`` or ``ValueError`` for anything else, ``GalleryError`` for a card that
        is another's; nothing is changed then.
        """
        name = require_name(name)
        with self._lock:
            with self._store.writing():
                if self._store.change(name, changes) is None:
                    raise self._unknown(name)
                self._require_own_cards()
            return next(person for person in self.people() if person.name == name)

    def erase(self, name: str) -> Receipt:
        """Delete a person with proof: the templates are overwritten, and a receipt is kept.

        The file's free space is overwritten and its log is emptied. Copies elsewhere (backups,
        exports) are not reached: the receipt lists the backups that this gallery knows of.

        Raises
        ------
        UnknownIdentityError
            Nobody of that name is enrolled.
        GalleryError
            The person is erased, and a trace may be left in the log, because another process reads
            it; the text says what to do. `erasure_of` gives the receipt.
        """
        name = require_name(name)
        with self._lock:
            with self._store.writing():
                found = self._store.find(name)
                if found is None:
                    raise self._unknown(name)
                erased = Erased.of(self._store, found[0], found[2])
                (receipt,) = write_receipts(self._store, [erased])
                self._store.remove(name)
                remove_leftovers(place for place, _ in receipt.backups)
            self._scrub("erased")
        return receipt

    def erasures(self) -> tuple[Receipt, ...]:
        """Return the receipts of everybody erased, oldest first, after checking their chain."""
        with self._lock, self._store.reading():
            return () if self._store.is_schema_1 else read_receipts(self._store.db, path=self.path)

    def erasure_of(self, name: str) -> Receipt | None:
        """Return the last receipt of somebody's erasure, or None: by the name, which it lacks."""
        name = require_name(name)
        with self._lock, self._store.writing():
            subject = subject_digest(self._store, name)
            receipts = read_receipts(self._store.db, path=self.path)
        return next((r for r in reversed(receipts) if r.subject == subject), None)

    def export_person(self, name: str, path: str | Path, *, templates: bool = False) -> None:
        """Write everything held about a person into a JSON file, for that person.

        Parameters
        ----------
        name : str
            Somebody enrolled; else ``UnknownIdentityError``.
        path : str or Path
            Written atomically, readable by its owner only.
        templates : bool
            With the numbers themselves, by which the person could be recognised elsewhere.
        """
        name, place = require_name(name), Path(path)
        self._require_other_file(place)
        with self._lock, self._store.writing():
            found = self._store.find(name)
            if found is None:
                raise self._unknown(name)
            account = account_of(self._store, found, templates=templates)
        write_account(place, account)

    def backup(self, path: str | Path) -> None:
        """Copy the gallery, as it is now, into one file that opens with the same key.

        Atomically, readable by its owner only, while others enrol and identify. The gallery
        remembers where its backups are, for `erase`.
        """
        place = Path(path).absolute()
        self._require_other_file(place)
        # Listed before it exists: no copy is ever made that erasing somebody would not name.
        with self._lock, self._store.writing():
            list_backup(self._store.db, place)
        with translated(place):
            back_up(self.path, place)

    def backups(self) -> tuple[tuple[str, str], ...]:
        """Return (path, time) of every copy that this gallery made, whether it is still there."""
        with self._lock, self._store.reading():
            return () if self._store.is_schema_1 else listed_backups(self._store.db)

    def check(self) -> GalleryCheck:
        """Read everything, of every model, and say what there is.

        Raises ``GalleryFormatError`` for anything damaged, forged or not in its place.
        """
        with self._lock, self._store.reading():
            return check_rows(self._store, model_id=self._model_id)

    def encrypt(self, key: GalleryKey) -> None:
        """Encrypt a gallery that is not, in one transaction, and overwrite what was readable.

        Backups and exports made before stay readable. ``GalleryKeyError`` when it is encrypted
        already; ``GalleryError`` as for `erase` when a trace may be left.
        """
        with self._lock:
            if self.encrypted:
                raise GalleryKeyError(
                    f"gallery {self.path} is encrypted already: change its key with rekey"
                )
            with self._store.writing():
                reseal(self._store, key)
            self._store.key = key
            self._scrub("encrypted")

    def rekey(self, key: GalleryKey, *, reseal_rows: bool = False) -> None:
        """Exchange the key, in one transaction; the old one opens this file no more.

        Parameters
        ----------
        key : GalleryKey
            The new one.
        reseal_rows : bool
            Encrypt every row anew under a new data key, as is right when the old key may be known
            to others: False keeps the rows, and a copy of the file made before, with the old key,
            still opens them. With True, and the old key destroyed, all older copies are unreadable.

        ``GalleryKeyError`` when the gallery is not encrypted.
        """
        with self._lock:
            if not self.encrypted:
                raise GalleryKeyError(f"gallery {self.path} is not encrypted: encrypt it first")
            with self._store.writing():
                if reseal_rows:
                    reseal(self._store, key)
                else:
                    rewrap(self._store, key)
            self._store.key = key
            self._scrub("under its new key")

    def drop_replaced(self) -> int:
        """Delete other models' templates of people who have some of this model; return how many.

        Those of people who still need enrolment stay.
        """
        with self._lock:
            with self._store.writing():
                dropped = self._store.db.execute(
                    "DELETE FROM template WHERE model_id != ? AND person_id IN "
                    "(SELECT person_id FROM template WHERE model_id = ?)",
                    (self._model_id, self._model_id),
                ).rowcount
                self._store.ask_to_scrub()
            self._scrub("changed")
        return dropped

    def _require_own_cards(self) -> None:
        """Raise ``GalleryError`` where two people would have one card; inside `writing`."""
        owners: dict[tuple[int, int], str] = {}
        for *_, person in read_people(self._store.db, self._store.seal, path=self.path):
            other = person.card and owners.setdefault(person.card, person.name)
            if other and other != person.name:
                raise GalleryError(
                    f"card {person.card} would be that of {other!r} and of {person.name!r}: give "
                    "each another one; nothing was changed"
                )

    def _scrub(self, done: str) -> None:
        try:
            clean = self._store.scrub()
        except GalleryError as error:
            raise GalleryError(f"it is {done}, and old bytes may be left: {error}") from error
        if not clean:
            raise GalleryError(
                f"gallery {self.path} is {done}, and old bytes may be left in its log, which "
                "another process reads: close all programs that use it, then run edgeface gallery "
                "check"
            )

    def _require_other_file(self, place: Path) -> None:
        own = [Path(f"{self.path}{suffix}").resolve() for suffix in ("", "-wal", "-shm")]
        if place.resolve() in own:
            raise GalleryError(f"{place} is the gallery itself: export to another file")

    def _unknown(self, name: str) -> UnknownIdentityError:
        return UnknownIdentityError(
            f"nobody is enrolled as {name!r} in gallery {self.path} ({self._store.count()} people)"
            ": check the spelling with people()"
        )
