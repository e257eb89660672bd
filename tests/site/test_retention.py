"""What is kept for how long: set by the owner, let go of by a chore, with receipts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from edgeface.errors import SiteError, UnknownEntryError
from edgeface.site.retention import Keeping, Retention
from tests.site.people import BY


def ago(days: float) -> str:
    return f"{datetime.now(timezone.utc) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def test_things_are_not_kept_for_ever_unless_somebody_says_so(site):
    retention = Retention(site.database)
    assert retention.get() == Keeping(events_days=90, expired_days=30, changes_days=365)
    retention.put(Keeping(None, None, None), by=BY)
    assert retention.get() == Keeping(None, None, None)


@pytest.mark.parametrize("wrong", [Keeping(0), Keeping(expired_days=-1), Keeping(changes_days=0)])
def test_days_that_cannot_be_are_refused(site, wrong):
    with pytest.raises(SiteError, match="days is"):
        Retention(site.database).put(wrong, by=BY)


def test_expired_people_are_erased_when_their_time_is_over_and_not_before(site):
    old = site.enrol("old", expires_at=ago(31))
    new = site.enrol("new", expires_at=ago(29))
    site.enrol("never")
    gone = Retention(site.database).run()
    assert gone.people == (old.uid,) and len(site.people) == 2
    assert [receipt.by for receipt in site.people.receipts()] == ["site:retention"]
    with pytest.raises(UnknownEntryError):
        site.people.get(old.uid)
    retention = Retention(site.database)
    retention.put(Keeping(expired_days=0), by=BY)
    assert retention.run().people == (new.uid,)
    assert retention.run().people == ()


def test_events_are_forgotten_by_whoever_has_them(site):
    asked: list[datetime] = []

    def forget(before: datetime) -> int:
        asked.append(before)
        return 7

    retention = Retention(site.database, forget_events=forget)
    assert retention.run().events == 7
    assert abs((datetime.now(timezone.utc) - asked[0]) - timedelta(days=90)) < timedelta(minutes=1)
    retention.put(Keeping(events_days=None), by=BY)
    assert retention.run().events == 0 and len(asked) == 1


def test_notes_of_changes_go_and_fields_still_know_when_they_were_set(site):
    ada = site.enrol("Ada", groups=["staff"])
    site.people.change(ada.uid, {"blocked": True}, by=BY)
    with site.database.transaction() as connection:
        connection.execute("UPDATE person_change SET at = %s", (ago(400),))
    assert Retention(site.database).run().changes == 2
    late = site.people.change(ada.uid, {"blocked": False}, by=BY, base=ada.version)
    assert late.conflicts == ("blocked",) and late.entry.blocked


def test_departures_are_kept_until_every_door_knows(site):
    front, slow = site.door("front", "staff"), site.door("slow", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    for door in (front, slow):
        door.ask()
        door.ask()
    site.people.change(ada.uid, {"groups": ["lab"]}, by=BY)
    front.ask()
    front.ask()
    Retention(site.database).run()
    slow.ask()
    assert slow.names == [] and site.count("SELECT count(*) FROM departure") == 1
    slow.ask()
    Retention(site.database).run()
    assert site.count("SELECT count(*) FROM departure") == 0


def test_door_put_back_to_an_older_copy_of_itself_learns_everybody_anew(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    front.ask()
    front.ask()
    epoch, after, people = front.epoch, front.after, dict(front.people)
    site.people.erase(ada.uid, by=BY)
    front.ask()
    front.ask()
    Retention(site.database).run()
    front.epoch, front.after, front.people = epoch, after, people
    assert front.ask()["whole"] and front.names == []
    assert not front.ask()["whole"]
