"""The door itself: its contact, the way out, and what people are to be told of."""

from __future__ import annotations

from dataclasses import replace

from edgeface.door.engine_outcome import OPENING, Step
from edgeface.door.engine_state import MOST_FAULTS, State
from edgeface.door.event import (
    Alarm,
    Decision,
    DoorContact,
    Duress,
    ExitRequest,
    Fault,
    Maintenance,
    Moment,
    PeopleChanged,
    Reason,
    Tamper,
)
from edgeface.door.rules import Rules


def contact_changed(state: State, event: DoorContact, *, rules: Rules) -> Step:
    """The door opens, perhaps by force, or closes: its alarms begin or end."""
    known, state = state.contact, replace(state, contact=event.open)
    if event.open == known:
        return state, ()
    if not event.open:
        ended = [Alarm(event.moment, kind, False) for kind in _open_alarms(state)]
        return replace(state, opened=None, held=False, forced=False), tuple(ended)
    state = replace(state, opened=state.now, unused=())
    # The first report is how the door was found: nobody saw it being opened.
    if known is None or state.now <= state.released_until:
        return state, ()
    return replace(state, forced=True), (Alarm(event.moment, "forced", True),)


def _open_alarms(state: State) -> tuple[str, ...]:
    return tuple(kind for kind, on in (("held_open", state.held), ("forced", state.forced)) if on)


def exit_requested(state: State, event: ExitRequest, *, rules: Rules) -> Step:
    """Let out whoever pressed the button, whatever else is wrong. Nobody counts as inside then."""
    if not rules.exit_request_opens:
        detail = 'decision.exit_request is "ignored"'
        return state, (Decision(event.moment, False, Reason.DISARMED, detail=detail),)
    until = max(state.released_until, state.now + rules.pulse_s + rules.open_grace_s)
    entries = {name: replace(entry, inside=False) for name, entry in state.entries.items()}
    state = replace(state, entries=entries, unused=(), released_until=until)
    return state, (Decision(event.moment, True, Reason.EXIT_REQUEST, pulse_s=rules.pulse_s),)


def tampered(state: State, event: Tamper, *, rules: Rules) -> Step:
    """The housing was opened or closed: no face opens the door while it is open."""
    if event.active == state.tamper:
        return state, ()
    return replace(state, tamper=event.active), (Alarm(event.moment, "tamper", event.active),)


def called_for_help(state: State, event: Duress, *, rules: Rules) -> Step:
    """Tell others; nothing else changes, so that nobody at the door can see it."""
    running = state.now <= state.duress_until
    visit, person = state.visit, None
    if visit and visit.outcome in OPENING and state.now - visit.decided <= rules.duress_s:
        person = visit.best.person
    state = replace(state, duress_until=state.now + rules.duress_s)
    return state, () if running else (Alarm(event.moment, "duress", True, person=person),)


def maintenance_changed(state: State, event: Maintenance, *, rules: Rules) -> Step:
    """Begin or end maintenance."""
    return replace(state, maintenance=event.on), ()


def fault_changed(state: State, event: Fault, *, rules: Rules) -> Step:
    """A part failed or works again."""
    known = event.part in state.faults or len(state.faults) < MOST_FAULTS
    part = event.part if known else "others"
    if event.active == (part in state.faults):
        return state, ()
    faults = state.faults | {part} if event.active else state.faults - {part}
    detail = f"{part}: {event.text}" if event.text else part
    return replace(state, faults=faults), (
        Alarm(event.moment, "fault", event.active, None, detail),
    )


def people_changed(state: State, event: PeopleChanged, *, rules: Rules) -> Step:
    """Take over who is enrolled; frames judged among others do not count any more."""
    subjects = {subject.name: subject for subject in event.subjects}
    return replace(
        state,
        subjects=subjects,
        threshold=rules.threshold(subjects.values()).cosine,
        entries={name: entry for name, entry in state.entries.items() if name in subjects},
        unused=tuple(name for name in state.unused if name in subjects),
        visit=state.visit and replace(state.visit, frames=()),
    ), ()


def door_elapsed(state: State, *, moment: Moment, rules: Rules) -> Step:
    """Begin and end what time alone begins and ends."""
    alarms = []
    if state.locked_until is not None and state.now >= state.locked_until:
        state = replace(state, locked_until=None)
        alarms.append(Alarm(moment, "locked_out", False))
    open_for = 0.0 if state.opened is None else state.now - state.opened
    if state.opened is not None and not state.held and open_for >= rules.held_open_s:
        state = replace(state, held=True)
        alarms.append(Alarm(moment, "held_open", True))
    if state.unused and state.now > state.released_until:
        # The door stayed shut: they did not go in.
        outside = {n: replace(state.entries[n], inside=False) for n in state.unused}
        state = replace(state, entries={**state.entries, **outside}, unused=())
    return state, tuple(alarms)
