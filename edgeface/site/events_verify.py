"""Is what the site has of a door's logs whole? Checked anew, from the lines themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeface.door.audit_entry import GENESIS
from edgeface.door.audit_walk import PROBLEMS_LIMIT, Report, Walk

if TYPE_CHECKING:
    from psycopg import Connection

_ROWS = 2000  # read at once
_WRONG = ("chain_broken", "gap", "unreadable")


@dataclass(frozen=True)
class LogReport:
    """One log of a door.

    Attributes
    ----------
    log
        Its id.
    received
        Number up to which the site has it, or knows what is missing.
    forgotten
        Entries up to this number were deleted by the site's rules.
    report
        What going along the rest found.
    """

    log: str
    received: int
    forgotten: int
    report: Report


@dataclass(frozen=True)
class DoorReport:
    """Everything that the site has of a door.

    Attributes
    ----------
    door
        Its name.
    keys
        Ids of the public keys that signatures were checked with; empty: they were not.
    logs
        Oldest first.
    noticed
        What was odd when it came, in words: gaps, lines that contradict each other.
    """

    door: str
    keys: tuple[str, ...]
    logs: tuple[LogReport, ...]
    noticed: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.noticed and all(log.report.whole for log in self.logs)


def verify(connection: Connection, door: str, *, keys: Mapping[str, Any] | None) -> DoorReport:
    """Check a door's logs; see `edgeface.site.events.Events.verify`."""
    logs = connection.execute(
        "SELECT id, log_id, received, forgotten, forgotten_hash FROM event_log "
        "WHERE door = %s ORDER BY id",
        (door,),
    ).fetchall()
    noticed = connection.execute(
        "SELECT detail FROM event WHERE door = %s AND kind = ANY(%s) ORDER BY id LIMIT %s",
        (door, list(_WRONG), PROBLEMS_LIMIT),
    ).fetchall()
    return DoorReport(
        door,
        tuple(sorted(keys or ())),
        tuple(_verify_log(connection, *log, keys=keys) for log in logs),
        tuple(detail for (detail,) in noticed),
    )


def _verify_log(
    connection: Connection,
    log: int,
    log_id: str,
    received: int,
    forgotten: int,
    forgotten_hash: str | None,
    *,
    keys: Mapping[str, Any] | None,
) -> LogReport:
    walk = Walk(keys, after=(forgotten, forgotten_hash or GENESIS))
    seq = forgotten
    while True:
        rows = connection.execute(
            "SELECT seq, line FROM event WHERE log = %s AND seq > %s ORDER BY seq LIMIT %s",
            (log, seq, _ROWS),
        ).fetchall()
        for seq, line in rows:
            walk.line(f"entry {seq}", line.encode("ascii") + b"\n")
        if len(rows) < _ROWS:
            break
    walk.end()
    return LogReport(log_id, received, forgotten, walk.report(files=0))
