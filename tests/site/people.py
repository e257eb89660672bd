"""A small site for tests: people of 8 numbers each, rules, doors and what they are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np

from edgeface.site import wire
from edgeface.site.changes import Changes
from edgeface.site.database import Database
from edgeface.site.doors import Doors
from edgeface.site.people import Entry, People
from edgeface.site.rules import SiteRules

MODEL, DIM = "model-a", 8
BY = "user:anna"
ALWAYS = {"schedule": "always"}
_EVENTS = ("event", "event_log", "event_key")


def faces(count: int, *, seed: int = 0) -> np.ndarray:
    """Unit rows, (count, 8) float32."""
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def empty(database: Database) -> None:
    """Take people, doors, rules and events away, and begin with version 0 again."""
    tables = ("person", "departure", "erasure_door", "erased", "door", "enrol_request")
    with database.transaction() as connection:
        for table in (*tables, "door_edit", "rule", "retention", *_EVENTS):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("INSERT INTO retention DEFAULT VALUES")
        connection.execute("UPDATE site_version SET version = 0, departures_from = 0")
        connection.execute("UPDATE rule_version SET version = 0")


class SmallSite:
    """People, rules, doors and changes over one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.people = People(database, model_id=MODEL, dim=DIM)
        self.rules, self.doors = SiteRules(database), Doors(database)
        self.changes = Changes(self.people, self.rules, self.doors)

    def enrol(self, name: str, **changes: Any) -> Entry:
        """Enrol somebody with one template of their own."""
        seed = int.from_bytes(name.encode(), "little") % 2**32
        return self.people.enrol(name, faces(1, seed=seed), by=BY, changes=changes)

    def door(self, name: str, *groups: str) -> DoorCopy:
        """Add a door."""
        self.doors.add(name, groups=groups, by=BY)
        return DoorCopy(self, name)

    def count(self, sql: str) -> int:
        """Return the number that a query gives."""
        with self.database.transaction() as connection:
            return connection.execute(sql).fetchone()[0]


@dataclass
class DoorCopy:
    """What a door knows if it does what it is told; every message is checked against its form."""

    site: SmallSite
    name: str
    epoch: str = ""
    after: int = 0
    people: dict[str, wire.SitePerson] = field(default_factory=dict)
    rules: dict[str, Any] | None = None

    def ask(self, *, limit: int = 200) -> dict[str, Any]:
        """Ask once, and do what the answer says."""
        answer = self.site.changes.since(self.name, epoch=self.epoch, after=self.after, limit=limit)
        message = {"received": {}, "task": None, **answer}
        wire.checked(message, wire.CHANGES, what="changes")
        if answer["whole"]:
            self.people = {}
        for entry in answer["people"]:
            person = wire.person_of(entry, dim=DIM)
            self.people.pop(person.uid, None)
            if person.present:
                self.people[person.uid] = person
        self.rules = answer["rules"] or self.rules
        self.epoch, self.after = answer["epoch"], answer["through"]
        return answer

    def edit(self, kind: str, *, edit_id: str | None = None, **fields: Any) -> dict[str, Any]:
        """Send an edit; return the answer."""
        if "templates" in fields:
            fields["templates"] = wire.encode_templates(fields["templates"])
        head = {"edit_id": edit_id or uuid4().hex, "kind": kind, "made_at": "2026-11-28T12:00:00Z"}
        return self.site.changes.edit(self.name, {**head, **fields})

    @property
    def names(self) -> list[str]:
        """Names of whom the door has."""
        return sorted(person.name for person in self.people.values())
