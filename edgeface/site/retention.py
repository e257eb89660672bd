"""For how long the site keeps things, and the chore that lets go of what is older."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Callable

from edgeface.errors import SiteError
from edgeface.site.database import Database
from edgeface.site.people_erase import erase_row
from edgeface.site.people_row import find_row, writing

if TYPE_CHECKING:
    from psycopg import Connection

BY = "site:retention"
LONGEST_DAYS = 36500
_AT_ONCE = 100  # people erased in one transaction, so that others are not held up


@dataclass(frozen=True)
class Keeping:
    """For how many days things are kept; None: for ever.

    Attributes
    ----------
    events_days
        What doors logged. 1 or more.
    expired_days
        People after they expired, who are erased then. 0 or more.
    changes_days
        Who changed what of a person, and what doors and programs asked for. 1 or more.
    """

    events_days: int | None = 90
    expired_days: int | None = 30
    changes_days: int | None = 365


@dataclass(frozen=True)
class Gone:
    """What a run let go of: events, people (by uid, each has a receipt), and notes of changes."""

    events: int
    people: tuple[str, ...]
    changes: int


class Retention:
    """A site's rules of keeping.

    Parameters
    ----------
    database
        The site's.
    forget_events
        Deletes events from before a time (aware) and returns how many: `Events.forget`.
    """

    def __init__(
        self, database: Database, *, forget_events: Callable[[datetime], int] | None = None
    ) -> None:
        self._database, self._forget_events = database, forget_events

    def get(self) -> Keeping:
        """Return the rules as they are."""
        with self._database.transaction() as connection:
            return _read(connection)

    def put(self, keeping: Keeping, *, by: str) -> None:
        """Set the rules; `run` goes by them. ``SiteError`` for days that cannot be."""
        for days in fields(keeping):
            value = getattr(keeping, days.name)
            least = 0 if days.name == "expired_days" else 1
            if value is not None and not least <= value <= LONGEST_DAYS:
                raise SiteError(
                    f"{days.name} is {value}; expected {least} to {LONGEST_DAYS}, or nothing to "
                    "keep them for ever"
                )
        with writing(self._database) as connection:
            connection.execute(
                "UPDATE retention SET events_days = %(events_days)s, "
                "expired_days = %(expired_days)s, changes_days = %(changes_days)s",
                vars(keeping),
            )

    def run(self) -> Gone:
        """Let go of what is older than the rules say."""
        keeping = self.get()
        events = 0
        if self._forget_events is not None and keeping.events_days is not None:
            events = self._forget_events(_days_ago(keeping.events_days))
        people = self._erase_expired(keeping.expired_days)
        with writing(self._database) as connection:
            changes = _forget_changes(connection, keeping.changes_days)
            _forget_departures(connection)
        return Gone(events, people, changes)

    def _erase_expired(self, days: int | None) -> tuple[str, ...]:
        erased: list[str] = []
        while days is not None:
            with writing(self._database) as connection:
                found = connection.execute(
                    "SELECT uid FROM person WHERE expires_at <= %s ORDER BY expires_at LIMIT %s",
                    (_text(_days_ago(days)), _AT_ONCE),
                ).fetchall()
                for (uid,) in found:
                    erase_row(connection, find_row(connection, uid=uid), by=BY)
            erased += [uid for (uid,) in found]
            if len(found) < _AT_ONCE:
                break
        return tuple(erased)


def _forget_changes(connection: Connection, days: int | None) -> int:
    if days is None:
        return 0
    before = (_text(_days_ago(days)),)
    connection.execute("DELETE FROM enrol_request WHERE at < %s", before)
    connection.execute("DELETE FROM door_edit WHERE at < %s", before)
    return connection.execute("DELETE FROM person_change WHERE at < %s", before).rowcount


def _forget_departures(connection: Connection) -> None:
    """Delete who left a group, once every door knows."""
    connection.execute(
        "UPDATE site_version SET departures_from = coalesce("
        "(SELECT min(confirmed) FROM door WHERE given > 0), version)"
    )
    connection.execute(
        "DELETE FROM departure WHERE version <= (SELECT departures_from FROM site_version)"
    )


def _read(connection: Connection) -> Keeping:
    row = connection.execute("SELECT events_days, expired_days, changes_days FROM retention")
    return Keeping(*row.fetchone())


def _days_ago(days: int) -> datetime:
    return datetime.now(timezone.utc) - timedelta(days=days)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
