"""The site's doors: who they are, which groups they let in, what they last said of themselves."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from edgeface.door.config import SCHEMA
from edgeface.door.rules_settings import SETTINGS
from edgeface.errors import (
    SiteConflictError,
    SiteError,
    SiteForbiddenError,
    UnknownEntryError,
)
from edgeface.gallery_person import now, to_datetime
from edgeface.schema import first_problem
from edgeface.site.database import Database
from edgeface.site.merge import NO_GROUP
from edgeface.site.people_erase import give_up_erasures
from edgeface.site.people_row import next_version, notify, writing
from edgeface.site.wire import STATUS, checked

if TYPE_CHECKING:
    from psycopg import Connection

TOKEN_PREFIX = "efdoor_"  # nosec B105
LONGEST_LIVE_MINUTES = 60
_TOKEN_BYTES = 32
_NAME = SCHEMA["properties"]["name"]
_GROUPS = {
    "type": "array",
    "minItems": 1,
    "maxItems": 64,
    "uniqueItems": True,
    "items": {"type": "string", **SETTINGS["groups"]["propertyNames"]},
}
_SELECT = (
    "SELECT name, groups, added_at, confirmed, seen_at, status, live_until, live_reason, live_by "
    "FROM door"
)


@dataclass(frozen=True)
class DoorEntry:
    """A door as the site knows it.

    Attributes
    ----------
    groups : tuple of str
        Whose people it has; "default" is of people in no group.
    confirmed : int
        Version up to which it has the site's people and rules; 0: not yet.
    seen_at : str or None
        When it last told its status; ``status`` is that, as `edgeface.site.wire.STATUS`.
    live_until : str or None
        Until when somebody asked for its live picture (``live_by``, and why).
    """

    name: str
    groups: tuple[str, ...]
    added_at: str
    confirmed: int
    seen_at: str | None
    status: Mapping[str, Any] | None
    live_until: str | None
    live_reason: str | None
    live_by: str | None


class Doors:
    """All doors of a site. Threads may share it; ``by`` as for `People`.

    Every method raises ``UnknownEntryError`` for a door that there is not.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, *, groups: Collection[str], by: str) -> str:
        """Add a door; return its token, which is not shown again: the site keeps a digest.

        Raises
        ------
        SiteConflictError
            There is one of that name.
        SiteError
            Not a name for a door, or not groups: at least one, as door.toml names them.
        """
        _require("name", name, _NAME)
        own = _checked_groups(groups)
        token = _new_token()
        with writing(self._database) as connection:
            added = connection.execute(
                "INSERT INTO door (name, groups, token_digest, added_at, changed, epoch) "
                "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING",
                (name, own, _digest(token), now(), next_version(connection), uuid4().hex),
            ).rowcount
            if not added:
                raise SiteConflictError(
                    f"there is a door {name} already: choose another name, or "
                    "make it a new token on its page of the console"
                )
            notify(connection, "doors")
        return token

    def remove(self, name: str, *, by: str) -> None:
        """Take a door out of the site: its token is void, and what it holds is out of reach."""
        with writing(self._database) as connection:
            gone = connection.execute("DELETE FROM door WHERE name = %s", (name,)).rowcount
            _require_door(gone, name)
            connection.execute("DELETE FROM door_edit WHERE door = %s", (name,))
            give_up_erasures(connection, name)
            notify(connection, "doors")

    def renew_token(self, name: str, *, by: str) -> str:
        """Return a new token; the old one is void from now on."""
        token = _new_token()
        self._update(name, "token_digest = %(digest)s", digest=_digest(token))
        return token

    def all(self) -> tuple[DoorEntry, ...]:
        """Return every door, in order of their names."""
        with self._database.transaction() as connection:
            rows = connection.execute(f"{_SELECT} ORDER BY name").fetchall()
        return tuple(_entry(row) for row in rows)

    def get(self, name: str) -> DoorEntry:
        """Return one door."""
        with self._database.transaction() as connection:
            row = connection.execute(f"{_SELECT} WHERE name = %s", (name,)).fetchone()
        _require_door(row is not None, name)
        return _entry(row)

    def authenticate(self, token: str) -> str:
        """Return whose token it is; ``SiteForbiddenError`` for nobody's."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT name FROM door WHERE token_digest = %s", (_digest(token),)
            ).fetchone()
        if found is None:
            raise SiteForbiddenError("that is no door's token: add the door, or renew its token")
        return found[0]

    def set_groups(self, name: str, groups: Collection[str], *, by: str) -> None:
        """Say whose people a door has: it gets all of them anew, and forgets the others."""
        own = _checked_groups(groups)
        with writing(self._database) as connection:
            connection.execute(
                "UPDATE door SET groups = %s, changed = %s WHERE name = %s",
                (own, next_version(connection), name),
            )
            renew_epoch(connection, name)
            notify(connection, "doors")

    def report(self, name: str, status: Mapping[str, Any]) -> None:
        """Keep what a door says of itself (`edgeface.site.wire.STATUS`), and when."""
        from psycopg.types.json import Jsonb

        status = Jsonb(checked(status, STATUS, what="status"))
        with self._database.transaction() as connection:
            told = connection.execute(
                "UPDATE door SET status = %s, seen_at = %s WHERE name = %s", (status, now(), name)
            ).rowcount
            _require_door(told, name)

    def ask_live(self, name: str, *, minutes: float, reason: str, by: str) -> None:
        """Ask a door for its live picture for some minutes.

        Raises ``SiteError`` for no reason, or more than an hour; 0 minutes end it.
        """
        if not 0 <= minutes <= LONGEST_LIVE_MINUTES:
            raise SiteError(f"minutes is {minutes}; expected 0 to {LONGEST_LIVE_MINUTES}")
        if not reason.strip() or len(reason) > 500 or not reason.isprintable():
            raise SiteError("say why the live picture is needed, in 1 to 500 characters")
        end = datetime.now(timezone.utc) + timedelta(minutes=minutes)
        until = end.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._update(
            name,
            "live_until = %(until)s, live_reason = %(reason)s, live_by = %(by)s",
            until=until,
            reason=reason,
            by=by,
        )

    def live_until(self, name: str) -> datetime | None:
        """Return until when (UTC) the live picture is asked for, or None where it is not."""
        until = still_live(self.get(name).live_until)
        return to_datetime(until) if until else None

    def _update(self, name: str, change: str, **values: Any) -> None:
        with self._database.transaction() as connection:
            done = connection.execute(
                f"UPDATE door SET {change} WHERE name = %(name)s",  # nosec B608
                {**values, "name": name},
            ).rowcount
            _require_door(done, name)
            notify(connection, "doors")


def renew_epoch(connection: Connection, name: str) -> None:
    """Make a door's cursor void, so that it gets everybody anew."""
    done = connection.execute(
        "UPDATE door SET epoch = %s, given = 0, confirmed = 0, replaced = replaced OR given > 0 "
        "WHERE name = %s",
        (uuid4().hex, name),
    ).rowcount
    _require_door(done, name)


def still_live(until: str | None) -> str | None:
    """Return the time until which a live picture is asked for, or None once it is past."""
    live = until is not None and to_datetime(until) > datetime.now(timezone.utc)
    return until if live else None


def _entry(row: tuple) -> DoorEntry:
    name, groups, *rest = row
    return DoorEntry(name, tuple(groups), *rest)


def _require(what: str, value: Any, schema: Mapping[str, Any]) -> None:
    problem = first_problem({what: value}, {"type": "object", "properties": {what: dict(schema)}})
    if problem:
        raise SiteError(f"a door's {problem}")


def _checked_groups(groups: Collection[str]) -> list[str]:
    own = sorted(groups)
    _require("groups", own, _GROUPS)
    if NO_GROUP in own:
        raise SiteError(f"{NO_GROUP} is the group of nobody: no door lets it in")
    return own


def _require_door(found: object, name: str) -> None:
    if not found:
        raise UnknownEntryError(f"no door {name} at this site")


def _new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def _digest(token: str) -> bytes:
    # 256 random bits: a slow hash would add nothing.
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
