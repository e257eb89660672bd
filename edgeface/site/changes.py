"""What is new for a door since it last asked, and what a door's own edits become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgeface.errors import UnknownEntryError
from edgeface.gallery_person import now
from edgeface.site.changes_edit import Asking, apply_edit
from edgeface.site.doors import Doors, renew_epoch, still_live
from edgeface.site.people import People
from edgeface.site.people_erase import confirm_erasures
from edgeface.site.people_row import (
    COLUMNS,
    current_version,
    own_fields,
    read_templates,
    record_of,
    writing,
)
from edgeface.site.rules import SiteRules, rules_for
from edgeface.site.wire import EDIT, EDITED, PROTOCOL, RECORD, SitePerson, checked, person_message

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True)
class _Door:
    groups: list[str]
    changed: int
    epoch: str
    given: int
    confirmed: int
    replaced: bool
    live_until: str | None


class Changes:
    """A site's answers to its doors. Threads may share it."""

    def __init__(self, people: People, rules: SiteRules, doors: Doors) -> None:
        self._people, self._rules, self._doors = people, rules, doors
        self._database = people.database

    def since(self, door: str, *, epoch: str, after: int, limit: int = 200) -> dict[str, Any]:
        """Return `edgeface.site.wire.CHANGES` for a door, without ``received`` and ``task``.

        Asking with a cursor says that the door has done everything up to it: receipts of erasures
        count that. `has_news` says whether the answer is worth sending at once.

        Parameters
        ----------
        epoch, after
            The door's cursor, from the last answer that it has taken; "" and 0 at first.
        limit
            How many people at most, unless the answer is ``whole``: that has everybody.

        Raises ``UnknownEntryError`` for a door that there is not.
        """
        self._take_cursor(door, epoch=epoch, after=after)
        with self._database.transaction() as connection:
            # One moment of the database, so that nobody is missed between two questions.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            state = _read_door(connection, door)
            answer = self._answer(connection, state, epoch=epoch, after=after, limit=limit)
        if answer["through"] > state.given:
            self._put_given(door, answer)
        return answer

    def edit(self, door: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """Take a door's edit (`edgeface.site.wire.EDIT`); return `edgeface.site.wire.EDITED`.

        The same ``edit_id`` again changes nothing, and gives the same answer. A door edits only
        people whom it has, and grants only groups that are its own.

        Raises ``UnknownEntryError`` for a door that there is not, ``SiteError`` for what is no
        edit.
        """
        from psycopg.types.json import Jsonb

        message = checked(dict(message), EDIT, what="edit")
        with writing(self._database) as connection:
            asking = Asking(door, frozenset(_read_door(connection, door).groups))
            known = connection.execute(
                "SELECT answer FROM door_edit WHERE door = %s AND edit_id = %s",
                (door, message["edit_id"]),
            ).fetchone()
            if known:
                return known[0]
            answer = apply_edit(connection, asking, message, dim=self._people.dim)
            connection.execute(
                "INSERT INTO door_edit (door, edit_id, answer, at) VALUES (%s, %s, %s, %s)",
                (door, message["edit_id"], Jsonb(answer), now()),
            )
        return checked(answer, EDITED, what="answer to an edit")

    def _answer(
        self, connection: Connection, state: _Door, *, epoch: str, after: int, limit: int
    ) -> dict[str, Any]:
        through = current_version(connection)
        # A door put back to an older copy of itself may hold people of whom nothing is known here.
        whole = epoch != state.epoch or after < _departures_from(connection)
        if whole:
            people, more = _everybody(connection, state.groups), False
        else:
            people = _changed(connection, state.groups, after=after, limit=limit + 1)
            more = len(people) > limit
            people = people[:limit]
        version, tables = rules_for(connection, state.groups, changed=state.changed)
        new_rules = whole or version > after
        return {
            "protocol": PROTOCOL,
            "model_id": self._people.model_id,
            "epoch": state.epoch,
            "through": people[-1].version if more else through,
            "whole": whole,
            "more": more,
            "people": _messages(connection, people, dim=self._people.dim),
            "rules": {"version": version, "tables": tables} if new_rules else None,
            "live_until": still_live(state.live_until),
            "now": now(),
        }

    def _take_cursor(self, door: str, *, epoch: str, after: int) -> None:
        with self._database.transaction() as connection:
            state = _read_door(connection, door)
            if epoch != state.epoch or (after == state.confirmed and not state.replaced):
                return
        with self._database.transaction() as connection:
            connection.execute("SELECT FROM door WHERE name = %s FOR UPDATE", (door,))
            state = _read_door(connection, door)
            if epoch != state.epoch:
                return
            if after > state.given:
                # The door knows more than the site has told it: this database is a restored one.
                renew_epoch(connection, door)
                return
            connection.execute(
                "UPDATE door SET confirmed = greatest(confirmed, %s), replaced = false "
                "WHERE name = %s",
                (after, door),
            )
            confirm_erasures(connection, door, through=after)

    def _put_given(self, door: str, answer: Mapping[str, Any]) -> None:
        """Write down what the door is about to be told: a later cursor is then a strange one."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE door SET given = greatest(given, %s) WHERE name = %s AND epoch = %s",
                (answer["through"], door, answer["epoch"]),
            )


def has_news(answer: Mapping[str, Any]) -> bool:
    """Tell whether an answer changes anything at the door; one that does not can wait."""
    return bool(answer["whole"] or answer["people"] or answer["rules"] or answer["more"])


def _read_door(connection: Connection, name: str) -> _Door:
    found = connection.execute(
        "SELECT groups, changed, epoch, given, confirmed, replaced, live_until FROM door "
        "WHERE name = %s",
        (name,),
    ).fetchone()
    if found is None:
        raise UnknownEntryError(f"no door {name} at this site")
    return _Door(*found)


def _departures_from(connection: Connection) -> int:
    return connection.execute("SELECT departures_from FROM site_version").fetchone()[0]


def _everybody(connection: Connection, groups: list[str]) -> list[SitePerson]:
    rows = connection.execute(
        f"SELECT uid, version, {COLUMNS} FROM person "  # nosec B608
        "WHERE member_of && %s ORDER BY version",
        (groups,),
    )
    return [_present(*row) for row in rows]


def _changed(
    connection: Connection, groups: list[str], *, after: int, limit: int
) -> list[SitePerson]:
    """Return who changed or left after a version, in order of versions; nobody twice."""
    values = {"groups": groups, "after": after, "limit": limit}
    changed = connection.execute(
        f"SELECT uid, version, {COLUMNS} FROM person "  # nosec B608
        "WHERE version > %(after)s AND member_of && %(groups)s ORDER BY version LIMIT %(limit)s",
        values,
    )
    people = [_present(*row) for row in changed]
    left = connection.execute(
        "SELECT uid, max(version) FROM departure WHERE version > %(after)s "
        "AND groups && %(groups)s AND NOT EXISTS (SELECT FROM person "
        "WHERE person.uid = departure.uid AND member_of && %(groups)s) "
        "GROUP BY uid ORDER BY 2 LIMIT %(limit)s",
        values,
    )
    people += [SitePerson(uid, version, False) for uid, version in left]
    return sorted(people, key=lambda person: person.version)[:limit]


def _present(uid: str, version: int, *values: Any) -> SitePerson:
    record = own_fields(record_of(values))
    told = {field: record[field] for field in RECORD}
    card = list(record["card"]) if record["card"] else None
    told.update(groups=list(record["groups"]), card=card)
    return SitePerson(uid, version, True, record["name"], told)


def _messages(
    connection: Connection, people: list[SitePerson], *, dim: int
) -> list[dict[str, Any]]:
    uids = [person.uid for person in people if person.present]
    templates = read_templates(connection, uids, dim=dim)
    return [
        person_message(replace(person, templates=templates.get(person.uid))) for person in people
    ]
