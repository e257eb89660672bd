"""What door.toml may say about decisions, and when schedules are open."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.door.event import Subject
from edgeface.door.rules import SETTINGS, Rules
from edgeface.door.rules_schedule import Schedule, local_time, read_schedules
from edgeface.errors import DoorError
from edgeface.schema import KEYWORDS
from edgeface.toml import read_toml
from tests.door.door_world import THRESHOLDS

BERLIN = ZoneInfo("Europe/Berlin")
EXAMPLE = """
[decision]
frames = 2
false_accept_target = 0.0001
time_zone = "Europe/Berlin"
holidays = ["2026-12-25"]
exit_request = "ignored"
[liveness]
policy = "passive+challenge"
threshold = 0.7
[liveness.challenge]
steps = 2
[schedules.office]
days = ["mon", "tue"]
times = ["07:00-12:00", "22:00-06:00"]
[groups.staff]
schedule = "office"
two_people = true
people = ["Ada Lovelace"]
"""


def read(settings, *, live=0.6, thresholds=THRESHOLDS):
    return Rules.from_settings(settings, base=Path(), thresholds=thresholds, live_threshold=live)


def test_door_toml_becomes_rules(tmp_path):
    place = tmp_path / "door.toml"
    place.write_text(EXAMPLE)
    rules = read(read_toml(place))
    assert (rules.frames, rules.of, rules.policy) == (2, 5, "passive+challenge")
    assert (rules.matching.live, rules.matching.lead) == (0.7, 0.05)
    assert rules.zone == BERLIN and not rules.exit_request_opens
    (staff,) = rules.groups_of(Subject("Ada Lovelace"))
    assert staff.two_people and staff.schedule.spans == ((420, 720), (1320, 360))
    assert staff.schedule.closed_on == {date(2026, 12, 25)}


def test_empty_door_toml_lets_nobody_in():
    rules = read({})
    assert rules.policy == "passive" and rules.groups_of(Subject("Ada")) == ()


def test_owner_may_ask_for_more_than_the_bundle_and_not_for_less():
    assert read({"decision": {"lead": 0.0}}).matching.lead == 0.05
    assert read({"decision": {"lead": 0.3}}).matching.lead == 0.3
    assert read({"liveness": {"threshold": 0.1}}).matching.live == 0.6


def test_policy_none_needs_a_word_of_the_owner():
    with pytest.raises(DoorError, match="i_understand = true"):
        read({"liveness": {"policy": "none"}})
    with pytest.raises(DoorError, match="i_understand = true"):
        read({"liveness": {"policy": "none", "i_understand": False}})
    assert read({"liveness": {"policy": "none", "i_understand": True}}).matching.live is None


def test_bundle_without_liveness_is_refused_where_liveness_is_demanded():
    with pytest.raises(DoorError, match="has no liveness stage"):
        read({}, live=None)
    assert read({"liveness": {"policy": "none", "i_understand": True}}, live=None)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"decision": {"frames": 6}}, "decision.frames is 6, decision.of is 5"),
        ({"decision": {"watch_s": 5}}, "decision.watch_s is 5, decision.give_up_s is 5.0"),
        ({"decision": {"framse": 3}}, "decision.framse: there is no such field"),
        ({"decision": {"window_s": float("nan")}}, "decision.window_s: found NaN"),
        ({"decision": {"window_s": float("inf")}}, "decision.window_s: found Infinity"),
        ({"decision": {"frames": True}}, "decision.frames: found true, expected integer"),
        ({"decision": {"time_zone": "Mars/Olympus"}}, "decision.time_zone: .*tzdata"),
        ({"decision": {"time_zone": "../../etc/passwd"}}, "decision.time_zone"),
        ({"decision": {"holidays": ["2026-02-30"]}}, "decision.holidays: .*calendar"),
        ({"decision": {"holidays": [date(2026, 1, 1)]}}, r"decision.holidays\[0\]: .*string"),
        ({"decision": []}, "decision: found .*expected object"),
        ({"liveness": "passive"}, "liveness: found .*expected object"),
        ({"liveness": {"policy": "off"}}, "liveness.policy: found .off., expected one of"),
        ({"liveness": {"policy": "none", "i_understand": 1}}, "i_understand: found 1, expected"),
        ({"schedules": {"always": {}}}, "schedules.always: always is built in"),
        ({"schedules": {"a": {"times": ["7:00-8:00"]}}}, r"schedules.a.times\[0\]: .*text like"),
        ({"schedules": {"a": {"times": ["07:00-07:00"]}}}, "schedules.a.times: .*no length"),
        ({"schedules": {"a": {"days": ["monday"]}}}, r"schedules.a.days\[0\]"),
        ({"groups": {"a": {}}}, r"groups.a: .*the field\(s\) schedule"),
        ({"groups": {"a": {"schedule": "b"}}}, "groups.a.schedule: .*always, never"),
    ],
)
def test_settings_that_cannot_be_are_refused_and_named(settings, text):
    with pytest.raises(DoorError, match=text):
        read(settings)


def test_every_setting_is_described_with_its_default_and_the_schema_is_sound():
    for schema in SETTINGS.values():
        jsonschema.Draft202012Validator.check_schema(schema)
        tables = [schema, schema.get("additionalProperties") or {}]
        for table in tables:
            assert set(table) <= KEYWORDS
            for name, entry in table.get("properties", {}).items():
                assert set(entry) <= KEYWORDS and entry["description"], name


def test_described_defaults_are_those_of_the_rules():
    rules = read({})
    for name, schema in SETTINGS["decision"]["properties"].items():
        default = re.search(r"; ([\d.]+)(: off)?$", schema["description"])
        if default and hasattr(rules, name):
            assert float(default[1]) == getattr(rules, name), name


def at(text, zone=BERLIN):
    return local_time(datetime.fromisoformat(f"{text}+00:00"), zone=zone)


NIGHT = Schedule("night", days=(4,), spans=((22 * 60, 6 * 60),))  # Friday night
WEEK = Schedule("week", days=(0, 1, 2, 3, 4), spans=((7 * 60, 12 * 60), (13 * 60, 19 * 60)))


@pytest.mark.parametrize(
    ("schedule", "utc", "is_open"),
    [
        (WEEK, "2026-06-17T05:00", True),  # 7:00 in Berlin's summer
        (WEEK, "2026-06-17T04:59", False),
        (WEEK, "2026-12-16T06:00", True),  # 7:00 in its winter
        (WEEK, "2026-12-16T05:59", False),
        (WEEK, "2026-06-17T10:00", False),  # noon: the end does not belong to it
        (WEEK, "2026-06-17T09:59", True),
        (WEEK, "2026-06-20T08:00", False),  # Saturday
        (NIGHT, "2026-06-19T20:00", True),  # Friday 22:00
        (NIGHT, "2026-06-20T03:59", True),  # Saturday 5:59
        (NIGHT, "2026-06-20T04:00", False),
        (NIGHT, "2026-06-20T20:00", False),  # Saturday 22:00
        (NIGHT, "2026-06-19T03:00", False),  # Friday 5:00 belongs to Thursday
    ],
)
def test_schedule_is_open_by_the_local_clock(schedule, utc, is_open):
    assert schedule.is_open(at(utc)) is is_open


def test_schedule_through_both_clock_changes():
    night = Schedule("night", days=tuple(range(7)), spans=((90, 150),))  # 1:30 to 2:30
    spring = [at(f"2026-03-29T00:{m:02}") for m in (29, 30, 59)] + [at("2026-03-29T01:00")]
    assert [night.is_open(t) for t in spring] == [False, True, True, False]  # 2:00 is 3:00
    autumn = [at(f"2026-10-2{t}") for t in ("4T23:30", "5T00:15", "5T01:15", "5T01:30")]
    assert [night.is_open(t) for t in autumn] == [True, True, True, False]  # 2:15 twice


def test_holiday_closes_spans_that_begin_on_it():
    holidays = frozenset({date(2026, 6, 19)})
    tables = {"shut": {"times": ["22:00-06:00"]}, "usual": {"holidays": "as_usual"}}
    found = read_schedules(tables, holidays=holidays)
    shut, usual = found["shut"], found["usual"]
    assert shut.is_open(at("2026-06-19T03:00"))  # began the day before
    assert not shut.is_open(at("2026-06-19T21:00")) and not shut.is_open(at("2026-06-20T03:00"))
    assert usual.is_open(at("2026-06-19T12:00"))
    assert found["always"].is_open(at("2026-06-19T12:00"))
    assert not found["never"].is_open(at("2026-06-19T12:00"))


MINUTES = st.integers(0, 24 * 60 - 1)


@settings(max_examples=200, deadline=None)
@given(
    first=MINUTES,
    last=MINUTES,
    days=st.sets(st.integers(0, 6), min_size=1),
    when=st.datetimes(datetime(2021, 1, 1), datetime(2030, 1, 1)),
)
def test_span_agrees_with_walking_through_its_minutes(first, last, days, when):
    when = when.replace(second=0, microsecond=0)
    if first == last:
        last = (first + 1) % (24 * 60) or 1
    if first == last:
        return
    schedule = Schedule("s", days=tuple(sorted(days)), spans=((first, last),))
    length = (last - first) % (24 * 60)
    begins = [
        datetime.combine(when.date() - timedelta(days=back), datetime.min.time())
        + timedelta(minutes=first)
        for back in (0, 1)
    ]
    expected = any(
        begin.weekday() in days and begin <= when < begin + timedelta(minutes=length)
        for begin in begins
    )
    assert schedule.is_open(when) is expected


@pytest.mark.parametrize(
    "utc",
    [
        None,
        datetime(2026, 1, 1),
        datetime(1970, 1, 1, tzinfo=timezone.utc),
        datetime.max.replace(tzinfo=timezone.utc),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    ],
)
def test_clock_that_cannot_be_believed_gives_no_local_time(utc):
    assert local_time(utc, zone=ZoneInfo("Pacific/Kiritimati")) is None


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-9, 99), st.floats(), st.text("ab07:-", max_size=12),
        st.sampled_from(["always", "passive", "07:00-08:00", "mon", "2026-01-01", "UTC"]),
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["frames", "policy", "times", "schedule", "people", "a", "days", "x y"]),
        inner,
        max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(SETTINGS)), JSON))
def test_any_settings_are_rules_or_a_door_error(tables):
    try:
        assert isinstance(read(tables), Rules)
    except DoorError as error:
        assert json.dumps(str(error))
