"""The decision engine: events in, decisions out. No clock, no file, no thread of its own.

docs/decision-engine.md has its table of transitions, decision 0029 the reasons.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Callable

from edgeface.door.engine_door import (
    called_for_help,
    contact_changed,
    door_elapsed,
    exit_requested,
    fault_changed,
    maintenance_changed,
    people_changed,
    tampered,
)
from edgeface.door.engine_outcome import Step
from edgeface.door.engine_state import State, disarmed
from edgeface.door.engine_visit import observe, visit_elapsed
from edgeface.door.event import (
    Alarm,
    DoorContact,
    Duress,
    Event,
    ExitRequest,
    Fault,
    Maintenance,
    Observation,
    Output,
    PeopleChanged,
    Reason,
    Subject,
    Tamper,
    Tick,
)
from edgeface.door.rules import Rules

_HANDLERS: dict[type, Callable[..., Step]] = {
    Observation: observe,
    Tick: lambda state, event, *, rules: (state, ()),
    DoorContact: contact_changed,
    ExitRequest: exit_requested,
    Tamper: tampered,
    Duress: called_for_help,
    Maintenance: maintenance_changed,
    Fault: fault_changed,
    PeopleChanged: people_changed,
}


class Engine:
    """Decides who may come in. One a door; not for several threads.

    Parameters
    ----------
    rules
        Of this door.
    subjects
        Everybody enrolled; a `PeopleChanged` event replaces them.
    """

    def __init__(self, rules: Rules, subjects: Iterable[Subject] = ()) -> None:
        self.rules = rules
        self.state = start(rules, subjects)

    @property
    def threshold(self) -> float:
        """The least cosine of a match now, -1 to 1."""
        return self.state.threshold

    @property
    def disarmed(self) -> tuple[Reason, str] | None:
        """Why no face may open the door now and a word more, or None."""
        return disarmed(self.state)

    def step(self, event: Event) -> tuple[Output, ...]:
        """Take one event in and return what follows from it, in order. Never raises."""
        self.state, outputs = step(self.state, event, self.rules)
        return outputs

    def replace_rules(self, rules: Rules) -> None:
        """Go by other rules from now on.

        What was seen before does not count under them: a visitor is looked at anew, and of two
        people the first must come again. Alarms, lock-out and who is inside stay.
        """
        state, self.rules = self.state, rules
        self.state = replace(
            state,
            threshold=rules.threshold(state.subjects.values()).cosine,
            visit=state.visit and replace(state.visit, frames=(), watched=None),
            pending=None,
        )


def start(rules: Rules, subjects: Iterable[Subject] = ()) -> State:
    """Return the state before the first event."""
    people = {subject.name: subject for subject in subjects}
    return State(subjects=people, threshold=rules.threshold(people.values()).cosine)


def step(state: State, event: Event, rules: Rules) -> tuple[State, tuple[Output, ...]]:
    """Return the state after an event, and what follows from it, in order.

    The only clock is the events' own. The newest event's time is now: it never goes back, so an
    event that comes late takes effect now. How old a frame is shows only beside an event of now:
    send a `Tick` before each. What is no event of `edgeface.door.event` is ignored.
    """
    handler = _HANDLERS.get(type(event))
    if handler is None:
        return state, ()
    outputs: list[Any] = []
    for part in (_advance, _elapse, handler):
        state, more = part(state, event, rules=rules)
        outputs += more
    return _forget_evidence(state), tuple(outputs)


def _advance(state: State, event: Event, *, rules: Rules) -> Step:
    """Move time on. An event from the past, unless it is a frame, says that the clock is broken."""
    at = event.moment.monotonic
    late = not at >= state.now - rules.max_frame_age_s or not math.isfinite(at)
    behind = state.behind
    if not late and at >= state.now:
        behind = False
    elif late and not isinstance(event, Observation):
        behind = True
    now = state.now if late else max(state.now, at)
    if behind == state.behind:
        return replace(state, now=now), ()
    alarm = Alarm(event.moment, "fault", behind, detail="clock: it went backwards")
    return replace(state, now=now, behind=behind), (alarm,)


def _elapse(state: State, event: Event, *, rules: Rules) -> Step:
    state, alarms = door_elapsed(state, moment=event.moment, rules=rules)
    state, decisions = visit_elapsed(state, moment=event.moment, rules=rules)
    return state, (*alarms, *decisions)


def _forget_evidence(state: State) -> State:
    """What was seen before or while the door was disarmed never opens it afterwards."""
    if disarmed(state) is None:
        return state
    visit = state.visit and replace(state.visit, frames=(), watched=None)
    return replace(state, visit=visit, pending=None)
