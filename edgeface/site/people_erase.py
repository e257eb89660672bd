"""Erasing somebody from the site and all doors, and the receipts of it.

A receipt names the one before it by its hash, so that none can be taken out or added in between.
It is complete when every door that held the person has said that it does not any more.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from edgeface.errors import SiteError, UnknownEntryError
from edgeface.gallery_person import now
from edgeface.site.merge import members_of
from edgeface.site.people_row import Row, add_departure, next_version, notify

if TYPE_CHECKING:
    from psycopg import Connection

FIRST = "0" * 64
# Each with its doors: [[name, confirmed at, removed at], …]
_RECEIPTS = (
    "SELECT receipt, coalesce(json_agg(json_build_array(door, confirmed_at, removed_at) "
    "ORDER BY door) FILTER (WHERE door IS NOT NULL), '[]') "
    "FROM erased LEFT JOIN erasure_door ON erasure_door.uid = erased.uid"
)


@dataclass(frozen=True)
class Erasure:
    """Proof that somebody was erased; holds no name and no template.

    Attributes
    ----------
    receipt_id, uid : str
        32 hex digits; the uid is the person's.
    site_id, by, erased_at : str
        Where, by whom, when.
    templates : int
        How many were deleted at the site.
    held_by : tuple of str
        Doors that held the person, or may have.
    previous, head : str
        SHA-256 of the receipt before it (zeros for the first) and of this one, without what
        follows.
    confirmed : mapping
        Door -> when it said that it does not hold the person any more.
    removed : tuple of str
        Doors that were taken out of the site before they could say so: their boards may hold the
        person still.
    """

    receipt_id: str
    uid: str
    site_id: str
    by: str
    erased_at: str
    templates: int
    held_by: tuple[str, ...]
    previous: str
    head: str
    confirmed: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[str, ...]:
        """Doors that have not answered yet."""
        return tuple(door for door in self.held_by if door not in {*self.confirmed, *self.removed})

    @property
    def complete(self) -> bool:
        """Whether nobody holds the person any more."""
        return not self.pending and not self.removed


def erase_row(connection: Connection, row: Row, *, by: str) -> Erasure:
    """Delete somebody and all that hangs on them, inside `writing`, and leave a receipt."""
    version = next_version(connection)
    doors = _holding_doors(connection, row)
    count = connection.execute("SELECT count(*) FROM template WHERE uid = %s", (row.uid,))
    templates = count.fetchone()[0]
    connection.execute("DELETE FROM person WHERE uid = %s", (row.uid,))
    groups = members_of(row.record.groups)
    add_departure(connection, row.uid, version=version, groups=groups)
    last = connection.execute("SELECT receipt FROM erased ORDER BY version DESC LIMIT 1").fetchone()
    content = {
        "receipt_id": uuid4().hex,
        "uid": row.uid,
        "site_id": connection.execute("SELECT site_id FROM site").fetchone()[0],
        "by": by,
        "erased_at": now(),
        "templates": templates,
        "held_by": doors,
        "previous": json.loads(last[0])["head"] if last else FIRST,
    }
    receipt = json.dumps({**content, "head": _head(content)})
    sql = "INSERT INTO erased (uid, version, receipt) VALUES (%s, %s, %s)"
    connection.execute(sql, (row.uid, version, receipt))
    for door in doors:
        sql = "INSERT INTO erasure_door (uid, door) VALUES (%s, %s)"
        connection.execute(sql, (row.uid, door))
    notify(connection, "people")
    return erasure_of(connection, row.uid)


def confirm_erasures(connection: Connection, door: str, *, through: int) -> None:
    """Write down that a door holds nobody who was erased up to a version."""
    confirmed = connection.execute(
        "UPDATE erasure_door SET confirmed_at = %s FROM erased WHERE erased.uid = erasure_door.uid "
        "AND door = %s AND version <= %s AND confirmed_at IS NULL AND removed_at IS NULL",
        (now(), door, through),
    )
    if confirmed.rowcount:
        notify(connection, "people")


def give_up_erasures(connection: Connection, door: str) -> None:
    """Write down that a door was removed, and can confirm nothing any more."""
    connection.execute(
        "UPDATE erasure_door SET removed_at = %s WHERE door = %s AND confirmed_at IS NULL "
        "AND removed_at IS NULL",
        (now(), door),
    )


def erasure_of(connection: Connection, uid: str) -> Erasure:
    """Return the receipt of somebody's erasure; ``UnknownEntryError`` when there is none."""
    sql = f"{_RECEIPTS} WHERE erased.uid = %s GROUP BY erased.uid"
    found = connection.execute(sql, (uid,)).fetchone()
    if found is None:
        raise UnknownEntryError("nobody of that uid was erased at this site")
    return _erasure(json.loads(found[0]), found[1])


def read_erasures(connection: Connection) -> tuple[Erasure, ...]:
    """Return all receipts, oldest first; ``SiteError`` where their chain is broken."""
    receipts: list[Erasure] = []
    rows = connection.execute(f"{_RECEIPTS} GROUP BY erased.uid ORDER BY version").fetchall()
    for number, (text, doors) in enumerate(rows):
        content = json.loads(text)
        head = content.pop("head")
        previous = receipts[-1].head if receipts else FIRST
        if not hmac.compare_digest(head, _head(content)) or content["previous"] != previous:
            raise SiteError(
                f"receipt {number} does not follow those before it: somebody changed the "
                "database's table erased; compare it with a backup"
            )
        receipts.append(_erasure({**content, "head": head}, doors))
    return tuple(receipts)


def _erasure(content: Mapping[str, Any], doors: list[list[Any]]) -> Erasure:
    return Erasure(
        **{**content, "held_by": tuple(content["held_by"])},
        confirmed={door: at for door, at, _ in doors if at},
        removed=tuple(door for door, _, removed_at in doors if removed_at),
    )


def _holding_doors(connection: Connection, row: Row) -> list[str]:
    """Return doors that may let the person in, or have not confirmed yet that they forgot."""
    found = connection.execute(
        "SELECT name FROM door WHERE groups && %(groups)s OR replaced OR EXISTS ("
        "SELECT FROM departure WHERE departure.uid = %(uid)s AND departure.version > confirmed "
        "AND departure.groups && door.groups) ORDER BY name",
        {"groups": sorted(members_of(row.record.groups)), "uid": row.uid},
    )
    return [name for (name,) in found]


def _head(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("ascii")).hexdigest()
