"""Many at once, and connections that die in the middle: nothing lost, half or twice."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

from edgeface.errors import SiteError
from edgeface.site.database import Database
from edgeface.site.people_edit import enrol_row
from edgeface.site.people_row import writing
from tests.site.people import BY, SmallSite, faces
from tests.site.postgres import Postgres

THREADS, EDITS = 8, 12


def at_once(work: Callable[[int], None], *, meanwhile: Callable[[], None]) -> None:
    """Run ``work(number)`` in 8 threads, and ``meanwhile`` again and again until they are done."""
    with ThreadPoolExecutor(THREADS) as threads:
        done = [threads.submit(work, number) for number in range(THREADS)]
        while not all(future.done() for future in done):
            meanwhile()
    for future in done:
        future.result()


def test_eight_who_edit_at_once_lose_nothing_and_versions_have_no_gaps(site):
    shared = site.enrol("shared", groups=["staff"])

    def work(number: int) -> None:
        own = site.enrol(f"own {number}", groups=["staff"])
        for turn in range(EDITS):
            seed = number * EDITS + turn + 1
            site.people.add(shared.uid, faces(1, seed=seed), by=BY)
            site.people.change(own.uid, {"card": (number, turn)}, by=BY)

    def look() -> None:
        with site.database.transaction() as connection:
            seen = connection.execute(
                "SELECT count(*), count(DISTINCT version), coalesce(max(version), 0), "
                "(SELECT version FROM site_version) FROM person_change"
            ).fetchone()
        assert len(set(seen)) == 1, "a version was seen before one that is lower"

    at_once(work, meanwhile=look)
    look()
    assert site.people.get(shared.uid).templates == 1 + THREADS * EDITS
    entries = site.people.find(text="own").entries
    assert [entry.card for entry in entries] == [(n, EDITS - 1) for n in range(THREADS)]


def test_door_that_asks_while_others_write_misses_nothing(site):
    front = site.door("front", "staff")

    def work(number: int) -> None:
        chance = random.Random(number)
        for turn in range(EDITS):
            entry = site.enrol(f"{number} {turn}", groups=["staff"])
            if turn % 3 == 0:
                site.people.erase(entry.uid, by=BY)
            elif turn % 3 == 1:
                groups = chance.choice([["lab"], ["staff", "lab"]])
                site.people.change(entry.uid, {"groups": groups}, by=BY)

    at_once(work, meanwhile=lambda: front.ask(limit=5))
    while front.ask(limit=5)["more"]:
        pass
    there = {e.uid: e.version for e in site.people.find(group="staff", limit=1000).entries}
    assert {uid: person.version for uid, person in front.people.items()} == there


def test_same_request_by_many_at_once_is_one_enrolment(site):
    with ThreadPoolExecutor(THREADS) as threads:
        entries = list(
            threads.map(
                lambda _: site.people.enrol("Ada", faces(2), by=BY, request_id="r"), range(THREADS)
            )
        )
    assert len({entry.uid for entry in entries}) == 1 and len(site.people) == 1
    assert site.people.get(entries[0].uid).version == 1


def test_connection_killed_in_the_middle_leaves_nothing_and_the_request_can_be_sent_again(site):
    with pytest.raises(SiteError, match="does not answer"):
        with writing(site.database) as connection:
            enrol_row(connection, "Ada", faces(2), by=BY, changes={})
            with site.database.transaction() as other:
                other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
            connection.execute("SELECT 1")
    assert len(site.people) == 0 and site.count("SELECT count(*) FROM template") == 0
    assert site.count("SELECT version FROM site_version") == 0
    entry = site.people.enrol("Ada", faces(2), by=BY, request_id="r")
    assert (entry.version, entry.templates) == (1, 2)


@pytest.fixture
def durable() -> Iterator[Postgres]:
    """A server of its own, which keeps its promises when it is killed."""
    with tempfile.TemporaryDirectory(prefix="edgeface-postgres-") as folder:
        server = Postgres(Path(folder), durable=True)
        server.start()
        yield server
        server.kill()


def test_database_killed_while_people_are_enrolled_has_all_or_nothing_of_each(durable):
    promised: set[str] = set()
    with Database(durable.create(), most=6, timeout_s=20.0) as database:
        site = SmallSite(database)

        def enrol(number: int) -> str:
            name = f"person {number:03}"
            entry = site.people.enrol(name, faces(3, seed=number), by=BY, request_id=name)
            assert entry.templates == 3
            return name

        def work(first: int) -> None:
            for number in range(first, 120, 4):
                try:
                    promised.add(enrol(number))
                except SiteError:
                    return

        threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        while len(promised) < 12:
            time.sleep(0.01)
        durable.kill()
        for thread in threads:
            thread.join()
        durable.start()
        kept = {entry.name: entry for entry in site.people.find(limit=1000).entries}
        assert promised <= set(kept) and all(entry.templates == 3 for entry in kept.values())
        assert len(promised) < 120, "it was killed too late to show anything"
        assert site.count("SELECT count(*) - (SELECT version FROM site_version) FROM person") == 0
        for number in range(len(kept) + 8):
            enrol(number)
        entry = site.people.by_name("person 003")
        assert np.array_equal(site.people.templates(entry.uid), faces(3, seed=3))
