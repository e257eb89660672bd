"""What doors are told: their own people and nobody else, whatever happened in between."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edgeface.errors import UnknownEntryError
from edgeface.site.changes import has_news
from edgeface.site.database import Database
from edgeface.site.watch import Watch
from tests.site.people import ALWAYS, BY, SmallSite, faces


def test_door_gets_the_people_of_its_groups_whole_and_exact(site):
    ada = site.people.enrol("Ada", faces(2), by=BY, changes={"groups": ["staff"], "card": (1, 2)})
    site.enrol("Bob", groups=["lab"])
    site.enrol("Carl")
    front = site.door("front", "staff", "default")
    assert front.ask()["whole"] and front.names == ["Ada", "Carl"]
    told = front.people[ada.uid]
    assert np.array_equal(told.templates, faces(2)) and told.version == ada.version
    assert told.record["card"] == [1, 2] and told.record["groups"] == ["staff"]


def test_door_that_knows_all_is_told_nothing_and_then_only_what_changed(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    front.ask()
    assert not has_news(front.ask())
    site.people.change(ada.uid, {"blocked": True}, by=BY)
    site.enrol("Bob", groups=["lab"])
    answer = front.ask()
    assert has_news(answer) and [person["uid"] for person in answer["people"]] == [ada.uid]
    assert front.people[ada.uid].record["blocked"]


def test_change_to_people_of_other_doors_is_not_told_at_all(site):
    front = site.door("front", "staff")
    front.ask()
    bob = site.enrol("Bob", groups=["lab"])
    site.people.change(bob.uid, {"name": "Bobby"}, by=BY)
    site.people.erase(bob.uid, by=BY)
    answer = front.ask()
    assert not has_news(answer) and answer["people"] == []


def test_who_leaves_a_doors_groups_goes_and_may_come_back(site):
    front, lab = site.door("front", "staff"), site.door("lab", "lab")
    ada = site.enrol("Ada", groups=["staff", "lab"])
    front.ask(), lab.ask()
    site.people.change(ada.uid, {"groups": ["lab"]}, by=BY)
    answer = front.ask()
    assert [(p["uid"], p["present"]) for p in answer["people"]] == [(ada.uid, False)]
    assert front.names == [] and lab.ask()["people"] and lab.names == ["Ada"]
    site.people.change(ada.uid, {"groups": []}, by=BY)
    site.people.change(ada.uid, {"groups": ["staff"]}, by=BY)
    front.ask(), lab.ask()
    assert front.names == ["Ada"] and lab.names == []


def test_many_changes_come_in_parts_and_nobody_is_missed(site):
    front = site.door("front", "staff")
    gone = [site.enrol(f"g{number}", groups=["staff"]) for number in range(5)]
    front.ask()
    for number in range(7):
        site.enrol(f"n{number}", groups=["staff"])
        if number < 5:
            site.people.erase(gone[number].uid, by=BY)
    answers = [front.ask(limit=3) for _ in range(5)]
    assert [answer["more"] for answer in answers] == [True, True, True, False, False]
    assert all(len(answer["people"]) <= 3 for answer in answers)
    assert front.names == [f"n{number}" for number in range(7)]


def test_other_groups_make_a_door_learn_everybody_anew(site):
    front = site.door("front", "staff")
    site.enrol("Ada", groups=["staff"])
    site.enrol("Bob", groups=["lab"])
    front.ask()
    site.doors.set_groups("front", ["lab"], by=BY)
    answer = front.ask()
    assert answer["whole"] and answer["rules"] and front.names == ["Bob"]
    assert not front.ask()["whole"]


def test_restored_database_is_noticed_and_the_door_learns_everybody_anew(postgres, conninfo):
    with Database(conninfo, most=1) as database:
        site = SmallSite(database)
        front = site.door("front", "staff")
        ada = site.enrol("Ada", groups=["staff"])
        front.ask()
    backup = postgres.create(like=conninfo)
    with Database(conninfo, most=1) as database:
        front.site = SmallSite(database)
        front.site.people.erase(ada.uid, by=BY)
        front.ask()
    assert front.names == []
    with Database(backup, most=1) as database:
        front.site = SmallSite(database)
        for name in ("Bob", "Carl", "Dora"):  # versions that the door would take for known
            front.site.enrol(name, groups=["staff"])
        assert front.ask()["whole"] and front.names == ["Ada", "Bob", "Carl", "Dora"]
    postgres.drop(backup)


def test_rules_are_told_once_and_when_they_change(site):
    site.rules.put_group("staff", ALWAYS, by=BY)
    front = site.door("front", "staff", "later")
    assert front.ask()["rules"]["tables"]["groups"] == {
        "staff": ALWAYS,
        "later": {"schedule": "never"},
    }
    assert front.ask()["rules"] is None
    site.rules.put_decision({"frames": 4}, by=BY)
    assert front.ask()["rules"]["tables"]["decision"] == {"frames": 4}
    assert site.rules.of_door("front") == (front.rules["version"], front.rules["tables"])


def test_receipt_is_complete_when_every_door_that_held_the_person_has_said_so(site):
    front, back, lab = (site.door(name, name) for name in ("front", "back", "lab"))
    ada = site.enrol("Ada", groups=["front", "back"])
    for door in (front, back, lab):
        door.ask()
        door.ask()
    site.people.change(ada.uid, {"groups": ["front"]}, by=BY)  # back has not heard of it yet
    receipt = site.people.erase(ada.uid, by=BY)
    assert receipt.held_by == ("back", "front") == receipt.pending
    front.ask()
    assert site.people.receipts()[0].pending == ("back", "front")  # told, not yet done
    front.ask()
    assert site.people.receipts()[0].pending == ("back",)
    back.ask()
    back.ask()
    assert site.people.receipts()[0].complete


def test_receipt_says_which_door_was_taken_away_before_it_confirmed(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    front.ask()
    site.people.erase(ada.uid, by=BY)
    site.doors.remove("front", by=BY)
    receipt = site.people.receipts()[0]
    assert receipt.removed == ("front",) and receipt.pending == () and not receipt.complete
    with pytest.raises(UnknownEntryError):
        front.ask()


def test_door_whose_groups_changed_confirms_only_once_it_has_everybody_anew(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    front.ask()
    site.doors.set_groups("front", ["lab"], by=BY)
    assert site.people.erase(ada.uid, by=BY).pending == ("front",)
    front.ask()
    assert site.people.receipts()[0].pending == ("front",)
    front.ask()
    assert site.people.receipts()[0].complete and front.names == []


def test_revocation_reaches_a_door_that_waits_within_half_a_second(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    front.ask()
    with Watch(site.database) as watch:
        assert watch.ready()
        took = []
        for blocked in (True, False) * 5:
            mark = watch.mark
            assert not has_news(front.ask())
            began = time.perf_counter()
            site.people.change(ada.uid, {"blocked": blocked}, by=BY)
            watch.wait(["people"], after=mark, timeout_s=5)
            front.ask()
            took.append(time.perf_counter() - began)
            assert front.people[ada.uid].record["blocked"] == blocked
    median = sorted(took)[len(took) // 2]
    print(f"\nfrom the change to the door's answer: {median:.3f} s")  # noqa: T201
    assert median < 0.5
