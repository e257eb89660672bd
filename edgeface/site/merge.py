"""Two edits of one person meet: where they collide, the one that lets fewer in holds.

Pure: no database, no clock. Decision 0034, point 5, and decision 0035 say why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgeface.gallery_person import PersonRecord, apply_changes
from edgeface.gallery_template import require_name

DEFAULT_GROUP = "default"
"""Whoever is in no group is in this one, as at a door."""
NO_GROUP = "nobody"
"""Stands in a record where edits left no group that both have: an empty list would mean "default",
and let somebody in. No door and no rule may have a group of this name."""
WIDENING = ("blocked", "expires_at")
"""Fields by which somebody is let in again at every door; groups are granted one by one."""
_NEVER_EXPIRES = "~"  # after every time


@dataclass(frozen=True)
class Merged:
    """A record after an edit, and the fields on which the edit and those before it differ."""

    record: PersonRecord
    conflicts: tuple[str, ...] = ()


def edited(record: PersonRecord, changes: Mapping[str, Any]) -> PersonRecord:
    """Return a record with fields set as `apply_changes` takes them, and ``name``.

    "default" among the groups is left out: a door asks for it only where there is no other.
    Raises ``TypeError`` and ``ValueError`` as `apply_changes` and `require_name` do.
    """
    rest = {field: value for field, value in changes.items() if field != "name"}
    if "name" in changes:
        record = replace(record, name=require_name(changes["name"]))
    record = apply_changes(record, rest)
    groups = tuple(group for group in record.groups if group != DEFAULT_GROUP)
    return replace(record, groups=groups)


def merge(
    current: PersonRecord,
    changes: Mapping[str, Any],
    *,
    touched: Collection[str],
    narrowing: Collection[str] = (),
) -> Merged:
    """Return what an edit makes of a record that others may have edited since the edit began.

    Parameters
    ----------
    current
        The record as it is now.
    changes
        What the edit sets, as for `edited`.
    touched
        The fields that others have set since the version that the edit began from.
    narrowing
        Fields by which this edit may let in fewer and not more; it differs where it asks for more.

    Edits of one beginning give the same access in every order, and on a collision never more than
    either of them alone. In what opens nothing (name, consent, card) the edit at hand holds.
    """
    wanted = edited(current, changes)
    differ = {field for field in changes if _key(current, field) != _key(wanted, field)}
    bound = differ & {*touched, *narrowing} & set(_NARROWER)
    narrower = {
        field: _NARROWER[field](getattr(current, field), getattr(wanted, field)) for field in bound
    }
    found = replace(wanted, **narrower)
    denied = {field for field in bound if _key(found, field) != _key(wanted, field)}
    return Merged(found, tuple(sorted((differ & set(touched)) | denied)))


def members_of(groups: Collection[str]) -> frozenset[str]:
    """Return the groups that somebody is in whose record has these."""
    return frozenset(groups) - {DEFAULT_GROUP} or frozenset({DEFAULT_GROUP})


def groups_within(
    groups: Collection[str], *, own: Collection[str], grantable: Collection[str]
) -> tuple[str, ...]:
    """Return those of an edit's groups that the person has already, or that may be granted."""
    allowed = members_of(own) | frozenset(grantable)
    return _groups(members_of(groups) & allowed)


def _groups(members: frozenset[str]) -> tuple[str, ...]:
    if members == {DEFAULT_GROUP}:
        return ()
    return tuple(sorted(members)) or (NO_GROUP,)


def _key(record: PersonRecord, field: str) -> Any:
    return members_of(record.groups) if field == "groups" else getattr(record, field)


def _earlier(one: str | None, other: str | None) -> str | None:
    first = min(one or _NEVER_EXPIRES, other or _NEVER_EXPIRES)
    return None if first == _NEVER_EXPIRES else first


def _both(one: Collection[str], other: Collection[str]) -> tuple[str, ...]:
    return _groups(members_of(one) & members_of(other))


_NARROWER = {
    "blocked": lambda one, other: one or other,
    "expires_at": _earlier,
    "groups": _both,
}
