"""Random doors: their rules and their people."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from edgeface.door.event import Card, Subject
from edgeface.door.rules import Group, Matching, Rules
from edgeface.door.rules_schedule import ALWAYS, NEVER, Schedule

MIDNIGHT = datetime(2026, 10, 24, tzinfo=timezone.utc)  # the night in which summer time ends
_HOLIDAY = frozenset({date(2026, 10, 26)})
_DAY = Schedule("day", days=(0, 1, 2, 3, 4, 5), spans=((360, 1200),), closed_on=_HOLIDAY)
_NIGHT = Schedule("night", days=(4, 5, 6), spans=((22 * 60, 150),))
GROUPS = {
    "staff": Group("staff", ALWAYS),
    "day": Group("day", _DAY),
    "night": Group("night", _NIGHT),
    "never": Group("never", NEVER),
    "vault": Group("vault", ALWAYS, two_people=True),
    "safe": Group("safe", _DAY, two_people=True),
    "list": Group("list", ALWAYS, people=frozenset({"P0", "P9"})),
}


def random_rules(rng: random.Random) -> Rules:
    """Return rules that bind often."""
    frames = rng.randint(1, 4)
    policy = rng.choices(["passive", "passive+challenge", "none"], weights=[6, 3, 1])[0]
    groups = dict(GROUPS)
    if rng.random() < 0.3:
        groups["default"] = Group("default", rng.choice([ALWAYS, _DAY]))
    return Rules(
        matching=Matching(
            by_far=((0.1, 0.2), (0.01, 0.3), (0.001, 0.4), (0.0001, 0.45)),
            least_cosine=0.4,
            lead=rng.choice([0.0, 0.05, 0.1]),
            live=None if policy == "none" else 0.6,
            false_accept_target=rng.choice([0.001, 0.01]),
        ),
        policy=policy,
        groups=groups,
        zone=ZoneInfo("Europe/Berlin"),
        frames=frames,
        of=frames + rng.randint(0, 3),
        window_s=rng.choice([0.5, 1.0, 3.0]),
        watch_s=rng.choice([0.0, 0.0, 0.3, 0.9]),
        give_up_s=rng.choice([1.0, 2.0, 5.0]),
        gone_after_s=rng.choice([0.5, 1.5]),
        challenge_s=rng.choice([3.0, 10.0]),
        retry_s=rng.choice([0.5, 2.0]),
        attempts=rng.randint(1, 4),
        cool_down_s=rng.choice([0.0, 5.0, 20.0]),
        anti_passback_s=rng.choice([0.0, 0.0, 60.0, 600.0]),
        openings_per_minute=rng.choice([1, 2, 4, 20]),
        lock_out_visits=rng.choice([1, 2, 3, 6]),
        lock_out_window_s=rng.choice([10.0, 120.0]),
        lock_out_s=rng.choice([5.0, 30.0]),
        two_person_s=rng.choice([5.0, 20.0]),
        duress_s=rng.choice([5.0, 30.0]),
        pulse_s=rng.choice([1.0, 5.0]),
        held_open_s=rng.choice([5.0, 30.0]),
        exit_request_opens=rng.random() < 0.9,
    )


def random_subject(rng: random.Random, name: str) -> Subject:
    """Return somebody: mostly staff, now and then blocked, about to expire, or in no group."""
    usual = ["staff", "day", "night", "never", "vault", "safe vault", "safe", "", "?"]
    groups = tuple(rng.choices(usual, weights=[8, 3, 2, 1, 4, 2, 2, 1, 1])[0].split())
    ends = MIDNIGHT + timedelta(hours=rng.uniform(-5, 60))
    return Subject(
        name,
        groups=groups,
        blocked=rng.random() < 0.07,
        expires_at=ends if rng.random() < 0.15 else None,
        card=Card(1, rng.randint(0, 65535)) if rng.random() < 0.5 else None,
        templates=rng.choice([1, 1, 5]),
    )


def random_subjects(rng: random.Random) -> tuple[Subject, ...]:
    """Return the people of a gallery."""
    return tuple(random_subject(rng, f"P{i}") for i in range(rng.choice([1, 3, 6, 6, 12])))
