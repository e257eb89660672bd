"""The public keys that doors showed, and which of them may sign a door's log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from edgeface.door.audit_key import public_key_pem, read_public_key
from edgeface.errors import AuditError, UnknownEntryError
from edgeface.signature import key_id
from edgeface.site.events_arrival import Notice

if TYPE_CHECKING:
    from psycopg import Connection

_MOST = 20  # keys of a door: one that shows another every time fills no table


@dataclass(frozen=True)
class DoorKey:
    """A public key that a door showed.

    Attributes
    ----------
    id
        16 hex digits.
    trusted
        Whether what it signed counts.
    seen_at
        When the door showed it first, aware.
    """

    id: str
    trusted: bool
    seen_at: datetime


def introduced(connection: Connection, door: str, pem: bytes) -> Notice | None:
    """Keep a key that a door shows; return what is to be said of it, where it is new.

    The first one is trusted: who can show another in a door's name by then has had its board or
    its password from the beginning.
    """
    try:
        shown = key_id(read_public_key(pem))
    except AuditError as error:
        return Notice(door, "key", f"it shows {error}", f"key {door} unreadable")
    known = shown_keys(connection, door)
    if len(known) >= _MOST or shown in {key.id for key in known}:
        return None
    put_key(connection, door, pem, trusted=not known)
    detail = f"the door's key {shown} was seen for the first time and is trusted from now"
    if known:
        detail = f"the door shows another key, {shown}: trust it where the door's key was renewed"
    return Notice(door, "key", detail, f"key {door} {shown}")


def put_key(connection: Connection, door: str, pem: bytes, *, trusted: bool) -> str:
    """Keep a key and return its id; an `AuditError` where it is none."""
    key = read_public_key(pem)
    shown, text = key_id(key), public_key_pem(key).decode("ascii")
    connection.execute(
        "INSERT INTO event_key (door, key_id, public, trusted) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (door, key_id) DO UPDATE SET trusted = excluded.trusted",
        (door, shown, text, trusted),
    )
    return shown


def judge_key(connection: Connection, door: str, key: str, *, trusted: bool) -> None:
    """Trust a key that a door showed, or not any more.

    Raises
    ------
    UnknownEntryError
        The door never showed it.
    """
    query = "UPDATE event_key SET trusted = %s WHERE door = %s AND key_id = %s"
    if not connection.execute(query, (trusted, door, key)).rowcount:
        raise UnknownEntryError(f"door {door} never showed a key {key}")


def shown_keys(connection: Connection, door: str) -> tuple[DoorKey, ...]:
    """Return the keys that a door showed, oldest first."""
    query = "SELECT key_id, trusted, seen_at FROM event_key WHERE door = %s ORDER BY seen_at"
    return tuple(DoorKey(*row) for row in connection.execute(query, (door,)))


def trusted_keys(connection: Connection, doors: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return door -> key id -> public key, of those that are trusted."""
    query = "SELECT door, key_id, public FROM event_key WHERE trusted AND door = ANY(%s)"
    found: dict[str, dict[str, Any]] = {}
    for door, key, public in connection.execute(query, (list(doors),)):
        found.setdefault(door, {})[key] = read_public_key(public.encode("ascii"))
    return found
