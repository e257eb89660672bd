"""Somebody recognised is let in when, and as often as, the door's rules say: scenarios in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from edgeface.door.event import DoorContact, Duress, ExitRequest, PeopleChanged, Reason, Subject
from edgeface.door.rules import Group
from edgeface.door.rules_schedule import ALWAYS, NEVER, Schedule
from tests.door.door_world import ADA, BOB, NOON, World, alarms, decision, decisions, opened, rules

OFFICE = Schedule("office", days=(0, 1, 2, 3, 4), spans=((7 * 60, 19 * 60),))
VAULT = {
    "staff": Group("staff", ALWAYS),
    "vault": Group("vault", ALWAYS, two_people=True),
    "safe": Group("safe", ALWAYS, two_people=True),
}
EVE = Subject("Eve", groups=("vault",))
MAX = Subject("Max", groups=("vault",))
ZOE = Subject("Zoe", groups=("safe",))


def visit(world, person, *, track, **fields):
    """One person comes, looks, and is gone."""
    outputs = world.frames(3, person, track=track, **fields)
    return [*outputs, *world.wait(2)]


def test_group_opens_within_its_schedule_only():
    world = World(rules=rules(groups={"staff": Group("staff", OFFICE)}))
    assert opened(visit(world, "Ada", track=1))
    world.set_clock(NOON + timedelta(hours=9))
    found = decision(visit(world, "Ada", track=2))
    assert (found.opens, found.reason, found.detail) == (False, Reason.SCHEDULE, "office")
    assert found.person == "Ada" and found.card is None
    world.set_clock(None)
    assert decision(visit(world, "Ada", track=3)).reason is Reason.CLOCK_UNSURE


def test_one_open_group_of_several_suffices():
    groups = {"day": Group("day", OFFICE), "night": Group("night", ALWAYS)}
    world = World(replace(ADA, groups=("day", "night")), rules=rules(groups=groups), utc=None)
    assert opened(visit(world, "Ada", track=1))


def test_person_without_a_group_needs_the_default_group():
    lost = Subject("Ada", groups=("unheard of",))
    world = World(lost)
    found = decision(visit(world, "Ada", track=1))
    assert (found.reason, found.detail) == (Reason.SCHEDULE, "in no group of door.toml")
    world = World(lost, rules=rules(groups={"default": Group("default", ALWAYS)}))
    assert opened(visit(world, "Ada", track=1))
    # Who has a group does not have the default one as well.
    groups = {"default": Group("default", ALWAYS), "staff": Group("staff", NEVER)}
    assert not opened(visit(World(ADA, rules=rules(groups=groups)), "Ada", track=1))


def test_group_names_its_members_in_door_toml():
    groups = {"boss": Group("boss", ALWAYS, people=frozenset({"Ada"}))}
    world = World(Subject("Ada"), Subject("Bob"), rules=rules(groups=groups))
    assert opened(visit(world, "Ada", track=1))
    assert not opened(visit(world, "Bob", track=2))


def test_expiry_date_and_clock():
    tomorrow = NOON + timedelta(days=1)
    for expires_at, utc, reason in [
        (tomorrow, NOON, Reason.RECOGNISED),
        (NOON, NOON, Reason.EXPIRED),
        (NOON - timedelta(days=9), NOON, Reason.EXPIRED),
        (tomorrow.replace(tzinfo=None), NOON, Reason.EXPIRED),
        (tomorrow, None, Reason.CLOCK_UNSURE),
        (tomorrow, datetime(1970, 1, 2, tzinfo=timezone.utc), Reason.CLOCK_UNSURE),
        (tomorrow, NOON.replace(tzinfo=None), Reason.CLOCK_UNSURE),
        (None, None, Reason.RECOGNISED),
    ]:
        world = World(replace(ADA, expires_at=expires_at), utc=utc)
        assert decision(world.frames(3)).reason is reason


def test_blocked_person_is_refused_with_an_alarm():
    world = World(replace(ADA, blocked=True), BOB)
    outputs = visit(world, "Ada", track=1)
    assert decision(outputs).reason is Reason.BLOCKED
    assert alarms(outputs) == [("blocked", True)]


def test_cool_down_is_for_the_same_person_only():
    world = World(rules=rules(cool_down_s=10.0))
    assert opened(visit(world, "Ada", track=1))
    assert decision(visit(world, "Ada", track=2)).reason is Reason.COOL_DOWN
    assert opened(visit(world, "Bob", track=3))
    world.wait(10)
    assert opened(visit(world, "Ada", track=4))


def test_somebody_who_waits_through_the_cool_down_is_let_in():
    world = World(rules=rules(cool_down_s=5.0))
    visit(world, "Ada", track=1)
    found = decisions(world.frames(60, "Ada", track=2))
    assert [f.reason for f in found] == [Reason.COOL_DOWN, Reason.RECOGNISED]


def test_whoever_is_inside_is_not_let_in_again_until_somebody_left():
    world = World(rules=rules(anti_passback_s=3600.0))
    visit(world, "Ada", track=1)
    world.wait(60)
    assert decision(visit(world, "Ada", track=2)).reason is Reason.ANTI_PASSBACK
    world.send(ExitRequest(world.moment()))
    assert opened(visit(world, "Ada", track=3))
    world.wait(3600)
    assert opened(visit(world, "Ada", track=4))


def test_whoever_did_not_go_through_the_door_is_not_inside():
    world = World(rules=rules(anti_passback_s=3600.0))
    world.send(DoorContact(world.moment(), False))
    visit(world, "Ada", track=1)
    world.wait(10)
    assert opened(visit(world, "Ada", track=2))
    world.send(DoorContact(world.moment(), True))
    world.send(DoorContact(world.moment(), False))
    world.wait(10)
    assert decision(visit(world, "Ada", track=3)).reason is Reason.ANTI_PASSBACK


def test_openings_a_minute_are_limited():
    people = tuple(Subject(f"P{i}", groups=("staff",)) for i in range(6))
    world = World(*people, rules=rules(openings_per_minute=4))
    for i in range(4):
        assert opened(visit(world, f"P{i}", track=i, score=0.99))
    assert decision(visit(world, "P4", track=4, score=0.99)).reason is Reason.RATE_LIMIT
    world.wait(60)
    assert opened(visit(world, "P5", track=5, score=0.99))


def test_strangers_lock_the_door_for_a_time():
    world = World(rules=rules(lock_out_visits=3, lock_out_s=30.0))
    assert not alarms(visit(world, None, track=0))
    assert not alarms(visit(world, "Ada", track=1, live=0.1))
    assert alarms(world.frames(3, "Ada", track=2, live=0.1)) == [("locked_out", True)]
    assert decision(visit(world, "Ada", track=3)).reason is Reason.LOCKED_OUT
    world.send(ExitRequest(world.moment()))
    assert world.outputs[-1].opens
    assert ("locked_out", False) in alarms(world.wait(30))
    assert opened(visit(world, "Ada", track=4))


def test_one_stranger_who_stays_counts_once():
    world = World(rules=rules(lock_out_visits=2))
    assert len(decisions(world.frames(300, None, score=None, lead=None))) == 5
    assert not alarms(world.outputs)


def test_visits_long_ago_do_not_lock_out():
    world = World(rules=rules(lock_out_visits=2, lock_out_window_s=60.0))
    visit(world, "Ada", track=1, live=0.1)
    world.wait(60)
    assert not alarms(visit(world, "Ada", track=2, live=0.1))


def test_two_person_rule_opens_for_two_different_members_one_after_the_other():
    world = World(EVE, MAX, ZOE, rules=rules(groups=VAULT))
    found = decision(visit(world, "Eve", track=1))
    assert (found.opens, found.reason, found.detail) == (
        False,
        Reason.SECOND_PERSON_MISSING,
        "vault",
    )
    found = decision(visit(world, "Max", track=2))
    assert (found.opens, found.reason) == (True, Reason.TWO_PEOPLE)
    assert (found.person, found.with_person) == ("Max", "Eve")


def test_two_person_rule_is_not_met_by_one_by_strangers_to_the_group_or_too_late():
    for second, wait in (("Eve", 0), ("Zoe", 0), ("Ada", 0), ("Max", 20)):
        world = World(EVE, MAX, ZOE, replace(ADA, blocked=True), rules=rules(groups=VAULT))
        visit(world, "Eve", track=1)
        world.wait(wait)
        assert not opened(visit(world, second, track=2))


def test_first_of_two_people_who_is_blocked_meanwhile_does_not_count():
    world = World(EVE, MAX, rules=rules(groups=VAULT))
    visit(world, "Eve", track=1)
    world.send(PeopleChanged(world.moment(), (replace(EVE, blocked=True), MAX)))
    assert decision(visit(world, "Max", track=2)).reason is Reason.SECOND_PERSON_MISSING


def test_member_of_a_two_person_group_never_opens_alone():
    both = replace(EVE, groups=("staff", "vault"))
    world = World(both, MAX, rules=rules(groups=VAULT))
    assert decision(visit(world, "Eve", track=1)).reason is Reason.SECOND_PERSON_MISSING


def test_duress_opens_as_usual_and_tells_others():
    quiet, forced = World(), World()
    assert alarms(forced.send(Duress(forced.moment()))) == [("duress", True)]
    expected, outputs = quiet.frames(3), forced.frames(3)
    assert decision(outputs) == decision(expected)
    assert alarms(outputs) == [("duress", True)] and outputs[-1].person == "Ada"


def test_duress_after_an_opening_names_who_was_let_in():
    world = World()
    world.frames(3)
    (alarm,) = world.send(Duress(world.moment()))
    assert (alarm.kind, alarm.person) == ("duress", "Ada")


def test_blocked_bob_does_not_keep_ada_out():
    world = World(ADA, replace(BOB, blocked=True))
    visit(world, "Bob", track=1)
    assert opened(visit(world, "Ada", track=2))
