"""Roll-outs as rows: reading and writing them in a transaction that is there already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from edgeface.site.rollout_door import Limits, RolloutDoor
from edgeface.site.rollout_file import RolloutFile

if TYPE_CHECKING:
    from psycopg import Connection

CHANNEL = "rollouts"
"""PostgreSQL's NOTIFY when a roll-out changed; its payload is the door, or empty."""

_LOCK = 0x6564_6778  # whoever changes roll-outs holds it
_ROLLOUT = (
    "SELECT id, kind, label, sha256, bytes, made_at, by, state, ended_at, text, "
    "pause_s, healthy_s, patience_s FROM rollout"
)
_DOOR_FIELDS = [field.name for field in fields(RolloutDoor)]


@dataclass(frozen=True)
class RolloutHead:
    """A roll-out without its doors; `edgeface.site.rollout.Rollout` says what is what."""

    id: int
    kind: str
    label: str
    sha256: str
    bytes: int
    made_at: datetime
    by: str
    state: str
    ended_at: datetime | None
    text: str
    pause_s: float
    healthy_s: float
    patience_s: float

    @property
    def limits(self) -> Limits:
        """How patient it is."""
        return Limits(self.pause_s, self.healthy_s, self.patience_s)


@dataclass(frozen=True)
class RolloutStep:
    """Something that happened; ``door`` is None where it is about the whole roll-out."""

    at: datetime
    door: str | None
    text: str


@dataclass(frozen=True)
class Rollout:
    """A roll-out as it stands.

    Attributes
    ----------
    head
        Its number ``id``, ``kind``, ``label`` (what the file is), ``state``: "running", "done",
        "failed" or "stopped", and ``text``, why it ended.
    doors
        In their order.
    steps
        What happened, oldest first.
    """

    head: RolloutHead
    doors: tuple[RolloutDoor, ...]
    steps: tuple[RolloutStep, ...]

    def figures(self) -> dict[str, Any]:
        """Return it as JSON has it; times as 2026-01-31T08:00:00Z."""
        doors, steps = map(asdict, self.doors), map(asdict, self.steps)
        told = {**asdict(self.head), "doors": list(doors), "steps": list(steps)}
        return _plain(told)


def lock(connection: Connection) -> None:
    """Wait until nobody else changes roll-outs; to the transaction's end."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def read_heads(connection: Connection, where: str = "", *values: Any) -> list[RolloutHead]:
    """Return roll-outs, newest first; ``where`` is SQL of ours, never of a stranger."""
    cursor = connection.cursor(row_factory=class_row(RolloutHead))
    return cursor.execute(f"{_ROLLOUT} {where} ORDER BY id DESC", values).fetchall()


def read(connection: Connection, head: RolloutHead) -> Rollout:
    """Return a roll-out with its doors and steps."""
    doors, steps = read_doors(connection, head.id), read_steps(connection, head.id)
    return Rollout(head, tuple(doors), tuple(steps))


def read_doors(connection: Connection, rollout: int) -> list[RolloutDoor]:
    """Return a roll-out's doors in their order."""
    cursor = connection.cursor(row_factory=class_row(RolloutDoor))
    columns = ", ".join(_DOOR_FIELDS)
    query = f"SELECT {columns} FROM rollout_door WHERE rollout = %s ORDER BY place"  # nosec B608
    return cursor.execute(query, (rollout,)).fetchall()


def read_steps(connection: Connection, rollout: int) -> list[RolloutStep]:
    """Return what happened, oldest first."""
    cursor = connection.cursor(row_factory=class_row(RolloutStep))
    query = "SELECT at, door, text FROM rollout_step WHERE rollout = %s ORDER BY id"
    return cursor.execute(query, (rollout,)).fetchall()


def add(
    connection: Connection, kind: str, kept: RolloutFile, limits: Limits, *, by: str, now: datetime
) -> int:
    """Add a running roll-out and return its number."""
    values = {"state": "running", "kind": kind, "by": by, "made_at": now}
    values.update(**asdict(kept), **asdict(limits))
    columns, places = ", ".join(values), ", ".join(f"%({name})s" for name in values)
    query = f"INSERT INTO rollout ({columns}) VALUES ({places}) RETURNING id"  # nosec B608
    (number,) = connection.execute(query, values).fetchone()
    return number


def add_doors(connection: Connection, rollout: int, doors: Iterable[str]) -> None:
    """Add a new roll-out's doors in their order."""
    query = "INSERT INTO rollout_door (rollout, place, door, state) VALUES (%s, %s, %s, 'waiting')"
    connection.cursor().executemany(query, [(rollout, n, door) for n, door in enumerate(doors)])


def write_door(connection: Connection, rollout: int, door: RolloutDoor) -> None:
    """Write a door's row."""
    values = {name: getattr(door, name) for name in _DOOR_FIELDS if name != "before"}
    values["before"] = None if door.before is None else Jsonb(dict(door.before))
    sets = ", ".join(f"{name} = %({name})s" for name in _DOOR_FIELDS if name != "place")
    row = "rollout = %(rollout)s AND place = %(place)s"
    query = f"UPDATE rollout_door SET {sets} WHERE {row}"  # nosec B608
    connection.execute(query, {**values, "rollout": rollout})


def end(connection: Connection, rollout: int, *, state: str, text: str, now: datetime) -> None:
    """End a running roll-out: its other doors are left as they are."""
    query = "UPDATE rollout SET state = %s, text = %s, ended_at = %s WHERE id = %s"
    connection.execute(query, (state, text, now, rollout))
    query = "UPDATE rollout_door SET state = 'left' WHERE rollout = %s AND state = 'waiting'"
    connection.execute(query, (rollout,))
    add_step(connection, rollout, door=None, text=f"{state}: {text}", now=now)


def add_step(
    connection: Connection, rollout: int, *, door: str | None, text: str, now: datetime
) -> None:
    """Note what happened, and wake who waits for it."""
    query = "INSERT INTO rollout_step (rollout, door, at, text) VALUES (%s, %s, %s, %s)"
    connection.execute(query, (rollout, door, now, text))
    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, door or ""))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value
