"""Roll-outs: a kit or a configuration that doors take one after another, while all goes well.

Whether a door is healthy is judged twice: by its agent, which goes back by itself
(`edgeface.agent.fleet`), and here, for longer and with the latency.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from edgeface.errors import SiteConflictError, SiteError, UnknownEntryError
from edgeface.site import rollout_rows as rows
from edgeface.site.rollout_door import OPEN, Limits, RolloutDoor
from edgeface.site.rollout_file import forget_files, keep_file
from edgeface.site.rollout_rows import Rollout, RolloutHead
from edgeface.site.wire_task import KINDS

if TYPE_CHECKING:
    from psycopg import Connection

    from edgeface.site.database import Database

_DOOR = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN = 50
_DAY = timedelta(days=1)
_LONGEST_S = 30 * 86400.0


@dataclass(frozen=True)
class Failure:
    """A door at which a roll-out failed, and why."""

    rollout: int
    door: str
    text: str

    @property
    def mark(self) -> str:
        """The same for the same failure."""
        return f"rollout {self.rollout} {self.door}"


class Rollouts:
    """A site's roll-outs. Threads and processes may share them.

    One runs at a time. A door's turn comes when the doors before it are done, and begins with its
    next status, which later ones are compared with.

    Parameters
    ----------
    database
        The site's.
    folder
        Keeps the files; made here when missing.
    now
        The time; the system's.
    """

    def __init__(
        self, database: Database, folder: Path, *, now: Callable[[], datetime] | None = None
    ) -> None:
        self._database, self.folder = database, folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SiteError(f"folder of roll-outs: {folder}: {error.strerror}") from error
        self._now = now or (lambda: datetime.now(timezone.utc))

    def create(
        self,
        kind: str,
        file: Path,
        *,
        doors: Sequence[str],
        by: str,
        pause_s: float = 0.0,
        healthy_s: float = 300.0,
        patience_s: float = 1800.0,
    ) -> Rollout:
        """Begin a roll-out of a file; the limits are `edgeface.site.rollout_door.Limits`.

        Raises
        ------
        SiteConflictError
            Another one runs, or a door is still at work on one that was stopped.
        SiteError
            The file is no such kind, or the doors or limits are none.
        """
        limits = Limits(pause_s, healthy_s, patience_s)
        _check(kind, doors, limits)
        with self._changing() as (connection, _):
            _refuse_second(connection)
        kept = keep_file(kind, file, doors=doors, folder=self.folder)
        with self._changing() as (connection, now):
            _refuse_second(connection)
            number = rows.add(connection, kind, kept, limits, by=by, now=now)
            rows.add_doors(connection, number, doors)
            text = f"{by} begins: {kept.label}, for {', '.join(doors)}"
            rows.add_step(connection, number, door=None, text=text, now=now)
            forget_files(self.folder, but={kept.sha256})
        return self.get(number)

    def get(self, number: int) -> Rollout:
        """Return a roll-out; ``UnknownEntryError`` where there is none."""
        with self._changing() as (connection, now):
            self._expire(connection, now)
            return rows.read(connection, _head(connection, number))

    def all(self) -> tuple[Rollout, ...]:
        """Return the newest roll-outs, newest first."""
        with self._changing() as (connection, now):
            self._expire(connection, now)
            return tuple(
                rows.read(connection, head) for head in rows.read_heads(connection)[:_SHOWN]
            )

    def running(self) -> tuple[Rollout, ...]:
        """Return those at which a door may be at work: the one that runs, or was stopped."""
        with self._database.transaction() as connection:
            where = (
                "WHERE state = 'running' OR id IN "
                "(SELECT rollout FROM rollout_door WHERE state = ANY(%s))"
            )
            heads = rows.read_heads(connection, where, list(OPEN))
            return tuple(rows.read(connection, head) for head in heads)

    def failures(self) -> tuple[Failure, ...]:
        """Return the doors at which a roll-out failed of late; the same again for a day."""
        with self._changing() as (connection, now):
            self._expire(connection, now)
            query = (
                "SELECT rollout, door, text FROM rollout_door "
                "WHERE state = 'failed' AND began_at > %s ORDER BY rollout"
            )
            return tuple(Failure(*row) for row in connection.execute(query, (now - _DAY,)))

    def overview(self) -> list[dict[str, Any]]:
        """Return `all` as JSON has it."""
        return [rollout.figures() for rollout in self.all()]

    def stop(self, number: int, *, by: str) -> Rollout:
        """Begin with no further door; one that is at work finishes. Stopping twice is one.

        Raises
        ------
        UnknownEntryError
            There is no such roll-out.
        """
        with self._changing() as (connection, now):
            if _head(connection, number).state == "running":
                rows.end(connection, number, state="stopped", text=f"by {by}", now=now)
        return self.get(number)

    def report(self, door: str, status: Mapping[str, Any]) -> None:
        """Take a door's status in, as `edgeface.site.wire.STATUS`, and do what follows from it.

        Raises
        ------
        SiteError
            Its ``task`` is none, or the database does not answer.
        """
        if not self._concerns(door):
            return  # most statuses: no lock for them
        with self._changing() as (connection, now):
            self._expire(connection, now)
            for head, row in _at_work(connection, door):
                after = row.told(status, rollout=head.id, limits=head.limits, now=now)
                _moved(connection, head, row, after, now)
            for head in rows.read_heads(connection, "WHERE state = 'running'"):
                turn = _turn(rows.read_doors(connection, head.id), head.limits, now)
                if turn and turn.door == door:
                    _moved(connection, head, turn, turn.begun(status, now=now), now)

    def task_for(self, door: str) -> dict[str, Any] | None:
        """Return what a door has to do, as `edgeface.site.wire_task.TASK`, or None."""
        with self._database.transaction() as connection:
            for head, row in _at_work(connection, door):
                action = {"working": "take", "watched": "take", "going back": "back"}[row.state]
                return {
                    "rollout": head.id,
                    "action": action,
                    "kind": head.kind,
                    "sha256": head.sha256,
                    "bytes": head.bytes,
                }
        return None

    def file_for(self, door: str, number: int) -> Path:
        """Return a roll-out's file, for a door that has to take it now.

        Raises
        ------
        UnknownEntryError
            It has not.
        """
        with self._database.transaction() as connection:
            for head, row in _at_work(connection, door):
                if head.id == number and row.state == "working":
                    return self.folder / head.sha256
        raise UnknownEntryError(f"door {door} has nothing to fetch of roll-out {number}")

    @contextmanager
    def _changing(self) -> Iterator[tuple[Connection, datetime]]:
        with self._database.transaction() as connection:
            rows.lock(connection)
            yield connection, self._now()

    def _expire(self, connection: Connection, now: datetime) -> None:
        """End steps that took too long; nobody else does it where no door tells anything."""
        for head, row in _at_work(connection):
            _moved(connection, head, row, row.late(limits=head.limits, now=now), now)

    def _concerns(self, door: str) -> bool:
        query = (
            "SELECT EXISTS (SELECT FROM rollout_door AS d JOIN rollout ON id = rollout "
            "WHERE door = %s AND (d.state = ANY(%s) "
            "OR d.state = 'waiting' AND rollout.state = 'running'))"
        )
        with self._database.transaction() as connection:
            return connection.execute(query, (door, list(OPEN))).fetchone() == (True,)


def _check(kind: str, doors: Sequence[str], limits: Limits) -> None:
    if kind not in KINDS:
        raise SiteError(f"kind {kind!r}: expected one of {', '.join(KINDS)}")
    bad = [door for door in doors if not _DOOR.fullmatch(door)]
    if not doors or bad or len(set(doors)) != len(doors):
        raise SiteError(f"doors {', '.join(doors) or 'none'}: expected names of doors, each once")
    if min(asdict(limits).values()) < 0 or max(asdict(limits).values()) > _LONGEST_S:
        raise SiteError(f"limits {limits}: expected 0 to {_LONGEST_S} s")


def _refuse_second(connection: Connection) -> None:
    running = rows.read_heads(connection, "WHERE state = 'running'")
    if running:
        raise SiteConflictError(f"roll-out {running[0].id} runs: wait for its end, or stop it")
    for head, row in _at_work(connection):
        raise SiteConflictError(f"door {row.door} is still at work on roll-out {head.id}: wait")


def _head(connection: Connection, number: int) -> RolloutHead:
    for head in rows.read_heads(connection, "WHERE id = %s", number):
        return head
    raise UnknownEntryError(f"there is no roll-out {number}")


def _at_work(
    connection: Connection, door: str | None = None
) -> Iterator[tuple[RolloutHead, RolloutDoor]]:
    """Every door that is in the middle of something, or one, with its roll-out."""
    where = "WHERE id IN (SELECT rollout FROM rollout_door WHERE state = ANY(%s))"
    for head in rows.read_heads(connection, where, list(OPEN)):
        for row in rows.read_doors(connection, head.id):
            if row.state in OPEN and door in (None, row.door):
                yield head, row


def _turn(doors: Sequence[RolloutDoor], limits: Limits, now: datetime) -> RolloutDoor | None:
    """Return the door whose turn it is to begin, or None."""
    for before, door in zip([None, *doors], doors):
        if door.state == "waiting":
            paused = before is None or (now - before.began_at).total_seconds() >= limits.pause_s
            return door if paused else None
        if door.state != "done":
            return None
    return None


def _moved(
    connection: Connection, head: RolloutHead, row: RolloutDoor, after: RolloutDoor, now: datetime
) -> None:
    """Write what became of a door, and what becomes of its roll-out by that."""
    if after == row:
        return
    rows.write_door(connection, head.id, after)
    if (after.state, after.text) != (row.state, row.text):
        text = f"{after.state}: {after.text}"
        rows.add_step(connection, head.id, door=after.door, text=text, now=now)
    if head.state != "running":
        return
    if after.state in ("going back", "failed"):
        text = f"at {after.door}: {after.text}"
        rows.end(connection, head.id, state="failed", text=text, now=now)
    elif all(door.state == "done" for door in rows.read_doors(connection, head.id)):
        rows.end(connection, head.id, state="done", text="every door has it", now=now)
