"""Killed at any moment, again and again, while both sides change: nothing lost, nothing undone."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from edgeface.errors import GalleryError
from edgeface.site.database import Database
from tests.agent.copies import Copy
from tests.faults import forked, ram_folder
from tests.site.people import BY, SmallSite, faces

GROUP = ("staff",)


class Life:
    """What both sides did, and what must be true of everybody at last."""

    def __init__(self, copy: Copy, seed: int) -> None:
        self.copy, self.site = copy, copy.site
        self.chance = random.Random(seed)
        self.enrolled: set[str] = set()
        self.blocked: set[str] = set()
        self.erased: set[str] = set()

    def act(self) -> None:
        """Do one thing, at the site or with the door's own tools."""
        known = sorted(self.enrolled - self.erased)
        kind = self.chance.choice(["enrol", "enrol", "block", "erase"]) if known else "enrol"
        at_door = self.chance.random() < 0.5
        name = f"p{len(self.enrolled):04}" if kind == "enrol" else self.chance.choice(known)
        if (self._at_door if at_door else self._at_site)(kind, name):
            held = {"enrol": self.enrolled, "block": self.blocked, "erase": self.erased}[kind]
            held.add(name)

    def _at_site(self, kind: str, name: str) -> bool:
        if kind == "enrol":
            self.site.enrol(name, groups=GROUP)
            return True
        person = self.site.people.by_name(name)
        if person is None:  # enrolled at the door, and not here yet
            return False
        if kind == "block":
            self.site.people.change(person.uid, {"blocked": True}, by=BY)
        else:
            self.site.people.erase(person.uid, by=BY)
        return True

    def _at_door(self, kind: str, name: str) -> bool:
        tools = self.copy.tools
        if kind == "enrol":
            tools.enroll(name, faces(1, seed=len(self.enrolled)), groups=GROUP)
            return True
        if name not in self.copy.people:  # enrolled at the site, and not here yet
            return False
        try:
            if kind == "block":
                tools.describe(name, blocked=True)
            else:
                tools.erase(name)
        except GalleryError:  # the agent was quicker, or reads the log: then it is erased
            return kind == "erase" and name not in self.copy.people
        return True

    def check(self) -> None:
        """Both sides have everybody alike, and as was asked for."""
        there = {entry.name: entry for entry in self.site.people.find(limit=1000).entries}
        here = self.copy.people
        assert set(there) == set(here) == self.enrolled - self.erased
        for name, entry in there.items():
            person = here[name]
            assert (entry.uid, entry.blocked) == (person.site_id, person.blocked)
            assert entry.blocked == (name in self.blocked)
            assert entry.templates == person.templates == 1


def live_through(site: SmallSite, folder: Path, *, kills: int, seed: int) -> Life:
    copy = Copy(site, "north", folder)
    copy.replica.close()
    conninfo = site.database.conninfo
    life = Life(copy, seed)

    def follow_for_ever(acknowledge) -> None:
        with Database(conninfo, most=1) as database:
            mine = Copy(SmallSite(database), "north", folder)
            acknowledge(b".")
            while True:
                mine.sync(limit=5)

    for _ in range(kills):
        with forked(follow_for_ever) as child:
            child.read(1)
            deadline = time.monotonic() + life.chance.uniform(0, 0.08)
            while time.monotonic() < deadline:
                life.act()
            os.kill(child.pid, signal.SIGKILL)
    copy.replica = copy._open()
    copy.sync()
    copy.sync()
    return life


def lived(site: SmallSite, *, kills: int, seed: int) -> None:
    site.doors.add("north", groups=GROUP, by=BY)
    with ram_folder() as folder:
        life = live_through(site, folder, kills=kills, seed=seed)
        life.check()
        life.copy.close()
    print(f"\n{kills} kills: {len(life.enrolled)} people, {len(life.erased)} erased")  # noqa: T201
    assert life.erased and life.blocked


def test_agent_killed_sixty_times_converges(site):
    lived(site, kills=60, seed=1)


@pytest.mark.kills
def test_agent_killed_five_hundred_times_converges(site):
    lived(site, kills=500, seed=2)
