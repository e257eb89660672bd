"""A door's edit inside a transaction: what it may change, and the answer to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.errors import SiteError, UnknownEntryError
from edgeface.gallery_person import PersonRecord, apply_changes
from edgeface.gallery_template import require_name
from edgeface.site.merge import WIDENING, groups_within, members_of
from edgeface.site.people_edit import change_row, enrol_row, more_templates, renew_row
from edgeface.site.people_erase import erase_row
from edgeface.site.people_row import Row, find_row
from edgeface.site.wire import decode_templates

if TYPE_CHECKING:
    from psycopg import Connection

_TEXT_LIMIT = 500


@dataclass(frozen=True)
class Asking:
    """The door that edits, and its groups."""

    door: str
    groups: frozenset[str]

    def has_all(self, groups: Collection[str]) -> bool:
        """Tell whether who has these groups is let in nowhere but by groups of this door."""
        return members_of(groups) <= self.groups

    @property
    def by(self) -> str:
        """Who it is, in the history of a person."""
        return f"door:{self.door}"


def apply_edit(
    connection: Connection, asking: Asking, message: Mapping[str, Any], *, dim: int
) -> dict[str, Any]:
    """Do what an edit says, inside `writing`; return the answer.

    An edit that cannot be done is refused, and changes nothing; the door is told the person anew,
    whom it has as it wanted them.
    """
    try:
        with connection.transaction():
            done = _KINDS[message["kind"]](connection, asking, message, dim)
    except (SiteError, ValueError, TypeError) as error:
        done = {"outcome": "refused", "text": str(error)[:_TEXT_LIMIT], "conflicts": []}
        _tell_anew(connection, asking, message.get("uid"))
    return {"edit_id": message["edit_id"], **done}


def _erase(
    connection: Connection, asking: Asking, message: Mapping[str, Any], dim: int
) -> dict[str, Any]:
    uid = _required(message, "uid")
    try:
        row = find_row(connection, uid=uid)
    except UnknownEntryError:
        return _done("is not at the site any more", uid=uid)
    _require_known(connection, asking, row, base=message.get("base", 0))
    receipt = erase_row(connection, row, by=asking.by)
    return _done(f"erased; receipt {receipt.receipt_id}", uid=uid)


def _change(
    connection: Connection, asking: Asking, message: Mapping[str, Any], dim: int
) -> dict[str, Any]:
    row = find_row(connection, uid=_required(message, "uid"))
    base = message.get("base", 0)
    _require_known(connection, asking, row, base=base)
    changes, refused = _granted(message, asking, own=row.record.groups)
    templates = decode_templates(message.get("templates", []), dim=dim)
    own = asking.has_all(row.record.groups)
    if not own and _sets_card(changes, row):  # an access panel at another door goes by it
        row, refused = renew_row(connection, row), {*refused, "card"}
        del changes["card"]
    row, conflicts = change_row(
        *(connection, row, changes),
        by=asking.by,
        base=base,
        narrowing=() if own else WIDENING,
        yielding=True,
    )
    if own:
        row = more_templates(connection, row, templates, by=asking.by)
    elif len(templates):  # whoever holds this door's token would be let in at others
        row, refused = renew_row(connection, row), {*refused, "templates"}
    return _merged(row, {*conflicts, *refused})


def _enrol(
    connection: Connection, asking: Asking, message: Mapping[str, Any], dim: int
) -> dict[str, Any]:
    if "uid" in message:
        return _change(connection, asking, message, dim)
    name = require_name(_required(message, "name"))
    templates = decode_templates(_required(message, "templates"), dim=dim)
    if not len(templates):
        raise SiteError("an enrolment without templates: send at least one")
    known = _person_with(connection, name, templates)
    if known:
        return _merged(known, ())
    wanted = {key: value for key, value in message.items() if key != "name"}
    wanted["changes"] = {"groups": [], **message.get("changes", {})}
    changes, refused = _granted(wanted, asking, own=None)
    row = enrol_row(connection, name, templates, by=asking.by, changes=changes)
    return _merged(row, refused)


def _tell_anew(connection: Connection, asking: Asking, uid: str | None) -> None:
    try:
        row = find_row(connection, uid=uid or "")
    except UnknownEntryError:
        return
    if members_of(row.record.groups) & asking.groups:
        renew_row(connection, row)


def _person_with(connection: Connection, name: str, templates: np.ndarray) -> Row | None:
    """Return who has that name and all these templates already, or None for a new name.

    The same name with another face may be another person, who would get this one's access.
    """
    try:
        row = find_row(connection, name=name)
    except UnknownEntryError:
        return None
    digests = [sha256(template.astype("<f4").tobytes()).digest() for template in templates]
    held = connection.execute(
        "SELECT count(*) FROM template WHERE uid = %s AND digest = ANY(%s)", (row.uid, digests)
    ).fetchone()[0]
    if held < len(set(digests)):
        raise SiteError(
            "the site has somebody of that name already, with other templates: enrol this person "
            "under a name that tells the two apart, or add the photos at the site"
        )
    return row


def _granted(
    message: Mapping[str, Any], asking: Asking, *, own: tuple[str, ...] | None
) -> tuple[dict[str, Any], set[str]]:
    """Return what the edit may set, and the fields in which it asked for more.

    A door grants its own groups only: its token opens no other door.
    """
    changes = dict(message.get("changes", {}))
    if "name" in message:
        changes["name"] = message["name"]
    if "groups" not in changes:
        return changes, set()
    wanted = apply_changes(PersonRecord("", ""), {"groups": changes["groups"]}).groups
    # Somebody new has no group, which is not to be in "default": that must be granted too.
    kept = asking.groups if own is None else own
    granted = groups_within(wanted, own=kept, grantable=asking.groups)
    refused = members_of(granted) != members_of(wanted)
    return {**changes, "groups": granted}, {"groups"} if refused else set()


def _sets_card(changes: Mapping[str, Any], row: Row) -> bool:
    card = changes.get("card")
    return card is not None and tuple(card) != row.record.card


def _require_known(connection: Connection, asking: Asking, row: Row, *, base: int) -> None:
    if members_of(row.record.groups) & asking.groups:
        return
    had = connection.execute(
        "SELECT FROM departure WHERE uid = %s AND version > %s AND groups && %s LIMIT 1",
        (row.uid, base, sorted(asking.groups)),
    ).fetchone()
    if had is None:
        raise UnknownEntryError("that is nobody whom this door may know")


def _required(message: Mapping[str, Any], field: str) -> Any:
    if field not in message:
        raise SiteError(f"{field} is missing, which {message['kind']} needs")
    return message[field]


def _merged(row: Row, conflicts: set[str] | tuple[str, ...]) -> dict[str, Any]:
    fields = sorted(conflicts)
    text = f"the site differs in {', '.join(fields)}" if fields else "as asked for"
    return {
        "outcome": "merged" if fields else "applied",
        "text": text,
        "conflicts": fields,
        "uid": row.uid,
        "version": row.version,
    }


def _done(text: str, *, uid: str) -> dict[str, Any]:
    return {"outcome": "applied", "text": text, "conflicts": [], "uid": uid}


_KINDS = {"enrol": _enrol, "change": _change, "erase": _erase}
