"""Random days at a door: rules, people and some 150 events, realistic in the main, from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from edgeface.door.event import (
    DoorContact,
    Duress,
    Event,
    ExitRequest,
    Fault,
    Maintenance,
    Moment,
    Observation,
    PeopleChanged,
    Subject,
    Tamper,
    Tick,
)
from edgeface.door.rules import Rules
from tests.door.door_sequence_rules import MIDNIGHT, random_rules, random_subject, random_subjects

PARTS = ("camera", "model", "gallery", "actuator", "audit")


@dataclass(frozen=True)
class Sequence:
    """One door's day."""

    rules: Rules
    subjects: tuple[Subject, ...]
    events: tuple[Event, ...]


def sequence(seed: int) -> Sequence:
    """Return the sequence of a seed, always the same."""
    rng = random.Random(seed)
    rules = random_rules(rng)
    subjects = random_subjects(rng)
    day = _Day(rng, rules, subjects)
    length = rng.randint(60, 220)
    while len(day.events) < length:
        episode = rng.choices(list(EPISODES), weights=list(EPISODES.values()))[0]
        episode(day)
    return Sequence(rules, subjects, tuple(day.events))


class _Day:
    """Appends events to a day; its clock moves with them."""

    def __init__(self, rng: random.Random, rules: Rules, subjects: tuple[Subject, ...]) -> None:
        self.rng, self.rules, self.subjects = rng, rules, subjects
        self.at = rng.choice([0.0, 12.5, 86_400.0 * 50])
        self.offset = MIDNIGHT + timedelta(hours=rng.uniform(0, 72)) - timedelta(seconds=self.at)
        self.sure = rng.random() < 0.9
        self.track = 0
        self.events: list[Event] = []
        self.last: Observation | None = None

    def moment(self, at: float | None = None) -> Moment:
        at = self.at if at is None else at
        sure = self.sure and math.isfinite(at) and abs(at) < 1e9
        return Moment(at, self.offset + timedelta(seconds=at) if sure else None)

    def add(self, kind: Callable[..., Event], *fields: Any) -> None:
        self.events.append(kind(self.moment(), *fields))

    def wait(self, seconds: float) -> None:
        self.at += seconds
        self.add(Tick)

    def look(self, frame: Observation) -> None:
        if self.rng.random() < 0.7:
            self.add(Tick)
        self.last = frame
        self.events.append(frame)

    def known(self) -> str:
        return self.rng.choice(self.subjects).name

    def frame(self, person: str | None, **changes: Any) -> Observation:
        live = None if self.rules.policy == "none" else self.rng.uniform(0.62, 1.0)
        good = Observation(
            self.moment(), self.track, 1, (), person, self.rng.uniform(0.62, 0.95), 0.5, live
        )
        return replace(good, **changes)


def _visit(day: _Day, person: str | None, *, spoilt: float = 0.08, **changes: Any) -> None:
    """Somebody stands before the camera for some frames, a few of which are spoilt."""
    _approach(day, person)
    period = day.rng.choice([1 / 30, 0.1, 0.2, 0.2, 1.0 if day.rules.gone_after_s > 1 else 0.2])
    count = day.rng.randint(max(1, day.rules.frames - 1), day.rules.of + 5)
    challenge = day.rules.policy == "passive+challenge" and day.rng.random() < 0.8
    for number in range(count + (day.rules.frames + 3 if challenge else 0)):
        day.at += period * day.rng.uniform(0.7, 1.3)
        if day.rng.random() < 0.01:
            _people(day)
        state = "none"
        if challenge and number >= count - 1:
            state = "asked" if number == count - 1 else "passed"
        frame = day.frame(person, **{"challenge": state, **changes})
        day.look(_spoil(day, frame) if day.rng.random() < spoilt else frame)


def _approach(day: _Day, person: str | None) -> None:
    """A new track begins, mostly with somebody who is seen from afar first."""
    day.track += 1
    watched = 0.0 if day.rng.random() < 0.3 else day.rules.watch_s
    while watched > 0:
        day.at += 0.3
        watched -= 0.3
        day.look(day.frame(person, broken=("small",)))


def _spoil(day: _Day, frame: Observation) -> Observation:
    """Return the frame with something wrong."""
    rng, nan = day.rng, math.nan
    flaws: list[dict[str, Any]] = [
        {"broken": ("blurred",)},
        {"broken": ("several_faces",), "faces": 2},
        {"score": rng.uniform(-0.2, 0.5)},
        {"lead": rng.choice([0.0, 0.01, nan, -1.0, math.inf])},
        {"live": rng.choice([None, 0.0, 0.59, 0.6, nan, -math.inf, 9.0])},
        {"score": rng.choice([None, nan, math.inf, -math.inf, 7.0])},
        {"person": None, "score": None, "lead": None},
        {"person": day.known()},
        {"person": "Mallory"},
        {"feed": "static"},
        {"challenge": rng.choice(["asked", "failed", "passed", "?"])},
        {"moment": day.moment(day.at - rng.choice([0.3, 0.49, 0.6, 5.0, 1e6]))},
        {"moment": day.moment(day.at + rng.choice([0.01, 0.3]))},
        {"moment": day.moment(rng.choice([nan, math.inf, -math.inf]))},
        {"moment": (day.last or frame).moment},
        {"track": None, "faces": 0},
        {"track": max(0, day.track - rng.randint(1, 3))},
        {"moment": Moment(frame.moment.monotonic, rng.choice([None, datetime(1970, 1, 1)]))},
    ]
    return replace(frame, **rng.choice(flaws))


def _rightful(day: _Day) -> None:
    _visit(day, day.known(), spoilt=day.rng.choice([0.0, 0.1, 0.5]))


def _pair(day: _Day) -> None:
    """Two people, often of two-person groups, come one after the other."""
    both = [s.name for s in day.subjects if {"vault", "safe"} & set(s.groups)] or [day.known()]
    for _ in range(2):
        person = day.rng.choice(both)
        _visit(day, person, spoilt=0.02)
        day.wait(day.rng.choice([0.2, 2.0]))
        if day.rng.random() < 0.2:
            now = (replace(s, blocked=s.blocked or s.name == person) for s in day.subjects)
            day.add(PeopleChanged, tuple(now))


def _flicker(day: _Day) -> None:
    """Liveness is not sure of this face, or recognition is not."""
    day.track += 1
    for _ in range(day.rng.randint(4, 12)):
        day.at += 0.1
        frame = day.frame(day.subjects[0].name, score=day.rng.uniform(0.38, 0.56))
        if frame.live is not None:
            frame = replace(frame, live=day.rng.choice([0.1, 0.55, 0.6, 0.61, 0.9]))
        day.look(frame)


def _again(day: _Day) -> None:
    """The same person comes back, soon or late."""
    person = day.known()
    for _ in range(2):
        _visit(day, person, spoilt=0.0)
        day.wait(day.rng.choice([0.5, 6.0, 25.0, 70.0]))


def _stranger(day: _Day) -> None:
    score = day.rng.uniform(0.0, 0.45)
    _visit(day, day.known(), score=score, lead=day.rng.choice([0.02, 0.3]))


def _attack(day: _Day) -> None:
    flaw = day.rng.choice([{"live": 0.2}, {"feed": "static"}, {"challenge": "failed"}])
    _visit(day, day.known(), **flaw)


def _relieved(day: _Day) -> None:
    """One person is challenged, and another turns the head."""
    one, other = day.known(), day.known()
    _approach(day, one)
    for person, state in ((one, "none"), (other, "passed")):
        for _ in range(day.rules.frames + 1):
            day.at += 0.1
            day.look(day.frame(person, challenge=state))
        day.wait(day.rng.choice([0.1, 1.0]))


def _poor(day: _Day) -> None:
    _visit(day, day.known(), broken=(day.rng.choice(["dark", "small", "several_faces"]),))
    if day.rng.random() < 0.7:  # it gets better, on the same track
        day.wait(day.rng.choice([0.3, 2.0]))
        day.track -= 1
        _visit(day, day.known())


def _late(day: _Day) -> None:
    _visit(day, day.known(), moment=day.moment(day.at - 30))


def _swapped(day: _Day) -> None:
    """Two people change places under one track, or tracks change under one person."""
    one, other = day.known(), day.known()
    day.track += 1
    for _ in range(day.rng.randint(4, 12)):
        day.at += 0.1
        mixed = day.rng.random() < 0.5
        track = day.track + (day.rng.randint(0, 2) if mixed else 0)
        day.look(day.frame(day.rng.choice([one, other]), track=track))
    day.track += 2


def _quiet(day: _Day) -> None:
    for _ in range(day.rng.randint(1, 4)):
        day.wait(day.rng.choice([0.1, 0.5, 1.0, 3.0]))


def _jump(day: _Day) -> None:
    day.wait(day.rng.choice([10.0, 61.0, 130.0, 3600.0]))


def _backwards(day: _Day) -> None:
    wrong = day.rng.choice([day.at - 0.2, day.at - 10, 0.0, math.nan, math.inf, -math.inf])
    kind = day.rng.choice([Tick, Duress, ExitRequest])
    day.events.append(kind(day.moment(wrong)))


def _trouble(day: _Day) -> None:
    """A part fails, maintenance begins or the housing is opened; mostly it ends soon."""
    kind, fields = day.rng.choice(
        [(Fault, (day.rng.choice(PARTS),)), (Maintenance, ()), (Tamper, ())]
    )
    more = ("Eve",) if kind is Maintenance else ()
    day.add(kind, *fields, True, *more)
    for _ in range(day.rng.randint(0, 2)):
        day.rng.choice([_rightful, _quiet])(day)
    if day.rng.random() < 0.85:
        day.add(kind, *fields, False, *more)


def _healed(day: _Day) -> None:
    for part in PARTS:
        day.add(Fault, part, False)
    day.add(Maintenance, False, "Eve")
    day.add(Tamper, False)


def _contact(day: _Day) -> None:
    for is_open in day.rng.choice([(True, False), (False, True), (True,), (False,)]):
        day.add(DoorContact, is_open)
        day.wait(day.rng.choice([0.2, 1.0, 10.0]))


def _button(day: _Day) -> None:
    day.add(day.rng.choice([ExitRequest, ExitRequest, Duress]))


def _people(day: _Day) -> None:
    """Somebody is erased, changed or enrolled, perhaps in the middle of a visit."""
    people = [
        random_subject(day.rng, s.name) if day.rng.random() < 0.3 else s for s in day.subjects
    ]
    kept = [person for person in people if day.rng.random() < 0.9]
    if day.rng.random() < 0.2:  # a smaller gallery asks for less
        kept = kept[:2]
    elif day.rng.random() < 0.2:
        kept += [Subject(f"crowd {i}") for i in range(day.rng.choice([20, 200]))]
    if day.rng.random() < 0.3:
        kept.append(random_subject(day.rng, f"P{day.rng.randint(0, 15)}x"))
    day.subjects = tuple(kept) or day.subjects
    day.add(PeopleChanged, tuple(kept))


def _wall_clock(day: _Day) -> None:
    day.sure = day.rng.random() < 0.8
    day.offset += timedelta(hours=day.rng.choice([0, 0, -3, 5, 14]))


EPISODES: dict[Callable[[_Day], None], float] = {
    _rightful: 14, _pair: 4, _flicker: 2, _again: 5, _stranger: 3, _attack: 1.5, _poor: 3,
    _late: 0.7, _swapped: 3, _quiet: 5, _jump: 2.5, _backwards: 1.0, _relieved: 1, _trouble: 2,
    _healed: 2, _contact: 4, _button: 4, _people: 1, _wall_clock: 1,
}  # fmt: skip
