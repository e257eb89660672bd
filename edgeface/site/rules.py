"""Schedules, groups and decisions of a site: the tables of door.toml that all doors have alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface.door.rules import Rules
from edgeface.door.rules_settings import SETTINGS
from edgeface.errors import DoorError, SiteConflictError, SiteError, UnknownEntryError
from edgeface.site.database import Database
from edgeface.site.merge import NO_GROUP
from edgeface.site.people_row import next_version, notify, writing

if TYPE_CHECKING:
    from psycopg import Connection

Tables = dict[str, dict[str, Any]]
_WHOLE = ""  # [decision] is one table without a name
# Rules are checked together as a door does it; no rule of the site depends on these numbers.
_ANY_BUNDLE = {
    "by_far": [{"far": 1e-3, "cosine": 0.3}, {"far": 1e-4, "cosine": 0.4}],
    "default_far": 1e-3,
    "margin": 0.0,
}


class SiteRules:
    """What the site's doors go by. Threads may share it.

    Tables are as door.toml has them (`edgeface.door.rules_settings`), and all of them together
    must be such that a door takes them: else ``SiteError``, and nothing changes. A group has no
    ``people``: who is in it says the person's record.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def schedules(self) -> Tables:
        """Return all schedules by name; "always" and "never" are built in."""
        return self._read("schedules")

    def put_schedule(self, name: str, table: Mapping[str, Any], *, by: str) -> None:
        """Add or replace a schedule."""
        self._put("schedules", name, table)

    def remove_schedule(self, name: str, *, by: str) -> None:
        """Take a schedule away; ``SiteConflictError`` while a group goes by it."""
        users = [group for group, table in self.groups().items() if table["schedule"] == name]
        if users:
            raise SiteConflictError(
                f"schedule {name} is that of the groups {', '.join(users)}: give them another first"
            )
        self._remove("schedules", name)

    def groups(self) -> Tables:
        """Return all groups by name."""
        return self._read("groups")

    def put_group(self, name: str, table: Mapping[str, Any], *, by: str) -> None:
        """Add or replace a group."""
        if name == NO_GROUP:
            raise SiteError(f"{NO_GROUP} is the group of nobody: give it another name")
        if "people" in table:
            raise SiteError("groups.people: at a site, put the group into the person's record")
        self._put("groups", name, table)

    def remove_group(self, name: str, *, by: str) -> None:
        """Take a group away; ``SiteConflictError`` while a door has it."""
        with self._database.transaction() as connection:
            doors = connection.execute(
                "SELECT name FROM door WHERE %s = ANY(groups) ORDER BY name", (name,)
            ).fetchall()
        if doors:
            raise SiteConflictError(
                f"group {name} is one of {', '.join(door for (door,) in doors)}: take it from "
                "those doors first"
            )
        self._remove("groups", name)

    def decision(self) -> dict[str, Any]:
        """Return what [decision] says; what is not in it has a door's own default."""
        return self._read("decision").get(_WHOLE, {})

    def put_decision(self, table: Mapping[str, Any], *, by: str) -> None:
        """Replace [decision]."""
        self._put("decision", _WHOLE, table)

    def of_door(self, door: str) -> tuple[int, Tables]:
        """Return the version and the tables that a door goes by."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT groups, changed FROM door WHERE name = %s", (door,)
            ).fetchone()
            if found is None:
                raise UnknownEntryError(f"no door {door} at this site")
            return rules_for(connection, found[0], changed=found[1])

    def _read(self, kind: str) -> Tables:
        with self._database.transaction() as connection:
            return _read_all(connection)[kind]

    def _put(self, kind: str, name: str, table: Mapping[str, Any]) -> None:
        from psycopg.types.json import Jsonb

        with writing(self._database) as connection:
            tables = _read_all(connection)
            tables[kind][name] = dict(table)
            _require_sound(tables)
            connection.execute(
                "INSERT INTO rule (kind, name, settings) VALUES (%s, %s, %s) "
                "ON CONFLICT (kind, name) DO UPDATE SET settings = excluded.settings",
                (kind, name, Jsonb(dict(table))),
            )
            _renew(connection)

    def _remove(self, kind: str, name: str) -> None:
        with writing(self._database) as connection:
            gone = connection.execute(
                "DELETE FROM rule WHERE kind = %s AND name = %s", (kind, name)
            ).rowcount
            if not gone:
                raise UnknownEntryError(f"no {name} among the site's {kind}")
            _require_sound(_read_all(connection))
            _renew(connection)


def rules_for(
    connection: Connection, groups: Collection[str], *, changed: int
) -> tuple[int, Tables]:
    """Return the version and the tables of a door with these groups, set at version ``changed``.

    A group that the site has no rules for is never let in: without any table its members would be
    in the group "default".
    """
    tables = _read_all(connection)
    version = connection.execute("SELECT version FROM rule_version").fetchone()[0]
    own = {name: tables["groups"].get(name, {"schedule": "never"}) for name in sorted(groups)}
    used = {table["schedule"] for table in own.values()}
    schedules = {name: table for name, table in tables["schedules"].items() if name in used}
    decision = tables["decision"].get(_WHOLE, {})
    own_tables = {"schedules": schedules, "groups": own, "decision": decision}
    return max(version, changed), own_tables


def _read_all(connection: Connection) -> dict[str, Tables]:
    tables: dict[str, Tables] = {"schedules": {}, "groups": {}, "decision": {}}
    for kind, name, table in connection.execute(
        "SELECT kind, name, settings FROM rule ORDER BY kind, name"
    ):
        tables[kind][name] = table
    return tables


def _require_sound(tables: Mapping[str, Tables]) -> None:
    decision = tables["decision"].get(_WHOLE, {})
    settings = {**{kind: tables[kind] for kind in SETTINGS if kind in tables}, "decision": decision}
    try:
        Rules.from_settings(settings, base=Path(), thresholds=_ANY_BUNDLE, live_threshold=0.5)
    except DoorError as error:
        raise SiteError(str(error).replace("door.toml: ", "")) from error


def _renew(connection: Connection) -> None:
    version = next_version(connection)
    connection.execute("UPDATE rule_version SET version = %s", (version,))
    notify(connection, "rules")
