"""Enrolling from photos: good ones only, and nobody under two names unless somebody says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeface.console.answers import Refused, values_checked
from edgeface.console.photos import Upload, look_at, require_good
from edgeface.errors import UnknownEntryError
from edgeface.site.nearest import nearest
from edgeface.site.people import Entry
from edgeface.site.site import Site


def enrol_photos(
    site: Site,
    name: str,
    uploads: Sequence[Upload],
    *,
    by: str,
    changes: Mapping[str, Any] | None = None,
    request_id: str | None = None,
    confirmed: bool = False,
) -> Entry:
    """Enrol somebody, or add templates to who has this name.

    Parameters
    ----------
    confirmed
        Somebody looked: the photos may look like another person, or unlike the one of this name.

    Raises
    ------
    Refused
        A photo must not be enrolled, or they look as said above and nobody confirmed it.
    SiteError
        As `People.enrol` has it.
    """
    embeddings = require_good(look_at(site.pipeline, uploads))
    with values_checked():
        if not confirmed:
            _require_one_person(site, site.people.by_name(name), embeddings)
        return site.people.enrol(name, embeddings, by=by, changes=changes, request_id=request_id)


def add_photos_of(
    site: Site, uid: str, uploads: Sequence[Upload], *, by: str, confirmed: bool = False
) -> Entry:
    """Add templates to somebody by uid: whoever was erased or renamed meanwhile is nobody new.

    ``confirmed`` and errors as `enrol_photos`; ``UnknownEntryError`` for nobody of that uid.
    """
    known = site.people.get(uid)
    embeddings = require_good(look_at(site.pipeline, uploads))
    if not confirmed:
        _require_one_person(site, known, embeddings)
    return site.people.add(uid, embeddings, by=by)


def _require_one_person(site: Site, known: Entry | None, embeddings: np.ndarray) -> None:
    threshold = site.pipeline.bundle.threshold()
    if float((embeddings @ embeddings.T).min()) < threshold:
        raise Refused(409, "duplicate", "the photos seem to show different people: look again")
    if known is not None and known.templates:
        own = site.people.templates(known.uid)
        if float((embeddings @ own.T).max()) < threshold:
            text = f"{known.name} is enrolled with another face: is it the same person?"
            raise Refused(409, "duplicate", text)
    for embedding in embeddings:
        for found in nearest(site.database, embedding, count=2):
            if found.score >= threshold and (known is None or found.uid != known.uid):
                _refuse_duplicate(site, found.uid)


def _refuse_duplicate(site: Site, uid: str) -> None:
    try:
        other = site.people.get(uid)
    except UnknownEntryError:  # erased meanwhile
        return
    raise Refused(
        409, "duplicate", f"this looks like {other.name}, who is enrolled already: the same person?"
    )
