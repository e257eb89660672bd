"""What is changed at a door reaches the site, once; of edits that collide the stricter holds."""

from __future__ import annotations

import pytest

from edgeface.errors import SiteUnavailableError
from tests.site.people import BY, faces


def at_site(site, name: str):
    return site.people.by_name(name)


def test_somebody_enrolled_at_a_door_is_at_the_site_and_at_other_doors(site, door_of):
    north, south = door_of("north", "staff"), door_of("south", "staff")
    north.tools.enroll("Ada", faces(2), groups=("staff",), card=(1, 2))
    north.sync()
    south.sync()
    ada = at_site(site, "Ada")
    assert (ada.templates, ada.groups, ada.card) == (2, ("staff",), (1, 2))
    assert north.people["Ada"].site_id == south.people["Ada"].site_id == ada.uid
    assert [edit["kind"] for edit in north.told] == ["enrol"] and not south.told


def test_change_photo_and_erasure_at_a_door_reach_the_site(site, door_of):
    north = door_of("north", "staff")
    ada, bob = (site.enrol(name, groups=("staff",)) for name in ("Ada", "Bob"))
    north.sync()
    north.tools.describe("Ada", blocked=True, expires_at="2030-01-31")
    north.tools.enroll("Ada", faces(1, seed=99))
    north.tools.erase("Bob")
    north.sync()
    found = site.people.get(ada.uid)
    assert (found.blocked, found.expires_at, found.templates) == (True, "2030-01-31T00:00:00Z", 2)
    assert at_site(site, "Bob") is None and list(north.people) == ["Ada"]
    assert sorted(edit["kind"] for edit in north.told) == ["change", "erase"]
    assert bob.uid in [edit.get("uid") for edit in north.told]
    north.sync()
    assert len(north.told) == 2


def test_edits_made_while_offline_go_when_the_site_is_back_and_once(site, door_of):
    north = door_of("north", "staff")
    site.enrol("Ada", groups=("staff",))
    north.sync()
    north.offline = True
    north.tools.describe("Ada", blocked=True)
    with pytest.raises(SiteUnavailableError):
        north.replica.send(north.tell)
    north.restart()
    north.offline, north.deaf = False, True
    with pytest.raises(SiteUnavailableError):
        north.replica.send(north.tell)
    north.restart()
    north.deaf = False
    north.sync()
    assert at_site(site, "Ada").blocked
    first, second = north.told
    assert first["edit_id"] == second["edit_id"]
    assert site.count("SELECT count(*) FROM door_edit") == 1


def test_two_edits_that_collide_let_fewer_in_at_both_ends(site, door_of):
    north, south = door_of("north", "staff", "night"), door_of("south", "staff", "night")
    site.enrol("Ada", groups=("staff", "night"), expires_at="2030-06-01T00:00:00Z")
    north.sync()
    south.sync()
    north.tools.describe("Ada", groups=("staff",), expires_at="2029-01-01")
    south.tools.describe("Ada", groups=("night", "staff"), blocked=True, expires_at="2031-01-01")
    for copy in (north, south, north, south):
        copy.sync()
    found = at_site(site, "Ada")
    assert found.blocked and found.expires_at == "2029-01-01T00:00:00Z"
    for copy in (north, south):
        person = copy.people["Ada"]
        assert (person.blocked, person.groups) == (True, found.groups) == (True, ("staff",))
        assert person.expires_at == found.expires_at


def test_answer_that_is_older_than_a_local_block_does_not_undo_it(site, door_of):
    north = door_of("north", "staff")
    ada = site.enrol("Ada", groups=("staff",))
    north.sync()
    site.people.change(ada.uid, {"card": (3, 4)}, by=BY)
    answer = north.ask()
    north.tools.describe("Ada", blocked=True)
    assert not north.replica.take(answer)
    assert north.people["Ada"].blocked
    north.sync()
    assert north.people["Ada"].blocked and north.people["Ada"].card == (3, 4)
    assert at_site(site, "Ada").blocked


def test_enrolment_whose_answer_was_lost_can_be_blocked_meanwhile(site, door_of):
    north = door_of("north", "staff")
    north.sync()
    north.tools.enroll("Ada", faces(1), groups=("staff",))
    north.deaf = True
    with pytest.raises(SiteUnavailableError):
        north.replica.send(north.tell)
    north.deaf = False
    north.tools.describe("Ada", blocked=True)
    north.restart()
    north.sync()
    assert at_site(site, "Ada").blocked and north.people["Ada"].blocked


@pytest.mark.parametrize("arrived", [True, False])
def test_enrolment_whose_answer_was_lost_can_be_erased_meanwhile(site, door_of, arrived):
    north = door_of("north", "staff")
    north.sync()
    north.tools.enroll("Ada", faces(1), groups=("staff",))
    north.deaf, north.offline = arrived, not arrived
    with pytest.raises(SiteUnavailableError):
        north.replica.send(north.tell)
    north.deaf = north.offline = False
    assert (at_site(site, "Ada") is not None) == arrived
    north.tools.erase("Ada")
    north.sync()
    assert at_site(site, "Ada") is None and not north.people
    assert north.tools.holding().site.removed == ()


def test_somebody_erased_while_others_are_sent_does_not_come_to_the_site(site, door_of):
    north = door_of("north", "staff")
    for number, name in enumerate(("Ada", "Bob")):
        north.tools.enroll(name, faces(1, seed=number), groups=("staff",))

    def tell(message):
        if "Bob" in north.people:
            north.tools.erase("Bob")
        return north.tell(message)

    north.replica.send(tell)
    north.sync()
    assert at_site(site, "Bob") is None and list(north.people) == ["Ada"]


def test_somebody_erased_while_their_enrolment_is_on_its_way_is_erased_at_the_site(site, door_of):
    north = door_of("north", "staff")
    north.tools.enroll("Ada", faces(1), groups=("staff",))

    def tell(message):
        answer = north.tell(message)
        if "Ada" in north.people:
            north.tools.erase("Ada")
        return answer

    north.replica.send(tell)
    north.sync()
    assert at_site(site, "Ada") is None and not north.people
    assert north.tools.holding().site.removed == ()


def test_somebody_known_to_both_is_one_person_with_what_lets_fewer_in(site, door_of):
    north = door_of("north", "staff")
    for name, group in (("Ada", "staff"), ("Bob", "guests")):
        site.people.enrol(name, faces(1, seed=len(group)), by=BY, changes={"groups": (group,)})
        north.tools.enroll(name, faces(1, seed=len(group)), groups=("staff",), blocked=True)
    north.sync()
    assert at_site(site, "Ada").blocked and north.people["Ada"].blocked
    assert set(north.people) == {"Ada"}  # Bob is one whom this door may not know


def test_refused_change_is_put_back_to_what_the_site_says(site, door_of):
    north = door_of("north", "staff")
    site.enrol("Ada", groups=("staff",))
    north.sync()
    north.tools.describe("Ada", groups=("staff", "directors"))
    north.sync()
    assert north.people["Ada"].groups == at_site(site, "Ada").groups == ("staff",)


def test_refused_enrolment_stays_at_the_door_and_is_told(site, door_of):
    north = door_of("north", "staff")
    site.enrol("Ada", groups=("guests",))
    north.sync()
    north.tools.enroll("Ada", faces(1, seed=5), groups=("staff",))
    north.sync()
    assert north.people["Ada"].site_id is None
    assert "refused" in north.replica.problems()["edits"]
    told = len(north.told)
    north.sync()
    assert len(north.told) == told


def test_door_that_may_not_edit_gets_the_site_s_word_back(site, door_of):
    north = door_of("north", "staff", local=False)
    site.enrol("Ada", groups=("staff",), blocked=True)
    site.enrol("Bob", groups=("staff",))
    north.sync()
    north.tools.describe("Ada", blocked=False)
    north.tools.remove("Bob")
    north.tools.enroll("Local", faces(1))
    north.sync()
    assert not north.told and at_site(site, "Ada") is not None
    north.restart()
    north.sync()
    assert north.people["Ada"].blocked and set(north.people) == {"Ada", "Bob", "Local"}


def test_door_whose_groups_change_gets_everybody_anew_and_keeps_its_own(site, door_of):
    north = door_of("north", "staff")
    site.enrol("Ada", groups=("staff",))
    site.enrol("Bob", groups=("guests",))
    north.sync()
    north.tools.enroll("Local", faces(1, seed=7), groups=("elsewhere",))
    site.doors.set_groups("north", ("guests",), by=BY)
    north.offline = True
    answer = north.ask()
    with pytest.raises(SiteUnavailableError):
        north.replica.send(north.tell)
    north.replica.revoke(answer)
    assert set(north.people) == {"Local"}
    north.offline = False
    north.sync()
    assert "Bob" in north.people and "Ada" not in north.people


def test_edits_that_do_not_go_through_do_not_hold_a_revocation_back(site, door_of):
    north = door_of("north", "staff")
    ada, bob = (site.enrol(name, groups=("staff",)) for name in ("Ada", "Bob"))
    north.sync()
    north.tools.enroll("Local", faces(1, seed=7))
    north.offline = True
    site.people.change(ada.uid, {"blocked": True}, by=BY)
    site.people.erase(bob.uid, by=BY)
    site.enrol("Eve", groups=("staff",))
    answer = north.ask()
    with pytest.raises(SiteUnavailableError):
        north.replica.send(north.tell)
    north.replica.revoke(answer)
    assert set(north.people) == {"Ada", "Local"} and north.people["Ada"].blocked
    north.offline = False
    north.sync()
    assert set(north.people) >= {"Ada", "Eve"} and at_site(site, "Local") is not None
