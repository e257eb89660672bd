"""Whether somebody who was recognised may come in now."""

from __future__ import annotations

from datetime import datetime

from edgeface.door.engine_state import Pending, State
from edgeface.door.event import Moment, Reason, Subject
from edgeface.door.rules import Rules
from edgeface.door.rules_schedule import local_time

MINUTE_S = 60.0


def refusal(
    state: State, subject: Subject, *, moment: Moment, rules: Rules
) -> tuple[Reason, str] | None:
    """Return why somebody recognised is not let in now and a word more, or None.

    In this order: blocked, expired, no schedule that is open, let in a moment ago, inside already,
    too many openings this minute. A clock that is not sure refuses whatever needs it.
    """
    if subject.blocked:
        return Reason.BLOCKED, ""
    local = local_time(moment.utc, zone=rules.zone)
    return (
        _expiry(subject, local)
        or _schedule(subject, local, rules)
        or _entry(state, subject.name, rules)
        or _rate(state, rules)
    )


def _expiry(subject: Subject, local: datetime | None) -> tuple[Reason, str] | None:
    expires_at = subject.expires_at
    if expires_at is None:
        return None
    if local is None:
        return Reason.CLOCK_UNSURE, "an expiry date"
    if expires_at.tzinfo is None or local >= expires_at:
        return Reason.EXPIRED, ""
    return None


def _schedule(subject: Subject, local: datetime | None, rules: Rules) -> tuple[Reason, str] | None:
    schedules = [group.schedule for group in rules.groups_of(subject)]
    if not schedules:
        return Reason.SCHEDULE, "in no group of door.toml"
    names = ", ".join(dict.fromkeys(schedule.name for schedule in schedules))
    if any(schedule.always for schedule in schedules):
        return None
    if local is None:
        return Reason.CLOCK_UNSURE, names
    return None if any(s.is_open(local) for s in schedules) else (Reason.SCHEDULE, names)


def _entry(state: State, person: str, rules: Rules) -> tuple[Reason, str] | None:
    entry = state.entries.get(person)
    if entry is None:
        return None
    if state.now - entry.at < rules.cool_down_s:
        return Reason.COOL_DOWN, ""
    if entry.inside and state.now - entry.at < rules.anti_passback_s:
        return Reason.ANTI_PASSBACK, ""
    return None


def _rate(state: State, rules: Rules) -> tuple[Reason, str] | None:
    lately = [at for at in state.openings if state.now - at < MINUTE_S]
    return (Reason.RATE_LIMIT, "") if len(lately) >= rules.openings_per_minute else None


def two_person_groups(subject: Subject, *, rules: Rules) -> frozenset[str]:
    """Return the groups that let this person in only together with another member."""
    return frozenset(group.name for group in rules.groups_of(subject) if group.two_people)


def first_person(state: State, second: Pending, *, moment: Moment, rules: Rules) -> str | None:
    """Return who waits for this second person and may come in still, or None."""
    first = state.pending
    if first is None or state.now - first.at > rules.two_person_s:
        return None
    subject = state.subjects.get(first.person)
    if subject is None or first.person == second.person or first.track == second.track:
        return None
    shared = two_person_groups(subject, rules=rules) & second.groups
    if not shared or refusal(state, subject, moment=moment, rules=rules):
        return None
    return first.person
