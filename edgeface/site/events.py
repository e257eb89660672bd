"""The doors' events: their audit logs, as they come in, and what operators ask of them.

Every line is kept byte for byte, so that whoever has the door's public key can check what the site
has; docs/site-events.md says what that proves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.errors import AuditError, SiteError
from edgeface.site.events_arrival import Arrival, Notice, row_of, unreadable
from edgeface.site.events_chain import Chain
from edgeface.site.events_find import Count, Event, Page, Wanted, find, find_arrived
from edgeface.site.events_key import (
    DoorKey,
    introduced,
    judge_key,
    put_key,
    shown_keys,
    trusted_keys,
)
from edgeface.site.events_verify import DoorReport, verify

if TYPE_CHECKING:
    from psycopg import Connection

    from edgeface.site.database import Database

__all__ = ["Arrival", "Count", "DoorKey", "DoorReport", "Event", "Events", "Page"]

CHANNEL = "events"
"""PostgreSQL's NOTIFY when events arrived; its payload is the door."""

_LOCK = 0x6564_6776  # whoever adds events holds it, so that ids grow in the order of commits
_SCORES_LIMIT = 1_000_000


class Events:
    """The events of all doors. Threads may share it.

    Parameters
    ----------
    database
        The site's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def receive(
        self, door: str, line: bytes, people: Mapping[str, str] | None = None, *, log: str
    ) -> bool:
        """Take one line in; as `receive_all`. Return whether it is new."""
        return self.receive_all([Arrival(door, log, line, people or {})])[0]

    def receive_all(self, arrivals: Sequence[Arrival]) -> tuple[bool, ...]:
        """Take lines in, all of them or, after an error, none. Return which of them are new.

        The same line twice is one. A line that is none, that does not follow the one before or
        that contradicts what is here becomes an event of its own, for operators
        (`edgeface.site.events_arrival.NOTICES`).

        Raises
        ------
        SiteError
            The database does not answer.
        """
        with self._adding({arrival.door for arrival in arrivals}) as (connection, keys):
            (now,) = _one(connection.execute("SELECT now()"))
            chain = Chain(connection, keys=keys)
            rows = [_row(chain, arrival, received_at=now) for arrival in arrivals]
            lines = [(arrival, row) for arrival, row in zip(arrivals, rows) if row is not None]
            new = iter(chain.add(lines))
            chain.follow()
        return tuple(row is not None and next(new) for row in rows)

    def notice(self, notice: Notice) -> None:
        """Keep something that the site noticed of a door, where it is new."""
        with self._adding({notice.door}) as (connection, keys):
            Chain(connection, keys=keys).notice(notice)

    def received(self, door: str) -> dict[str, int]:
        """Return log id -> number up to which the site has that log's lines.

        A door begins anew from there, whatever it has sent.
        """
        with self._database.transaction() as connection:
            query = "SELECT log_id, received FROM event_log WHERE door = %s"
            return dict(connection.execute(query, (door,)).fetchall())

    def introduce(self, door: str, pem: bytes) -> None:
        """Take the public key that a door shows: its first is trusted, others are noticed."""
        with self._adding({door}) as (connection, keys):
            found = introduced(connection, door, pem)
            if found is not None:
                Chain(connection, keys=keys).notice(found)

    def trust(self, door: str, pem: bytes) -> str:
        """Believe what a public key signs in a door's log; return the key's id.

        Raises
        ------
        SiteError
            It is no key, or the database does not answer.
        """
        try:
            with self._database.transaction() as connection:
                return put_key(connection, door, pem, trusted=True)
        except AuditError as error:
            raise SiteError(f"door {door}: {error}") from error

    def judge_key(self, door: str, key: str, *, trusted: bool) -> None:
        """Trust a key that a door showed, by its id, or not any more.

        Raises
        ------
        UnknownEntryError
            The door never showed it.
        """
        with self._database.transaction() as connection:
            judge_key(connection, door, key, trusted=trusted)

    def keys(self, door: str) -> tuple[DoorKey, ...]:
        """Return the public keys that a door showed, oldest first."""
        with self._database.transaction() as connection:
            return shown_keys(connection, door)

    def find(self, **wanted: Any) -> Page:
        """Return the newest events that fit everything that is asked, as `Wanted` has it."""
        with self._database.transaction() as connection:
            return find(connection, Wanted(**wanted))

    def newest(self) -> int:
        """Return the id of the event that came last; 0 where there is none."""
        with self._database.transaction() as connection:
            (found,) = _one(connection.execute("SELECT coalesce(max(id), 0) FROM event"))
        return found

    def arrived(self, after: int, *, limit: int = 200) -> tuple[Event, ...]:
        """Return the events that came after the one of an id, oldest first: none is missed."""
        with self._database.transaction() as connection:
            return find_arrived(connection, after=after, limit=limit)

    def counts(self, since: datetime) -> dict[str, Count]:
        """Return how often each door opened and did not since a time (aware)."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT door, count(*) FILTER (WHERE opened), count(*) FILTER (WHERE NOT opened), "
                "max(happened) FROM event WHERE kind = 'decision' AND happened >= %s GROUP BY door",
                (since,),
            )
            return {door: Count(opened, denied, last) for door, opened, denied, last in found}

    def scores(self, since: datetime, *, door: str | None = None) -> dict[str, np.ndarray]:
        """Return the cosines of decisions since a time (aware), by reason: (N,) float32 each.

        Whose face it really was, no log knows: "recognised" holds who was taken for somebody,
        "unknown" who was not. At most a million, the newest.
        """
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT reason, score FROM event WHERE kind = 'decision' AND happened >= %s "
                "AND score IS NOT NULL AND (%s::text IS NULL OR door = %s) "
                "ORDER BY happened DESC LIMIT %s",
                (since, door, door, _SCORES_LIMIT),
            ).fetchall()
        scores: dict[str, list[float]] = {}
        for reason, score in found:
            scores.setdefault(reason, []).append(score)
        return {reason: np.array(scores[reason], np.float32) for reason in sorted(scores)}

    def verify(self, door: str, keys: Mapping[str, Any] | None = None) -> DoorReport:
        """Check everything that is here of a door's logs, line by line, signature by signature.

        Parameters
        ----------
        keys
            Public keys that may have signed, by id; None takes those that are trusted.
        """
        with self._database.transaction() as connection:
            trusted = trusted_keys(connection, {door}).get(door) if keys is None else keys
            return verify(connection, door, keys=trusted or None)

    def forget(self, before: datetime) -> int:
        """Delete what came before a time (aware); return how many events went.

        Of each log a beginning goes, never what lies between lines that stay. Number and hash of
        the last one stay, so that what is left can be verified.
        """
        with self._adding(()) as (connection, _):
            logs = connection.execute("SELECT id, received, forgotten FROM event_log").fetchall()
            gone = sum(_forget(connection, *log, before=before) for log in logs)
            notices = "DELETE FROM event WHERE log IS NULL AND received_at < %s"
            return gone + connection.execute(notices, (before,)).rowcount

    @contextmanager
    def _adding(self, doors: Iterable[str]) -> Iterator[tuple[Connection, dict[str, Any]]]:
        """Lend a transaction that is alone in adding events, and the doors' keys."""
        doors = set(doors)
        with self._database.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            yield connection, trusted_keys(connection, doors)
            for door in doors:
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, door))


def _row(chain: Chain, arrival: Arrival, *, received_at: datetime) -> dict[str, Any] | None:
    """A line's row; what is none is noticed."""
    try:
        return row_of(arrival, received_at=received_at)
    except AuditError as error:
        chain.notice(unreadable(arrival, str(error)))
        return None


def _forget(
    connection: Connection, log: int, received: int, forgotten: int, *, before: datetime
) -> int:
    """Delete a log's old beginning, as far as it is here without a gap."""
    query = "SELECT seq FROM event WHERE log = %s AND received_at >= %s ORDER BY seq LIMIT 1"
    young = connection.execute(query, (log, before)).fetchone()
    last = received if young is None else min(received, young[0] - 1)
    found = connection.execute(
        "SELECT seq, hash FROM event WHERE log = %s AND seq <= %s ORDER BY seq DESC LIMIT 1",
        (log, last),
    ).fetchone()
    if found is None or found[0] <= forgotten:
        return 0
    connection.execute(
        "UPDATE event_log SET forgotten = %s, forgotten_hash = %s WHERE id = %s", (*found, log)
    )
    query = "DELETE FROM event WHERE log = %s AND seq <= %s"
    return connection.execute(query, (log, found[0])).rowcount


def _one(found: Any) -> tuple:
    row = found.fetchone()
    assert row is not None  # nosec B101  # for type checkers
    return row
