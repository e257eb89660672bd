"""A door's copy of its site: what the site says is here, exactly, whatever happened before."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgeface.door.rules_site import read_site_rules
from edgeface.errors import SiteError
from tests.site.people import ALWAYS, BY


def held(copy, name: str) -> np.ndarray:
    holding = copy.tools.holding()
    return holding.rows[[person.name for person in holding.people].index(name)]


def at_site(site, name: str):
    return site.people.by_name(name)


def test_person_of_the_site_is_at_every_door_of_the_group(site, door_of):
    north, south = door_of("north", "staff"), door_of("south", "guests")
    site.enrol("Ada", groups=("staff",), card=(7, 8))
    north.sync()
    south.sync()
    assert list(north.people) == ["Ada"] and not south.people
    assert north.people["Ada"].card == (7, 8)
    assert np.array_equal(held(north, "Ada"), site.people.templates(at_site(site, "Ada").uid))


def test_nothing_new_costs_the_door_nothing(site, door_of):
    north = door_of("north", "staff")
    site.enrol("Ada", groups=("staff",))
    north.sync()
    before = north.tools.people()
    site.enrol("Bob", groups=("guests",))
    north.sync()
    assert north.tools.people() is before and north.asked[-1][1] < north.replica.cursor()[1]


def test_person_who_leaves_the_group_is_erased_here_with_a_receipt(site, door_of):
    north = door_of("north", "staff")
    ada = site.enrol("Ada", groups=("staff",))
    north.sync()
    site.people.change(ada.uid, {"groups": ("guests",)}, by=BY)
    north.sync()
    assert not north.people and north.tools.erasure_of("Ada") is not None
    assert not north.told


def test_pages_come_one_after_the_other_and_renames_go_round(site, door_of):
    north = door_of("north", "staff")
    people = [site.enrol(f"p{n}", groups=("staff",)) for n in range(7)]
    north.sync()
    for number, person in enumerate(people):
        site.people.change(person.uid, {"name": f"x{number}"}, by=BY)
    for number, person in enumerate(people):
        site.people.change(person.uid, {"name": f"p{(number + 1) % 7}"}, by=BY)
    site.people.change(people[0].uid, {"blocked": True}, by=BY)
    north.sync(limit=2)
    assert {p.site_id: p.name for p in north.people.values()} == {
        person.uid: f"p{(number + 1) % 7}" for number, person in enumerate(people)
    }
    assert north.people["p1"].blocked and not north.told


def test_erased_person_is_gone_and_the_next_question_confirms_it(site, door_of):
    north = door_of("north", "staff")
    ada = site.enrol("Ada", groups=("staff",))
    north.sync()
    site.people.erase(ada.uid, by=BY)
    north.sync()
    assert not north.people and north.tools.erasure_of("Ada").templates == 1
    north.ask()
    (receipt,) = site.people.receipts()
    assert not receipt.pending


def test_backup_of_a_gallery_that_is_put_back_comes_into_step_and_undoes_nothing(site, door_of):
    north = door_of("north", "staff")
    ada, bob = (site.enrol(name, groups=("staff",)) for name in ("Ada", "Bob"))
    north.sync()
    north.tools.backup(north.folder / "copy.db")
    north.tools.describe("Ada", card=(5, 5))
    north.sync()
    site.people.erase(bob.uid, by=BY)
    site.people.change(ada.uid, {"blocked": True}, by=BY)
    north.sync()
    north.close()
    for suffix in ("", "-wal", "-shm"):
        (north.folder / f"gallery.db{suffix}").unlink(missing_ok=True)
    (north.folder / "copy.db").rename(north.folder / "gallery.db")
    north.replica, north.tools = north._open(), north.open_gallery()
    told = len(north.told)
    north.sync()
    assert set(north.people) == {"Ada"} and len(north.told) == told
    assert north.people["Ada"].blocked and north.people["Ada"].card == (5, 5)


def test_site_whose_database_was_put_back_gives_everybody_anew(site, door_of):
    north = door_of("north", "staff")
    site.enrol("Ada", groups=("staff",))
    north.sync()
    with site.database.transaction() as connection:
        connection.execute("UPDATE door SET given = 0, confirmed = 0")
    north.sync()
    assert set(north.people) == {"Ada"} and not north.told


def test_rules_are_in_the_file_before_the_people_whom_they_are_about(site, door_of):
    north = door_of("north", "staff")
    site.rules.put_group("staff", ALWAYS, by=BY)
    north.sync()
    assert read_site_rules(north.rules).tables["groups"]["staff"] == ALWAYS
    assert north.rules.stat().st_mode & 0o777 == 0o640
    site.rules.put_group("staff", {"schedule": "never"}, by=BY)
    north.sync()
    rules = read_site_rules(north.rules)
    assert rules.tables["groups"]["staff"] == {"schedule": "never"}
    assert north.replica.rules_version() == rules.version


@pytest.mark.parametrize("broken", [None, "{", json.dumps({"version": 1})])
def test_rules_that_are_lost_or_broken_are_asked_for_again(site, door_of, broken):
    north = door_of("north", "staff")
    site.rules.put_group("staff", ALWAYS, by=BY)
    north.sync()
    north.rules.unlink() if broken is None else north.rules.write_text(broken)
    north.sync()
    assert read_site_rules(north.rules).tables["groups"]["staff"] == ALWAYS


def test_site_of_another_model_changes_nothing(site, door_of):
    north = door_of("north", "staff")
    site.enrol("Ada", groups=("staff",))
    answer = north.ask()
    with pytest.raises(SiteError, match="give the door the site's bundle"):
        north.replica.take({**answer, "model_id": "model-b"})
    assert not north.people


def test_site_of_another_model_takes_away_whom_it_blocks_or_erases(site, door_of):
    north = door_of("north", "staff")
    people = [site.enrol(name, groups=("staff",)) for name in ("Ada", "Bob", "Eve")]
    north.sync()
    site.people.change(people[0].uid, {"blocked": True}, by=BY)
    site.people.erase(people[1].uid, by=BY)
    site.people.change(people[2].uid, {"card": (1, 2)}, by=BY)
    cursor = north.replica.cursor()
    with pytest.raises(SiteError, match="give the door the site's bundle"):
        north.replica.take({**north.ask(), "model_id": "model-b"})
    assert sorted(north.people) == ["Ada", "Eve"] and north.people["Ada"].blocked
    assert len(held(north, "Ada")) == 0 and len(held(north, "Eve")) and not north.people["Eve"].card
    assert north.replica.cursor() == cursor
    north.sync()
    assert len(held(north, "Ada")) and north.people["Eve"].card == (1, 2) and not north.told


def test_answer_that_no_gallery_takes_changes_nothing(site, door_of):
    north = door_of("north", "staff")
    site.enrol("Ada", groups=("staff",))
    answer = north.ask()
    (ada,) = answer["people"]
    bad = {**ada, "record": {**ada["record"], "groups": ["no group"]}}
    for people in ([bad], [ada, {**ada, "uid": "0" * 32}], [{**ada, "templates": ["AAAA"]}]):
        with pytest.raises(SiteError):
            north.replica.take({**answer, "people": people})
        assert not north.people
