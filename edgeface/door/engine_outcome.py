"""How a visit ends: open or not, what that is worth to the log, and what is remembered of it."""

from __future__ import annotations

from dataclasses import replace

from edgeface.door.engine_access import MINUTE_S, first_person, refusal, two_person_groups
from edgeface.door.engine_state import Entry, Frame, Pending, State, Visit
from edgeface.door.event import Alarm, Decision, Moment, Output, Reason
from edgeface.door.rules import Rules

OPENING = frozenset({Reason.RECOGNISED, Reason.TWO_PEOPLE})
FINAL = OPENING | frozenset(
    {
        Reason.STATIC_FEED,
        Reason.NOT_LIVE,
        Reason.CHALLENGE_FAILED,
        Reason.BLOCKED,
        Reason.EXPIRED,
        Reason.SCHEDULE,
        Reason.ANTI_PASSBACK,
        Reason.SECOND_PERSON_MISSING,
    }
)
"""After these a visit is over: its track opens nothing any more."""
WANTING = frozenset({Reason.TIMED_OUT, Reason.SEVERAL_FACES, Reason.QUALITY, Reason.STALE_FRAME})
"""The frames were wanting: the next good one begins another attempt at once."""
COUNTED = frozenset(
    {
        Reason.STATIC_FEED,
        Reason.NOT_LIVE,
        Reason.CHALLENGE_FAILED,
        Reason.UNKNOWN,
        Reason.AMBIGUOUS,
    }
)
"""Visits denied for these count towards the lock-out, each once."""

Step = tuple[State, tuple[Output, ...]]


def deny(
    state: State,
    visit: Visit,
    *,
    reason: Reason,
    moment: Moment,
    rules: Rules,
    detail: str = "",
    person: str | None = None,
) -> Step:
    """End the visit's attempt without opening; count it, and lock out if it was one too many."""
    frame = visit.best
    decision = Decision(
        moment=moment,
        opens=False,
        reason=reason,
        person=person,
        score=frame and frame.score,
        lead=frame and frame.lead,
        live=frame and frame.live,
        detail=detail,
        track=visit.track,
        frames=visit.looked,
    )
    counts = reason in COUNTED and not visit.counted
    visit = replace(
        visit, outcome=reason, decided=state.now, frames=(), counted=visit.counted or counts
    )
    state = replace(state, visit=visit)
    state, alarms = _count(state, moment, rules) if counts else (state, ())
    return state, (decision, *alarms)


def _count(state: State, moment: Moment, rules: Rules) -> Step:
    lately = [at for at in state.denied if state.now - at < rules.lock_out_window_s]
    denied = (*lately, state.now)
    if len(denied) < rules.lock_out_visits:
        return replace(state, denied=denied), ()
    state = replace(state, denied=(), locked_until=state.now + rules.lock_out_s)
    return state, (Alarm(moment, "locked_out", True, detail=f"{len(denied)} visits denied"),)


def admit(
    state: State, visit: Visit, *, person: str, best: Frame, moment: Moment, rules: Rules
) -> Step:
    """Open for somebody recognised, unless who they are or when it is says no."""
    subject = state.subjects[person]
    visit = replace(visit, best=best)
    refused = refusal(state, subject, moment=moment, rules=rules)
    if refused:
        return _refuse(state, visit, refused, person, moment, rules)
    groups = two_person_groups(subject, rules=rules)
    if not groups:
        return _open(state, visit, (person,), moment, rules)
    second = Pending(person, groups, visit.track, state.now)
    first = first_person(state, second, moment=moment, rules=rules)
    if first is not None:
        return _open(state, visit, (person, first), moment, rules)
    refused = (Reason.SECOND_PERSON_MISSING, ", ".join(sorted(groups)))
    return _refuse(replace(state, pending=second), visit, refused, person, moment, rules)


def _refuse(
    state: State,
    visit: Visit,
    refused: tuple[Reason, str],
    person: str,
    moment: Moment,
    rules: Rules,
) -> Step:
    reason, detail = refused
    state, outputs = deny(
        state, visit, reason=reason, detail=detail, person=person, moment=moment, rules=rules
    )
    if reason is Reason.BLOCKED:
        outputs = (*outputs, Alarm(moment, "blocked", True, person=person))
    return state, outputs


def _open(
    state: State, visit: Visit, people: tuple[str, ...], moment: Moment, rules: Rules
) -> Step:
    best, person, first = visit.best, people[0], people[1] if len(people) == 2 else None
    reason = Reason.RECOGNISED if first is None else Reason.TWO_PEOPLE
    decision = Decision(
        moment=moment,
        opens=True,
        reason=reason,
        person=person,
        card=state.subjects[person].card,
        with_person=first,
        score=best.score,
        lead=best.lead,
        live=best.live,
        track=visit.track,
        pulse_s=rules.pulse_s,
        frames=visit.looked,
    )
    visit = replace(visit, outcome=reason, decided=state.now, frames=())
    state = _released(replace(state, visit=visit, pending=None), people, rules)
    if state.now > state.duress_until:
        return state, (decision,)
    return state, (decision, Alarm(moment, "duress", True, person=person))


def _released(state: State, people: tuple[str, ...], rules: Rules) -> State:
    """Remember who was let in, as far back as the rules look."""
    reach = max(rules.cool_down_s, rules.anti_passback_s)
    entries = {name: entry for name, entry in state.entries.items() if state.now - entry.at < reach}
    entries.update(dict.fromkeys(people, Entry(state.now, rules.anti_passback_s > 0)))
    # Only a closed door with a contact can tell later that nobody went through.
    waiting = (*state.unused, *people) if state.contact is False else ()
    unused = tuple(name for name in dict.fromkeys(waiting) if name in entries)
    return replace(
        state,
        openings=(*(at for at in state.openings if state.now - at < MINUTE_S), state.now),
        entries=entries,
        unused=unused,
        released_until=max(state.released_until, state.now + rules.pulse_s + rules.open_grace_s),
    )
