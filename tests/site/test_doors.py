"""The site's doors and rules: who may ask, what doors would not take is not kept."""

from __future__ import annotations

import time

import pytest

from edgeface.errors import SiteConflictError, SiteError, SiteForbiddenError, UnknownEntryError
from edgeface.site.watch import Watch
from tests.site.people import ALWAYS, BY

STATUS = {
    "edgeface": "1",
    "bundle": "b",
    "model_id": "m",
    "config": "c",
    "rules": None,
    "people": 3,
    "clock": "synchronised",
    "faults": {},
}


def test_token_says_which_door_it_is_until_it_is_renewed_or_the_door_removed(site):
    token, other = (site.doors.add(name, groups=["staff"], by=BY) for name in ("front", "Back-1"))
    assert site.doors.authenticate(token) == "front" and token != other
    new = site.doors.renew_token("front", by=BY)
    assert site.doors.authenticate(new) == "front"
    site.doors.remove("Back-1", by=BY)
    for void in (token, other, "", "efdoor_", "\0", "é"):
        with pytest.raises(SiteForbiddenError):
            site.doors.authenticate(void)
    with site.database.transaction() as connection:
        assert new not in repr(connection.execute("SELECT * FROM door").fetchall())


@pytest.mark.parametrize(
    ("name", "groups"),
    [("a/b", ["staff"]), ("", ["staff"]), ("a", []), ("a", ["Staff!"]), ("a", ["nobody"])],
)
def test_what_is_no_door_is_refused(site, name, groups):
    with pytest.raises(SiteError):
        site.doors.add(name, groups=groups, by=BY)
    assert site.doors.all() == ()


def test_door_is_there_once_and_an_unknown_one_is_an_error(site):
    site.doors.add("front", groups=["staff"], by=BY)
    with pytest.raises(SiteConflictError):
        site.doors.add("front", groups=["lab"], by=BY)
    assert [door.groups for door in site.doors.all()] == [("staff",)]
    for ask in (
        lambda: site.doors.get("x"),
        lambda: site.doors.remove("x", by=BY),
        lambda: site.doors.renew_token("x", by=BY),
        lambda: site.doors.set_groups("x", ["staff"], by=BY),
        lambda: site.doors.report("x", STATUS),
        lambda: site.doors.ask_live("x", minutes=1, reason="why", by=BY),
        lambda: site.doors.live_until("x"),
        lambda: site.rules.of_door("x"),
    ):
        with pytest.raises(UnknownEntryError):
            ask()


def test_status_is_kept_as_told_and_a_strange_one_is_refused(site):
    site.doors.add("front", groups=["staff"], by=BY)
    site.doors.report("front", STATUS)
    entry = site.doors.get("front")
    assert entry.status == STATUS and entry.seen_at
    with pytest.raises(SiteError, match="people"):
        site.doors.report("front", {**STATUS, "people": -1})


def test_live_picture_is_asked_for_with_a_reason_and_for_a_time(site):
    front = site.door("front", "staff")
    assert front.ask()["live_until"] is None and site.doors.live_until("front") is None
    with pytest.raises(SiteError, match="why"):
        site.doors.ask_live("front", minutes=5, reason=" ", by=BY)
    with pytest.raises(SiteError, match="60"):
        site.doors.ask_live("front", minutes=61, reason="alarm", by=BY)
    site.doors.ask_live("front", minutes=5, reason="alarm", by=BY)
    assert front.ask()["live_until"] == f"{site.doors.live_until('front'):%Y-%m-%dT%H:%M:%SZ}"
    assert site.doors.get("front").live_by == BY
    site.doors.ask_live("front", minutes=0, reason="over", by=BY)
    assert front.ask()["live_until"] is None and site.doors.live_until("front") is None


def test_rules_come_back_as_put_and_a_door_gets_what_its_groups_need(site):
    site.rules.put_schedule("day", {"times": ["07:00-18:00"]}, by=BY)
    site.rules.put_schedule("night", {"times": ["22:00-06:00"]}, by=BY)
    site.rules.put_group("staff", {"schedule": "day"}, by=BY)
    site.rules.put_group("guards", {"schedule": "night", "two_people": True}, by=BY)
    site.doors.add("front", groups=["staff"], by=BY)
    assert set(site.rules.schedules()) == {"day", "night"}
    assert site.rules.groups()["guards"]["two_people"]
    assert site.rules.of_door("front")[1] == {
        "schedules": {"day": {"times": ["07:00-18:00"]}},
        "groups": {"staff": {"schedule": "day"}},
        "decision": {},
    }


@pytest.mark.parametrize(
    ("put", "arguments", "text"),
    [
        ("put_schedule", ("always", {}), "built in"),
        ("put_schedule", ("day", {"times": ["07:00-07:00"]}), "no length"),
        ("put_schedule", ("Day!", {}), "Day!"),
        ("put_schedule", ("day", {"times": ["7-8"]}), "times"),
        ("put_group", ("staff", {"schedule": "unknown"}), "expected one of"),
        ("put_group", ("staff", {}), "schedule"),
        ("put_group", ("staff", {**ALWAYS, "people": ["Ada"]}), "record"),
        ("put_group", ("nobody", ALWAYS), "nobody"),
        ("put_decision", ({"frames": 9, "of": 5},), "frames"),
        ("put_decision", ({"time_zone": "Mars/Base"},), "time_zone"),
        ("put_decision", ({"holidays": ["2026-13-01"]},), "holidays"),
        ("put_decision", ({"open": True},), "open"),
    ],
)
def test_rules_that_a_door_would_not_take_are_refused(site, put, arguments, text):
    with pytest.raises(SiteError, match=text):
        getattr(site.rules, put)(*arguments, by=BY)
    assert not (site.rules.schedules() or site.rules.groups() or site.rules.decision())
    assert site.count("SELECT version FROM site_version") == 0


def test_what_others_use_is_not_taken_away(site):
    site.rules.put_schedule("day", {}, by=BY)
    site.rules.put_group("staff", {"schedule": "day"}, by=BY)
    site.doors.add("front", groups=["staff"], by=BY)
    with pytest.raises(SiteConflictError, match="staff"):
        site.rules.remove_schedule("day", by=BY)
    with pytest.raises(SiteConflictError, match="front"):
        site.rules.remove_group("staff", by=BY)
    site.doors.remove("front", by=BY)
    site.rules.remove_group("staff", by=BY)
    site.rules.remove_schedule("day", by=BY)
    with pytest.raises(UnknownEntryError):
        site.rules.remove_schedule("day", by=BY)


def test_who_waits_is_woken_by_what_was_asked_for_and_by_nothing_else(site):
    with Watch(site.database) as watch:
        assert watch.ready()
        heard: list[str] = []
        end = watch.listen(heard.append)
        mark = watch.wait(["people"], after=None, timeout_s=5)
        site.rules.put_group("staff", ALWAYS, by=BY)
        assert watch.wait(["people"], after=mark, timeout_s=0.3) == mark
        assert watch.wait(["people", "rules"], after=mark, timeout_s=5) > mark
        site.enrol("Ada")
        assert watch.wait(["people"], after=mark, timeout_s=5) > mark
        end()
        site.enrol("Bob")
        assert heard == ["rules", "people"]


def test_change_that_is_undone_wakes_nobody(site):
    site.enrol("Ada", card=(1, 2))
    with Watch(site.database) as watch:
        assert watch.ready()
        mark = watch.mark
        with pytest.raises(SiteConflictError):
            site.enrol("Bob", card=(1, 2))
        assert watch.wait(["people"], after=mark, timeout_s=0.3) == mark


def test_watch_listens_again_after_its_connection_died_and_wakes_everybody(site):
    with Watch(site.database) as watch:
        assert watch.ready()
        mark = watch.mark
        with site.database.transaction() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
            )
        began = time.perf_counter()
        again = watch.wait(["people"], after=mark, timeout_s=10)
        assert again > mark and time.perf_counter() - began < 9
        site.enrol("Ada")
        assert watch.wait(["people"], after=again, timeout_s=5) > again


def test_closing_the_watch_ends_everybodys_waiting(site):
    watch = Watch(site.database)
    assert watch.ready()
    watch.close()
    began = time.perf_counter()
    watch.wait(["people"], after=watch.mark, timeout_s=30)
    assert time.perf_counter() - began < 5
