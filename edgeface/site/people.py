"""The site's people: one record and the templates of everybody, whatever door enrolled them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from edgeface import _native
from edgeface.errors import SiteError, UnknownEntryError
from edgeface.gallery_person import now
from edgeface.gallery_template import require_embeddings, require_name
from edgeface.site.database import Database
from edgeface.site.people_account import account_of
from edgeface.site.people_edit import change_row, enrol_row, more_templates
from edgeface.site.people_erase import Erasure, erase_row, erasure_of, read_erasures
from edgeface.site.people_find import Entry, Page, find_entries, read_entry
from edgeface.site.people_row import find_row, read_templates, writing

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["Edited", "Entry", "Erasure", "Page", "People"]


@dataclass(frozen=True)
class Edited:
    """Somebody after an edit, and the fields on which others had said something else meanwhile."""

    entry: Entry
    conflicts: tuple[str, ...] = ()


class People:
    """Everybody enrolled at a site. Threads may share it; every change is all or nothing.

    ``by``, in all that changes something: who does it, as ``user:anna``, ``door:front`` or
    ``token:ci``. Every method raises ``SiteError`` when the database does not answer.

    Parameters
    ----------
    database
        The site's.
    model_id
        `Bundle.model_id` of the model that makes the embeddings; a new site is bound to it.
    dim
        Length of an embedding.

    Raises
    ------
    SiteError
        The site's templates are of another model: their cosine with this one's means nothing.
    """

    def __init__(self, database: Database, *, model_id: str, dim: int) -> None:
        if not isinstance(model_id, str) or not model_id.isprintable() or not model_id:
            raise ValueError(f"model_id is {model_id!r}; expected the text of Bundle.model_id")
        if not isinstance(dim, int) or not 1 <= dim <= _native.MOST_DIMS:
            raise ValueError(f"dim is {dim!r}; expected 1 to {_native.MOST_DIMS}")
        self.database, self.model_id, self.dim = database, model_id, dim
        with writing(database) as connection:
            self.site_id = _bind(connection, model_id=model_id, dim=dim)

    def enrol(
        self,
        name: str,
        embeddings: np.ndarray,
        *,
        by: str,
        changes: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> Entry:
        """Add templates to a person; committed when this returns.

        Parameters
        ----------
        name
            As `Gallery.enroll` takes it. Somebody already enrolled gets the templates in addition;
            identical ones are kept once.
        embeddings : (T, dim) float32 ndarray
            Unit rows, T at least 1.
        changes
            The person's own data: see `change`.
        request_id
            The same id again changes nothing, and gives the same person.

        Raises
        ------
        SiteConflictError
            The card is somebody else's.
        UnknownEntryError
            The id is of a request whose person was erased since.
        """
        name = require_name(name)
        embeddings = require_embeddings(embeddings, dim=self.dim)
        with writing(self.database) as connection:
            uid = _enrolled_by(connection, request_id)
            if uid is None:
                row = enrol_row(connection, name, embeddings, by=by, changes=changes or {})
                uid = row.uid
                _remember(connection, request_id, uid=uid)
            return read_entry(connection, uid)

    def add(self, uid: str, embeddings: np.ndarray, *, by: str) -> Entry:
        """Add templates to somebody; those that are there already change nothing.

        ``embeddings`` as for `enrol`. Raises ``UnknownEntryError`` for nobody of that uid.
        """
        embeddings = require_embeddings(embeddings, dim=self.dim)
        with writing(self.database) as connection:
            more_templates(connection, find_row(connection, uid=uid), embeddings, by=by)
            return read_entry(connection, uid)

    def change(
        self, uid: str, changes: Mapping[str, Any], *, by: str, base: int | None = None
    ) -> Edited:
        """Set some of a person's fields.

        Parameters
        ----------
        changes
            As `edgeface.gallery_person.apply_changes` takes them, and ``name``.
        base
            The version that the edit began from. What others set since is merged (decision 0034,
            point 5); None: the edit knows the newest.

        Raises ``UnknownEntryError`` for nobody of that uid, ``SiteConflictError`` where the name
        or the card are somebody else's, ``TypeError`` and ``ValueError`` for wrong values.
        """
        with writing(self.database) as connection:
            row = find_row(connection, uid=uid)
            row, conflicts = change_row(connection, row, changes, by=by, base=base)
            return Edited(read_entry(connection, uid), conflicts)

    def erase(self, uid: str, *, by: str) -> Erasure:
        """Delete a person, the templates and the history; doors follow.

        Erasing twice gives the same receipt. Raises ``UnknownEntryError`` for nobody of that uid.
        """
        with writing(self.database) as connection:
            try:
                return erase_row(connection, find_row(connection, uid=uid), by=by)
            except UnknownEntryError:
                return erasure_of(connection, uid)

    def get(self, uid: str) -> Entry:
        """Return somebody; ``UnknownEntryError`` for nobody of that uid."""
        with self.database.transaction() as connection:
            return read_entry(connection, uid)

    def by_name(self, name: str) -> Entry | None:
        """Return who has exactly this name (in Unicode form NFC), or None."""
        with self.database.transaction() as connection:
            try:
                return read_entry(connection, find_row(connection, name=require_name(name)).uid)
            except UnknownEntryError:
                return None

    def templates(self, uid: str) -> np.ndarray:
        """Return somebody's templates, (T, dim) float32; T is 0 for nobody of that uid."""
        with self.database.transaction() as connection:
            return read_templates(connection, [uid], dim=self.dim)[uid]

    def find(
        self,
        *,
        text: str = "",
        group: str | None = None,
        state: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page:
        """Return people in order of their names.

        Parameters
        ----------
        text
            Part of the name; case and accents do not matter.
        group
            Only who is in it.
        state
            "valid", "expired" or "blocked"; None for all. Somebody blocked who has expired counts
            as blocked.
        limit
            How many, 1 to 1000.
        after
            `Page.next` of the page before; ``SiteConflictError`` where that person was erased.
        """
        with self.database.transaction() as connection:
            return find_entries(
                connection, text=text, group=group, state=state, limit=limit, after=after
            )

    def account(self, uid: str) -> dict[str, Any]:
        """Return everything that the site holds of a person, for that person, as JSON.

        Raises ``UnknownEntryError`` for nobody of that uid.
        """
        with self.database.transaction() as connection:
            row = find_row(connection, uid=uid)
            entry = read_entry(connection, uid)
            values = read_templates(connection, [uid], dim=self.dim)[uid]
            return account_of(connection, row, entry=entry, templates=values)

    def receipts(self) -> tuple[Erasure, ...]:
        """Return the receipts of all erasures, oldest first; ``SiteError`` for a broken chain."""
        with self.database.transaction() as connection:
            return read_erasures(connection)

    def __len__(self) -> int:
        """Number of people."""
        with self.database.transaction() as connection:
            return connection.execute("SELECT count(*) FROM person").fetchone()[0]

    def __bool__(self) -> bool:
        return True  # a site without people is still a site


def _bind(connection: Connection, *, model_id: str, dim: int) -> str:
    """Return the site's id, after binding a new site to the model or checking an old one."""
    found = connection.execute("SELECT site_id, model_id, dim FROM site").fetchone()
    if found is None:
        site_id = uuid4().hex
        sql = "INSERT INTO site (site_id, model_id, dim) VALUES (%s, %s, %s)"
        connection.execute(sql, (site_id, model_id, dim))
        # dim is a checked int: a type's modifier cannot be a parameter.
        connection.execute(f"ALTER TABLE template ALTER COLUMN embedding TYPE vector({dim})")
        return site_id
    if found[1:] != (model_id, dim):
        raise SiteError(
            f"the site's templates are of model {found[1]} ({found[2]} numbers), this bundle's "
            f"model is {model_id} ({dim}): use the bundle of that model, or enrol everybody anew "
            "in a new database"
        )
    return found[0]


def _enrolled_by(connection: Connection, request_id: str | None) -> str | None:
    found = connection.execute(
        "SELECT uid FROM enrol_request WHERE request_id = %s", (request_id,)
    ).fetchone()
    return found[0] if found else None


def _remember(connection: Connection, request_id: str | None, *, uid: str) -> None:
    if request_id is not None:
        sql = "INSERT INTO enrol_request (request_id, uid, at) VALUES (%s, %s, %s)"
        connection.execute(sql, (request_id, uid, now()))
