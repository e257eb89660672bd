"""An open gallery database: its transactions, and the key and model that it is used with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeface.errors import GalleryError, GalleryFormatError, GalleryKeyError, GalleryModelError
from edgeface.gallery_backup import back_up, list_schema_1, name_for_schema_1
from edgeface.gallery_database import (
    create_database,
    damaged,
    file_identity,
    open_database,
    pragma,
    translated,
)
from edgeface.gallery_key import GalleryKey
from edgeface.gallery_schema1 import upgrade
from edgeface.gallery_seal import RowSeal, fresh

SCRUB = "scrub"
"""The setting that says that deleted bytes may still be there."""


class GalleryConnection:
    """An open gallery database. Not for threads by itself.

    Attributes
    ----------
    db
        The connection, for the gallery's other modules; inside `writing` or `reading`.
    settings
        The table ``setting`` as of the last transaction.
    model_id, dim
        Whose templates are used, and their length.
    loaded_version
        Which state of the database is in memory; -1 for none.
    key
        What opens it; to be set anew after a transaction that exchanged it.
    """

    def __init__(
        self,
        path: Path,
        *,
        model_id: str,
        dim: int,
        create: bool,
        key: GalleryKey | None = None,
        migrate: bool = False,
    ) -> None:
        self.path = path = path.absolute()  # whoever changes directory keeps the gallery
        self.settings: dict[str, str] = {}
        self.model_id = model_id
        self.dim = dim
        self.key = key
        self._seal: RowSeal | None = None
        self.loaded_version = -1
        self._process = os.getpid()
        with translated(path):
            if not path.exists():
                settings = {"model_id": model_id, "dim": str(dim), **fresh(key)[1]}
                create_database(path, settings, allowed=create)
            self._file = file_identity(path)
            self.db = open_database(path)
        try:
            self._open(migrate)
        except BaseException:
            self.db.close()
            raise

    @property
    def seal(self) -> RowSeal:
        """What opens this gallery's rows; for use inside `writing`."""
        # Schema 1 has none, and `writing` leaves that behind.
        assert self._seal is not None  # nosec B101  # for type checkers
        return self._seal

    @property
    def is_schema_1(self) -> bool:
        """Whether it is as an older version wrote it; as of the last transaction."""
        return self._seal is None

    def close(self) -> None:
        """Close the database; closing twice is harmless."""
        with translated(self.path):
            self.db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: at the end of the block everything is on the disk, or nothing is."""
        self._require_same_file()
        self._leave_schema_1()
        with self._transaction("BEGIN IMMEDIATE"):
            self._adopt()
            yield
        self.loaded_version = -1  # data_version does not count our own commits

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One transaction that sees the gallery as it is at one moment."""
        self._require_same_file()
        with self._transaction("BEGIN"):
            self._adopt()
            yield

    def set(self, name: str, value: str | None) -> None:
        """Write one setting, or delete it; inside `writing`."""
        self.db.execute("DELETE FROM setting WHERE key = ?", (name,))
        if value is not None:
            self.db.execute("INSERT INTO setting VALUES (?, ?)", (name, value))

    def scrub(self) -> bool:
        """Empty the log, where deleted rows would stay readable; the file has overwritten them.

        Returns False where another process still reads the log; then the next opening tries again.
        """
        self._require_same_file()
        with translated(self.path):
            asked = self.db.execute("SELECT value FROM setting WHERE key = ?", (SCRUB,)).fetchone()
            busy = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if asked and not busy:  # not what another process has asked for meanwhile
                sql = "DELETE FROM setting WHERE key = ? AND value = ?"
                self.db.execute(sql, (SCRUB, asked[0]))
        self.loaded_version = -1
        return not busy

    def scrub_if_asked(self) -> None:
        """Do what `ask_to_scrub` noted; where that cannot be, the next opening tries again."""
        with translated(self.path):
            asked = self.db.execute("SELECT 1 FROM setting WHERE key = ?", (SCRUB,)).fetchone()
        if asked:
            try:
                self.scrub()
            except GalleryError:  # a read-only or full disk: identification goes on all the same
                pass

    def ask_to_scrub(self) -> None:
        """Note inside `writing` that `scrub` must follow, if need be at the next opening."""
        self.set(SCRUB, os.urandom(8).hex())

    def changed(self) -> bool:
        """Tell whether anybody committed since the last `load`. Costs microseconds."""
        self._require_same_file()
        with translated(self.path):
            return self.loaded_version != pragma(self.db, "data_version")

    def _open(self, migrate: bool) -> None:
        with translated(self.path):
            self.settings = dict(self.db.execute("SELECT key, value FROM setting"))
        model = (self.settings.get("model_id"), self.settings.get("dim"))
        if migrate and None not in model and model != (self.model_id, str(self.dim)):
            self._migrate()
        with self.reading():
            pass  # key and model are right, or it raised
        self.scrub_if_asked()

    def _migrate(self) -> None:
        self._leave_schema_1()
        with self._transaction("BEGIN IMMEDIATE"):
            self._adopt_key()  # whoever has no key changes nothing
            self.set("model_id", self.model_id)
            self.set("dim", str(self.dim))

    def _adopt(self) -> None:
        """Take key and model as they are now: another process may have changed either."""
        self._adopt_key()
        found = self.settings.get("model_id")
        if found != self.model_id:
            raise GalleryModelError(self._of_other_model(found))
        if self.settings.get("dim") != str(self.dim):
            raise GalleryModelError(
                f"gallery {self.path} holds embeddings of length {self.settings.get('dim')}, this "
                f"model makes {self.dim}: use another gallery"
            )
        if self._seal is not None and not {"gallery_id", "receipt_key"} <= set(self.settings):
            raise GalleryFormatError(damaged(self.path, "its settings are not all there"))

    def _adopt_key(self) -> None:
        settings = dict(self.db.execute("SELECT key, value FROM setting"))
        known = self._seal is not None and settings.get("key") == self.settings.get("key")
        if pragma(self.db, "user_version") == 1:
            known, self._seal = True, None
        if self.key is not None and "key" not in settings:
            raise GalleryKeyError(
                f"a key is given for gallery {self.path}, which is not encrypted: encrypt it with "
                "edgeface gallery encrypt, or open it without a key; nothing was changed"
            )
        if not known:
            self._seal = RowSeal.of_settings(settings, self.key, path=self.path)
        self.settings = settings

    def _leave_schema_1(self) -> None:
        with translated(self.path):
            if pragma(self.db, "user_version") != 1:
                return
            back_up(self.path, name_for_schema_1(self.path))
        with self._transaction("BEGIN IMMEDIATE"):
            if pragma(self.db, "user_version") == 1:  # else another process was faster
                upgrade(self.db, path=self.path)
                list_schema_1(self.db, path=self.path)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with translated(self.path):
            self.db.execute(begin)
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:  # SQLite has ended it itself on a full disk or damage
                    self.db.execute("ROLLBACK")
                raise

    def _of_other_model(self, found: object) -> str:
        return (
            f"gallery {self.path}: it belongs to model {found}, in use is {self.model_id}: "
            "their embeddings cannot be compared; use the bundle it was made with, or run edgeface "
            "gallery migrate and enrol everybody again: nobody's templates are deleted"
        )

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
