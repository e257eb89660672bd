"""The site's events: each line once, the chain checked as it comes, and nothing odd goes unsaid."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from edgeface.door.audit import Limits
from edgeface.site.events import CHANNEL
from tests.door.audit_logs import BEGAN, KEY, denial, open_log, opening
from tests.site.door_logs import ADA, arrivals, noticed, write_log

LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)


def resigned(arrival, **changes):
    """A line that somebody else wrote: whole in itself, with other words in it."""
    from edgeface.door.audit_entry import chained, digest, encode

    entry = {**json.loads(arrival.line), **changes}
    entry["hash"] = chained(entry["prev"], digest(entry))
    return replace(arrival, line=encode(entry))


def test_lines_are_kept_byte_for_byte_and_whose_they_are_is_known(events, sent):
    assert all(events.receive_all(sent))
    page = events.find(door="north", kind="decision", limit=1000)
    assert len(page.events) == 9 and page.next is None
    newest = page.events[0]
    assert (newest.reason, newest.opened, newest.person) == ("unknown", False, None)
    assert (page.events[1].person, page.events[1].entry["clock"]) == (ADA, "unsure")
    assert events.received("north") == {sent[0].log_id: len(sent)}
    assert json.dumps(newest.message())


def test_the_same_lines_again_are_none(events, sent):
    events.receive_all(sent)
    assert not any(events.receive_all(sent))
    assert len(events.find(limit=1000).events) == len(sent)


def test_lines_in_any_order_make_the_same_log(events, sent):
    mixed = random.Random(3).sample(sent, len(sent))
    for arrival in mixed:
        events.receive_all([arrival])
    assert events.received("north") == {sent[0].log_id: len(sent)}
    assert events.verify("north", {KEY.id: KEY.public}).whole


def test_line_that_is_missing_is_waited_for(events, sent):
    events.receive_all(sent[:3] + sent[4:])
    assert events.received("north") == {sent[0].log_id: 3}
    events.receive_all([sent[3]])
    assert events.received("north") == {sent[0].log_id: len(sent)}
    assert not noticed(events, "gap")


def test_lines_that_the_door_has_no_more_are_a_gap_that_is_said(events, sent):
    events.receive_all(sent[:3])
    events.receive_all([replace(sent[7], missing_from=4), *sent[8:]])
    assert events.received("north") == {sent[0].log_id: len(sent)}
    assert noticed(events, "gap") == [
        "entries 4 to 7 were deleted at the door before they were sent"
    ]
    report = events.verify("north")
    assert not report.whole
    assert "entries 4 to 7 are missing" in report.logs[0].report.problems[0]


def test_line_that_comes_after_all_is_kept(events, sent):
    events.receive_all([*sent[:3], replace(sent[7], missing_from=4), *sent[8:]])
    assert all(events.receive_all(sent[3:7]))
    assert events.verify("north").logs[0].report.whole


def test_line_that_does_not_follow_is_noticed_and_kept(events, sent):
    events.receive_all([*sent[:5], resigned(sent[5], detail="another"), *sent[6:]])
    assert noticed(events, "chain_broken") == [
        "entry 7 does not follow entry 6: one of them was replaced"
    ]
    assert len(events.find(limit=1000).events) == len(sent) + 1
    assert not events.verify("north").whole


def test_another_line_of_the_same_number_is_noticed_with_what_it_says(events, sent):
    events.receive_all(sent)
    other = resigned(sent[4], detail="another")
    assert not any(events.receive_all([other, other]))
    (broken,) = events.find(kind="chain_broken").events
    assert "entry 5 came again and is another one" in broken.detail
    with events._database.transaction() as connection:
        query = "SELECT line FROM event WHERE id = %s"
        assert connection.execute(query, (broken.id,)).fetchone() == (other.line.decode(),)


@pytest.mark.parametrize("line", [b"", b"{}", b"\xff\x00", b"[" * 9000])
def test_what_is_no_line_is_noticed_once_and_changes_nothing(events, sent, line):
    events.receive_all(sent[:2])
    for _ in range(2):
        assert not events.receive("north", line, log=sent[0].log_id)
    assert len(noticed(events, "unreadable")) == 1
    assert events.received("north") == {sent[0].log_id: 2}


def test_line_that_was_changed_on_the_way_is_no_line(events, sent):
    changed = sent[3].line.replace(b'"door":"north"', b'"door":"south"')
    assert not events.receive("north", changed, log=sent[0].log_id)
    assert "its hash does not belong to it" in noticed(events, "unreadable")[0]


@pytest.mark.parametrize("utc", ["2026-02-31", "0000-01-01", "0001-01-01", "2026-13-01"])
def test_line_of_a_day_that_there_is_not_is_no_line_and_others_are_taken(events, sent, utc):
    strange = resigned(sent[3], utc=f"{utc}T00:00:00.000Z")
    assert events.receive_all([*sent[:3], strange]) == (True, True, True, False)
    assert f"utc is {utc}" in noticed(events, "unreadable")[0]
    assert all(events.receive_all(sent[3:])), "the door's own line is taken yet"


def test_new_log_of_a_door_is_noticed(events, sent, tmp_path):
    events.receive_all(sent)
    second = arrivals(write_log(tmp_path / "second", visits=2))
    events.receive_all(second)
    assert events.received("north") == {sent[0].log_id: len(sent), second[0].log_id: len(second)}
    assert "began a new log" in noticed(events, "new_log")[0]


def test_log_that_calls_the_door_otherwise_is_noticed(events, tmp_path):
    events.receive_all(arrivals(write_log(tmp_path, visits=1, door="south"), door="north"))
    assert noticed(events, "chain_broken") == [
        "its log calls the door 'south', and 'north' sent it"
    ]


def test_what_was_forgotten_does_not_come_back_and_the_rest_is_still_whole(events, sent):
    events.receive_all(sent[:10])
    with events._database.transaction() as connection:
        query = "UPDATE event SET received_at = received_at - interval '9 days' WHERE seq <= 6"
        connection.execute(query)
    assert events.forget(datetime.now(timezone.utc) - timedelta(days=7)) == 6
    assert events.forget(datetime.now(timezone.utc) - timedelta(days=7)) == 0
    assert not any(events.receive_all(sent[:6]))
    events.receive_all(sent[10:])
    events.trust("north", KEY.public_pem)
    report = events.verify("north")
    assert report.whole and report.logs[0].report.first_seq == 7
    assert any("entries 1 to 6 were here" in note for note in report.logs[0].report.notes)
    with events._database.transaction() as connection:
        connection.execute("DELETE FROM event WHERE seq = 7")
    assert not events.verify("north").whole


def test_nothing_is_forgotten_beyond_a_line_that_is_awaited(events, sent):
    events.receive_all(sent[:3] + sent[4:])
    assert events.forget(datetime.now(timezone.utc) + timedelta(days=1)) == 3
    events.receive_all([sent[3]])
    assert events.verify("north").logs[0].report.whole


def test_finding_by_everything_that_can_be_asked(events, sent, tmp_path):
    events.receive_all(sent)
    south = write_log(tmp_path / "south", visits=6, door="south")
    events.receive_all(arrivals(south, door="south"))
    assert {e.door for e in events.find(door="south", limit=100).events} == {"south"}
    assert len(events.find(person=ADA).events) == 10
    assert {e.reason for e in events.find(reason="unknown").events} == {"unknown"}
    assert len(events.find(opened=True).events) == 10
    assert not events.find(until=LONG_AGO).events
    assert len(events.find(since=LONG_AGO, kind="decision", limit=100).events) == 15


def test_pages_follow_one_another_without_a_gap_or_a_repetition(events, sent):
    events.receive_all(sent)
    found, before = [], None
    while True:
        page = events.find(limit=4, before=before)
        found += [event.id for event in page.events]
        before = page.next
        if before is None:
            break
    assert len(found) == len(set(found)) == len(sent)


def test_who_follows_by_arrival_sees_each_event_once(events, sent):
    at = events.newest()
    events.receive_all(sent[:5])
    first = events.arrived(at)
    events.receive_all(sent[5:])
    second = events.arrived(first[-1].id)
    assert [event.seq for event in (*first, *second)] == list(range(1, len(sent) + 1))


def test_counts_and_scores_are_of_the_time_that_is_asked_for(events, sent):
    events.receive_all(sent)
    assert (events.counts(LONG_AGO)["north"].opened, events.counts(LONG_AGO)["north"].denied) == (
        6,
        3,
    )
    assert not events.counts(datetime.now(timezone.utc) + timedelta(days=1))
    scores = events.scores(LONG_AGO)
    assert np.allclose(scores["recognised"], 0.6123) and len(scores["recognised"]) == 6
    assert not events.scores(LONG_AGO, door="south")


def test_event_from_a_door_whose_clock_is_ahead_happened_when_it_came(events, tmp_path):
    with open_log(tmp_path / "log") as log:  # of 2030
        log.write(opening())
    events.receive_all(arrivals(tmp_path / "log"))
    (event,) = events.find(kind="decision").events
    assert event.happened == event.received_at < BEGAN
    assert event.message()["at"].startswith("2030")


def test_who_listens_is_told_that_something_came(events, sent):
    import psycopg

    with psycopg.connect(events._database.conninfo, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        events.receive_all(sent)
        (told,) = listener.notifies(timeout=5, stop_after=1)
    assert told.payload == "north"


def test_log_over_several_files_is_one(events, tmp_path):
    folder = write_log(tmp_path / "log", visits=60, limits=Limits(rotate_mib=0.01))
    events.receive_all(arrivals(folder))
    assert len(list(folder.glob("audit-*"))) > 2
    assert events.verify("north", {KEY.id: KEY.public}).whole


def test_denial_without_a_score_counts_and_has_none(events, tmp_path):
    with open_log(tmp_path / "log") as log:
        log.write(denial())
    events.receive_all(arrivals(tmp_path / "log"))
    assert events.counts(LONG_AGO)["north"].denied == 1
    assert not events.scores(LONG_AGO)
