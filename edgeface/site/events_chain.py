"""Lines into the table of events: each once, their chain followed, what is odd noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgeface.door.audit_entry import GENESIS, SIGNED_KINDS
from edgeface.door.audit_resume import holds
from edgeface.site.events_arrival import Arrival, Notice

if TYPE_CHECKING:
    from psycopg import Connection

_ROWS = 500  # of a log, looked at together
_COLUMNS = (
    *("door", "log", "seq", "hash", "received_at", "happened", "kind", "reason", "opened"),
    *("score", "person", "with_person", "line"),
)
_INSERT = (
    f"INSERT INTO event ({', '.join(_COLUMNS)}) "  # nosec B608  # constants
    f"VALUES ({', '.join(f'%({name})s' for name in _COLUMNS)}) "
    "ON CONFLICT (log, seq) DO NOTHING RETURNING id"
)
_NOTICE = (
    "INSERT INTO event (door, received_at, happened, kind, line, detail, mark) "
    "VALUES (%s, now(), now(), %s, %s, %s, %s) ON CONFLICT (mark) DO NOTHING"
)


@dataclass
class _Log:
    """One log's row while lines are added to it.

    `claims` are spans that the door says are gone, `fresh` the numbers of lines that were added.
    """

    id: int
    door: str
    log_id: str
    received: int
    hash: str | None
    signed: int
    forgotten: int
    forgotten_hash: str | None
    claims: list[tuple[int, int]] = field(default_factory=list)
    fresh: set[int] = field(default_factory=set)

    def notice(self, kind: str, detail: str, *, about: str, line: str = "") -> Notice:
        return Notice(self.door, kind, detail, f"{kind} {self.id} {about}", line)


class Chain:
    """Adds lines in one transaction.

    Parameters
    ----------
    connection
        Inside the transaction, alone in adding lines.
    keys
        Of a door: the public keys that may sign, by id; empty where none is known.
    """

    def __init__(self, connection: Connection, *, keys: Mapping[str, Mapping[str, Any]]) -> None:
        self._connection, self._keys = connection, keys
        self._logs: dict[tuple[str, str], _Log] = {}

    def add(self, came: Sequence[tuple[Arrival, Mapping[str, Any]]]) -> list[bool]:
        """Add lines; False for those that are here already, or were forgotten."""
        new = [False] * len(came)
        waiting = []
        for number, (arrival, row) in enumerate(came):
            log = self._log(arrival.door, arrival.log_id)
            if arrival.missing_from is not None:
                log.claims.append((arrival.missing_from, row["seq"] - 1))
            if row["seq"] > log.forgotten:
                waiting.append((number, log, row))
            elif row["seq"] == log.forgotten and row["hash"] != log.forgotten_hash:
                self._rewritten(log, row)
        inserted = self._insert([{**row, "log": log.id} for _, log, row in waiting])
        for (number, log, row), fresh in zip(waiting, inserted):
            new[number] = fresh
            if fresh:
                log.fresh.add(row["seq"])
                self._look_at_name(log, row)
            else:
                self._compare(log, row)
        return new

    def _insert(self, rows: Sequence[Mapping[str, Any]]) -> list[bool]:
        """Insert rows in one go; return which of them were not there."""
        if not rows:
            return []
        inserted = []
        with self._connection.cursor() as cursor:
            cursor.executemany(_INSERT, rows, returning=True)
            for _ in rows:
                inserted.append(cursor.fetchone() is not None)
                cursor.nextset()
        return inserted

    def _compare(self, log: _Log, row: Mapping[str, Any]) -> None:
        query = "SELECT hash FROM event WHERE log = %s AND seq = %s"
        found = self._connection.execute(query, (log.id, row["seq"])).fetchone()
        if found != (row["hash"],):
            self._rewritten(log, row)

    def notice(self, notice: Notice) -> None:
        """Keep what was noticed, where it is new."""
        said = (notice.door, notice.kind, notice.line, notice.detail, notice.mark)
        self._connection.execute(_NOTICE, said)

    def follow(self) -> None:
        """Go along the chain of every log that lines were added to, as far as it reaches."""
        for log in self._logs.values():
            if log.received + 1 not in log.fresh and not log.claims:
                continue  # what is missing is still missing
            while self._step(log):
                pass
            self._connection.execute(
                "UPDATE event_log SET received = %s, received_hash = %s, signed = %s WHERE id = %s",
                (log.received, log.hash, log.signed, log.id),
            )

    def _step(self, log: _Log) -> bool:
        """Go on by what is there; return whether there may be more."""
        rows = self._connection.execute(
            "SELECT seq, hash, line FROM event WHERE log = %s AND seq > %s ORDER BY seq LIMIT %s",
            (log.id, log.received, _ROWS),
        ).fetchall()
        for seq, entry_hash, line in rows:
            if seq > log.received + 1 and not self._skip(log, before=seq):
                return False
            entry = json.loads(line)
            self._check(log, entry)
            log.received, log.hash = seq, entry_hash
        return len(rows) == _ROWS

    def _skip(self, log: _Log, *, before: int) -> bool:
        """Pass over lines that the door says are gone; False where it does not say so."""
        first = log.received + 1
        ends = [end for begin, end in log.claims if begin <= first <= end]
        if not ends:
            return False
        end = min(before - 1, max(ends))
        detail = f"entries {first} to {end} were deleted at the door before they were sent"
        self.notice(log.notice("gap", detail, about=str(first)))
        log.received, log.hash = end, None
        return end == before - 1

    def _check(self, log: _Log, entry: dict[str, Any]) -> None:
        seq = entry["seq"]
        if log.hash is not None and entry["prev"] != log.hash:
            detail = f"entry {seq} does not follow entry {seq - 1}: one of them was replaced"
            self.notice(log.notice("chain_broken", detail, about=f"{seq} prev"))
        keys = self._keys.get(log.door)
        if entry["kind"] not in SIGNED_KINDS or not keys:
            return
        key = keys.get(entry["key"])
        if key is not None and holds(entry, key):
            log.signed = seq
            return
        if key is None:
            about = f"key {entry['key']}"  # one notice, not one at every signature
            detail = f"entry {seq} and others are signed by {about}, which is not trusted"
        else:
            about = f"{seq} signature"
            detail = f"the signature of entry {seq} does not hold"
        self.notice(log.notice("chain_broken", detail, about=about))

    def _rewritten(self, log: _Log, row: Mapping[str, Any]) -> None:
        detail = f"entry {row['seq']} came again and is another one: the log was rewritten"
        about = f"{row['seq']} {row['hash']}"
        self.notice(log.notice("chain_broken", detail, about=about, line=row["line"]))

    def _look_at_name(self, log: _Log, row: Mapping[str, Any]) -> None:
        name = json.loads(row["line"])["door"]
        if name != log.door:
            detail = f"its log calls the door {name!r}, and {log.door!r} sent it"
            self.notice(log.notice("chain_broken", detail, about=f"name {name}"))

    def _log(self, door: str, log_id: str) -> _Log:
        if (door, log_id) not in self._logs:
            self._logs[door, log_id] = self._read_log(door, log_id) or self._new_log(door, log_id)
        return self._logs[door, log_id]

    def _read_log(self, door: str, log_id: str) -> _Log | None:
        found = self._connection.execute(
            "SELECT id, door, log_id, received, received_hash, signed, forgotten, forgotten_hash "
            "FROM event_log WHERE door = %s AND log_id = %s FOR UPDATE",
            (door, log_id),
        ).fetchone()
        return None if found is None else _Log(*found)

    def _new_log(self, door: str, log_id: str) -> _Log:
        query = "SELECT log_id FROM event_log WHERE door = %s ORDER BY id DESC LIMIT 1"
        before = self._connection.execute(query, (door,)).fetchone()
        self._connection.execute(
            "INSERT INTO event_log (door, log_id, received_hash) VALUES (%s, %s, %s)",
            (door, log_id, GENESIS),
        )
        log = self._read_log(door, log_id)
        assert log is not None  # nosec B101  # for type checkers
        if before is not None:
            detail = f"the door began a new log, {log_id}; the one before is {before[0]}"
            self.notice(log.notice("new_log", detail, about=log_id))
        return log
