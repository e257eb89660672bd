"""The oracle's own reckoning of who may come in when, and of the cosine that this asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np

from edgeface.door.event import Subject
from edgeface.door.rules import Group, Rules
from edgeface.door.rules_schedule import Schedule


def needed_cosine(people: Iterable[Subject], *, rules: Rules) -> float:
    """Return the least cosine of a match among these people."""
    matching = rules.matching
    table = sorted((math.log(far), cosine) for far, cosine in matching.by_far)
    rates, cosines = [rate for rate, _ in table], [cosine for _, cosine in table]
    templates = sum(subject.templates for subject in people)
    wanted = math.log(matching.false_accept_target / (templates or 1))
    cosine = float(np.interp(wanted, rates, cosines))
    if wanted < rates[0]:
        cosine += (rates[0] - wanted) * (cosines[0] - cosines[1]) / (rates[1] - rates[0])
    return min(max(cosine, matching.least_cosine), 1.0)


def groups_of(subject: Subject, *, rules: Rules) -> list[Group]:
    """Return the groups somebody is in, the default group if in no other."""
    named = [name for name in subject.groups if name in rules.groups and name != "default"]
    named += [name for name, group in rules.groups.items() if subject.name in group.people]
    if not named and "default" in rules.groups:
        named = ["default"]
    return [rules.groups[name] for name in dict.fromkeys(named)]


def two_person_groups(subject: Subject, *, rules: Rules) -> set[str]:
    """Return the two-person groups somebody is in."""
    return {group.name for group in groups_of(subject, rules=rules) if group.two_people}


def access_problem(subject: Subject | None, utc: datetime | None, *, rules: Rules) -> str | None:
    """Return why somebody may not come in at a time, or None."""
    if subject is None or subject.blocked:
        return f"{subject} is not enrolled, or blocked"
    believed = utc is not None and utc.tzinfo is not None and utc.year >= 2020
    if subject.expires_at is not None and not (believed and utc < subject.expires_at):
        return f"expired at {subject.expires_at}, or unsure, at {utc}"
    schedules = [group.schedule for group in groups_of(subject, rules=rules)]
    if any(schedule.always for schedule in schedules):
        return None
    if not believed:
        return f"the clock says {utc}"
    local = utc.astimezone(rules.zone).replace(tzinfo=None)
    if not any(_is_open(schedule, local) for schedule in schedules):
        return f"{[schedule.name for schedule in schedules]} at {local}"
    return None


def _is_open(schedule: Schedule, local: datetime) -> bool:
    """Walk through the spans that began today and yesterday."""
    for back in (0, 1):
        day = datetime(local.year, local.month, local.day) - timedelta(days=back)
        if day.weekday() not in schedule.days or day.date() in schedule.closed_on:
            continue
        for first, last in schedule.spans:
            length = (last - first) % (24 * 60) or 24 * 60
            begin = day + timedelta(minutes=first)
            if begin <= local < begin + timedelta(minutes=length):
                return True
    return False
