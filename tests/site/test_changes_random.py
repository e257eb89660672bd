"""Anything at all happens at a site, and its doors have exactly whom they may have."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from edgeface.site.merge import members_of
from edgeface.site.retention import Keeping, Retention
from tests.site.people import BY, DoorCopy, SmallSite, faces

GROUPS = ("staff", "lab", "vault", "default")
STEPS = 150


class World:
    """A site to which things happen, by chance and again in the same way."""

    def __init__(self, site: SmallSite, *, seed: int) -> None:
        self.site, self.chance = site, random.Random(seed)
        self.retention = Retention(site.database)
        self.retention.put(Keeping(None, None, None), by=BY)
        self.doors = [site.door(name, *self.some_groups()) for name in ("a", "b", "c")]
        self.copies = [replace(door, people={}) for door in self.doors]
        self.made = 0

    def some_groups(self) -> list[str]:
        return self.chance.sample(GROUPS, self.chance.randint(1, 2))

    def somebody(self) -> str | None:
        entries = self.site.people.find(limit=1000).entries
        return self.chance.choice(entries).uid if entries else None

    def step(self) -> None:
        chance, people, uid = self.chance, self.site.people, self.somebody()
        happens = chance.choice(("enrol", "enrol", "regroup", "regroup", "erase", "ask", "ask"))
        if chance.random() < 0.15:
            happens = chance.choice(("regroup door", "put back", "keep", "edit", "edit"))
        if happens == "enrol" or uid is None:
            self.made += 1
            self.site.enrol(f"person {self.made}", groups=self.some_groups())
        elif happens == "regroup":
            people.change(uid, {"groups": chance.choice(([], self.some_groups()))}, by=BY)
        elif happens == "erase":
            people.erase(uid, by=BY)
        elif happens == "regroup door":
            self.site.doors.set_groups(chance.choice("abc"), self.some_groups(), by=BY)
        elif happens == "put back":
            number = chance.randrange(3)
            self.doors[number] = replace(
                self.copies[number], people=dict(self.copies[number].people)
            )
        elif happens == "keep":
            self.retention.run()
        elif happens == "edit":
            self.edit(chance.choice(self.doors))
        else:
            chance.choice(self.doors).ask(limit=chance.randint(1, 4))
            number = chance.randrange(3)
            if chance.random() < 0.3:
                self.copies[number] = replace(
                    self.doors[number], people=dict(self.doors[number].people)
                )

    def edit(self, door: DoorCopy) -> None:
        if not door.people:
            return
        person = self.chance.choice(list(door.people.values()))
        changes = {"groups": self.some_groups(), "blocked": self.chance.random() < 0.5}
        door.edit("change", uid=person.uid, base=person.version, changes=changes)

    def settle(self) -> None:
        for door in self.doors:
            while door.ask(limit=3)["more"]:
                pass
            door.ask()


@pytest.mark.parametrize("seed", range(3))
def test_doors_have_exactly_whom_they_may_have_once_they_have_asked(site, seed):
    world = World(site, seed=seed)
    for _ in range(STEPS):
        world.step()
    world.settle()
    everybody = site.people.find(limit=1000).entries
    assert everybody and len(site.people.receipts()) > 5
    for door in world.doors:
        groups = set(site.doors.get(door.name).groups)
        may = {e.uid: e for e in everybody if members_of(e.groups) & groups}
        assert {uid: p.version for uid, p in door.people.items()} == {
            uid: entry.version for uid, entry in may.items()
        }
        assert all(p.record["groups"] == list(may[uid].groups) for uid, p in door.people.items())
        assert all(door.name in entry.doors for entry in may.values())
    assert all(receipt.complete for receipt in site.people.receipts())


def test_templates_of_everybody_arrive_also_in_parts(site):
    front = site.door("front", "staff")
    front.ask()
    for number in range(12):
        site.people.enrol(
            f"p{number}", faces(number % 4 + 1, seed=number), by=BY, changes={"groups": ["staff"]}
        )
    while front.ask(limit=5)["more"]:
        pass
    for number in range(12):
        (person,) = [p for p in front.people.values() if p.name == f"p{number}"]
        assert (person.templates == faces(number % 4 + 1, seed=number)).all()
