"""What somebody changed at a door itself: found by comparing with what the site last told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

import numpy as np

from edgeface.gallery import Holding, Person
from edgeface.gallery_person import PersonRecord
from edgeface.site.wire import RECORD, encode_templates

_DIGEST_BYTES = 8


@dataclass(frozen=True, eq=False)
class LocalEdit:
    """Something that the site is to be told, or asked.

    Attributes
    ----------
    kind
        "enrol", "change", "erase"; or "ask": what became of an enrolment that was sent.
    message
        As `edgeface.site.wire.EDIT`. The same edit has the same ``edit_id`` at any time.
    name, copy
        Of somebody of this gallery alone: the name, and what `copy_of` said when they were sent.
    note
        For `GallerySite.sending`; of who was removed here, what it was.
    """

    kind: str
    message: Mapping[str, Any]
    name: str = ""
    copy: str = ""
    note: str = ""

    @property
    def edit_id(self) -> str:
        """What the site knows the edit by."""
        return self.message["edit_id"]


def copy_of(record: PersonRecord, rows: np.ndarray) -> str:
    """Return somebody's data and templates in a form by which a change shows.

    Parameters
    ----------
    rows : (T, dim) float32 ndarray
        In any order.
    """
    return json.dumps({"record": _fields(record), "templates": sorted(_digests(rows))})


def local_edits(holding: Holding, *, gallery_id: str, made_at: str) -> tuple[LocalEdit, ...]:
    """Return what was changed in a gallery and the site has not told, erasures first.

    Who has no template of the gallery's model is not enrolled anew: the site could not use them.

    Parameters
    ----------
    gallery_id
        `Gallery.gallery_id`: edits of another gallery have other ids.
    made_at
        The time, as the gallery stores it.
    """
    found = []
    for key, version in holding.site.removed:
        if version < 0:
            found.append(_question(json.loads(key)["edit_id"], made_at, note=key))
        else:
            about = {"kind": "erase", "uid": key, "base": version}
            found.append(LocalEdit("erase", _with_id(about, gallery_id, made_at)))
    for person, rows in zip(holding.people, holding.rows):
        if person.site_id is None:
            if len(rows):
                found.append(_enrolment(person, rows, gallery_id=gallery_id, made_at=made_at))
        elif person.site_copy:
            about = _change(person, rows)
            if about:
                found.append(LocalEdit("change", _with_id(about, gallery_id, made_at)))
    return tuple(found)


def _enrolment(person: Person, rows: np.ndarray, *, gallery_id: str, made_at: str) -> LocalEdit:
    about = {
        "kind": "enrol",
        "name": person.name,
        "changes": _fields(person),
        "templates": encode_templates(rows),
    }
    # Enrolled, taken out and enrolled again from the same photos is another edit.
    message = _with_id(about, f"{gallery_id} {person.enrolled_at}", made_at)
    sent = json.loads(person.site_copy) if person.site_copy else None
    if sent and sent["edit_id"] != message["edit_id"]:
        # Changed since it was sent: what it was then is to be known before what it is now.
        return _question(sent["edit_id"], made_at, name=person.name, copy=sent["copy"])
    copy = copy_of(person, rows)
    note = json.dumps({"edit_id": message["edit_id"], "copy": copy})
    return LocalEdit("enrol", message, person.name, copy, note)


def _question(edit_id: str, made_at: str, **values: str) -> LocalEdit:
    # The site answers an id that it knows with what it answered then; an erasure of nobody is
    # refused, and so is every later edit of this id.
    message = {"edit_id": edit_id, "kind": "erase", "made_at": made_at}
    return LocalEdit("ask", message, **values)


def _change(person: Person, rows: np.ndarray) -> dict[str, Any]:
    told = json.loads(person.site_copy or "")
    changes = {
        name: value for name, value in _fields(person).items() if value != told["record"][name]
    }
    known = set(told["templates"])
    new = [row for row, digest in zip(rows, _digests(rows)) if digest not in known]
    if not changes and not new:
        return {}
    about = {"kind": "change", "uid": person.site_id, "base": person.site_version or 0}
    if changes:
        about["changes"] = changes
    if new:
        about["templates"] = encode_templates(np.array(new))
    return about


def _with_id(about: dict[str, Any], key: str, made_at: str) -> dict[str, Any]:
    text = json.dumps([key, about], sort_keys=True)
    return {**about, "edit_id": sha256(text.encode()).hexdigest()[:32], "made_at": made_at}


def _fields(record: PersonRecord) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in RECORD}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def _digests(rows: np.ndarray) -> Iterator[str]:
    for row in rows:
        data = row.astype("<f4", copy=False).tobytes()
        yield blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
