"""A gallery as a site's copy: what the site told is taken over whole, in one transaction.

`edgeface.agent` is who does that; docs/decisions/0038 has the reasons.
"""

from __future__ import annotations

import threading
from abc import ABC
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeface.gallery_arrival import Arrival, SiteEntry
from edgeface.gallery_keeping import GalleryKeeping
from edgeface.gallery_person import Person
from edgeface.gallery_store import GalleryStore, SiteState
from edgeface.gallery_template import Templates


@dataclass(frozen=True, eq=False)
class Holding:
    """A gallery at one moment.

    Attributes
    ----------
    people : tuple of Person
        In order of their names.
    rows : tuple of (T, dim) float32 ndarray
        Each one's templates.
    site : SiteState
        Where it stands with its site.
    """

    people: tuple[Person, ...]
    rows: tuple[np.ndarray, ...]
    site: SiteState


class GallerySite(GalleryKeeping, ABC):
    """What the agent does with a gallery; see `edgeface.Gallery`."""

    _store: GalleryStore
    _lock: threading.RLock
    _templates: Templates
    _dim: int

    def holding(self) -> Holding:
        """Return everything; also the templates, which are for the site alone."""
        with self._lock:
            people = self.people()
            with self._store.reading():
                site = SiteState() if self._store.is_schema_1 else self._store.site()
            return Holding(people, self._templates.held(), site)

    def apply(
        self,
        entries: Iterable[SiteEntry],
        *,
        cursor: str,
        whole: bool = False,
        seen: Holding | None = None,
    ) -> bool:
        """Take over what the site tells, and up to where; one transaction.

        Somebody known here by the name only becomes the site's person of that name. Whoever keeps
        a name or a card that the site gives to another now has it no longer: the site's next word
        on them is on its way. Who goes is erased as by `erase`, with a receipt; where another
        process reads the log at that moment, the next call or opening cleans it.

        Parameters
        ----------
        entries : iterable of SiteEntry
            At most one of a person.
        cursor : str
            For `SiteState.cursor`.
        whole : bool
            These are all people of the site: others of it go, and those of this gallery alone stay.
        seen : Holding or None
            What `holding` returned: where anybody changed the gallery since, nothing is done.

        Returns whether it was done. Raises ``ValueError`` or ``TypeError`` for an entry that no
        gallery takes; nothing is changed then.
        """
        checked = [entry.checked(dim=self._dim) for entry in entries]
        with self._lock:
            with self._store.writing():
                if seen is not None and not self._is_still(seen):
                    return False
                arrival = Arrival(self._store)
                gone = {entry.uid for entry in checked if entry.name is None}
                arrival.erase(gone, kept={entry.uid for entry in checked} if whole else None)
                arrival.take(entry for entry in checked if entry.name is not None)
                removed = () if whole else self._store.site().removed
                self._store.set_site(SiteState(cursor, removed))
            self._store.scrub_if_asked()
        return True

    def sending(self, name: str, note: str) -> bool:
        """Note that somebody of this gallery alone is about to be sent to the site.

        Whoever is removed here while nobody knows whether that arrived can then be found there.
        "" takes the note away. False where nobody of that name is this gallery's alone.
        """
        return self._mark(name, site_copy=note)

    def link(self, name: str, *, uid: str, version: int, copy: str) -> bool:
        """Note that the site knows somebody of this gallery now; parameters as for `SiteEntry`.

        False where nobody of that name is this gallery's alone.
        """
        return self._mark(name, site_id=uid, site_version=version, site_copy=copy)

    def settle_removed(self, key: str, *, known_as: tuple[str, int] | None = None) -> None:
        """Drop an entry of `SiteState.removed`; or put there the site's uid and version."""
        with self._lock, self._store.writing():
            site = self._store.site()
            waiting = [entry for entry in site.removed if entry[0] != key]
            waiting += [known_as] if known_as else []
            self._store.set_site(replace(site, removed=tuple(waiting)))

    def _mark(self, name: str, **values: Any) -> bool:
        with self._lock, self._store.writing():
            found = self._store.find(name)
            if found is None or found[2].site_id is not None:
                return False
            number, uid, record = found
            sealed = self._store.seal.seal_record(uid, replace(record, **values))
            self._store.db.execute("UPDATE person SET record = ? WHERE id = ?", (sealed, number))
        return True

    def _is_still(self, seen: Holding) -> bool:
        return not self._store.changed() and self._templates.listed is seen.people
