"""What must hold of every history of a door, whatever the engine is made of.

The oracle sees events and outputs only, and knows the rules' numbers. It shares no code with the
engine: thresholds, schedules, expiry, the clock and everything counted are reckoned here anew.
Its `saw` raises `Broken`, naming the invariant, when one of these does not hold:

opening by a face
    cause       it answers a frame of its own track, and is for whom the frame was matched
    sound       no fault, no maintenance, housing closed, clock not gone backwards, no lock-out
    evidence    at least `frames` of the last `of` frames of this track, captured within
                `window_s`, since the door was sound, since people changed and since a challenge,
                are of this person: each captured lately, after every frame before it, of good
                quality, from a living feed, live, enrolled, at the threshold, with the lead
    watched     the track was seen for `watch_s` since the door was sound
    same        no good frame among them is of another person
    liveness    the mean of all recent frames of good quality is live, too
    challenge   where the policy asks for one: wanted of this person before, passed in each frame
    access      not blocked, not expired, in a schedule that is open, by a clock that is sure
    cool_down, anti_passback, rate      nobody too early, nobody inside, not too many a minute
    two_people  members of such groups open with another member only, who came just before
    once        a track opens at most once, and not after a verdict that is final
every decision
    form        opens for three reasons only; a card, a pulse and a name only where they belong
    attempts    at most `attempts` a track, `retry_s` apart, but for those without good frames
    exit        each exit request is answered at once, by opening, whatever else is wrong
every alarm
    alarms      begins and ends exactly when it should (`door_oracle_alarms.py`); a lock-out with
                the visit that was one too many
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from edgeface.door.event import (
    Alarm,
    ChallengeWanted,
    Decision,
    ExitRequest,
    Fault,
    Maintenance,
    Observation,
    Output,
    PeopleChanged,
    Reason,
    Subject,
    Tamper,
)
from edgeface.door.rules import Rules
from tests.door.door_oracle_access import access_problem, two_person_groups
from tests.door.door_oracle_alarms import AlarmOracle, is_out
from tests.door.door_oracle_evidence import Seen, evidence_problem, watched_s

FACE = (Reason.RECOGNISED, Reason.TWO_PEOPLE)
SUSPICIOUS = (
    Reason.UNKNOWN, Reason.AMBIGUOUS, Reason.NOT_LIVE, Reason.STATIC_FEED, Reason.CHALLENGE_FAILED
)  # fmt: skip
FINAL = (
    *FACE, Reason.NOT_LIVE, Reason.STATIC_FEED, Reason.CHALLENGE_FAILED, Reason.BLOCKED,
    Reason.EXPIRED, Reason.SCHEDULE, Reason.ANTI_PASSBACK, Reason.SECOND_PERSON_MISSING,
)  # fmt: skip
WANTING = (Reason.TIMED_OUT, Reason.QUALITY, Reason.SEVERAL_FACES, Reason.STALE_FRAME)
NAMED = (
    *FACE, Reason.BLOCKED, Reason.EXPIRED, Reason.SCHEDULE, Reason.CLOCK_UNSURE,
    Reason.ANTI_PASSBACK, Reason.COOL_DOWN, Reason.RATE_LIMIT, Reason.SECOND_PERSON_MISSING,
)  # fmt: skip


class Broken(AssertionError):
    """An invariant that did not hold; `name` is its name."""

    def __init__(self, name: str, text: object) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


@dataclass(frozen=True)
class Told:
    """A decision of a track: when, the index of the first event since, and why."""

    at: float
    index: int
    reason: Reason


class Oracle:
    """Follows one door's history."""

    def __init__(self, rules: Rules, subjects: tuple[Subject, ...]) -> None:
        self.rules = rules
        self.people = {subject.name: subject for subject in subjects}
        self.history: list[Seen] = []
        self.now, self.newest = 0.0, -math.inf
        self.trouble: set[str] = set()
        self.behind = False
        self.locked_until = -math.inf
        self.sound_since = 0  # index of the first event since which the door was sound
        self.people_since = 0  # ... and since which people are the same
        self.asked: dict[int, int] = {}  # track -> index at which a challenge was wanted
        self.decided: dict[int, list[Told]] = {}
        self.opened: list[tuple[float, int, Decision]] = []
        self.suspects: list[float] = []
        self.alarms = AlarmOracle(rules)
        self.highest_track = -1

    def saw(self, event: Any, outputs: tuple[Output, ...]) -> None:
        """Take in one event and what came of it.

        Raises
        ------
        Broken
            An invariant does not hold.
        """
        behind, locked = self.behind, self.locked_until
        self._clock(event)
        ended = self.now >= locked > -math.inf
        self.locked_until = -math.inf if ended else locked
        self._conditions(event)
        seen = Seen(self.now, event, self.people, self.newest, outputs)
        self.history.append(seen)
        for output in outputs:
            if isinstance(output, Decision):
                self._decision(output, seen)
            elif isinstance(output, ChallengeWanted):
                self._require("challenge", output.track not in self.asked, "wanted twice")
                self.asked[output.track] = len(self.history)
        if isinstance(event, ExitRequest):
            self._exit(seen)
        expected = [("fault", self.behind)] if behind != self.behind else []
        expected += [("locked_out", False)] if ended else []
        expected += [("locked_out", True)] if self.locked_until > locked else []
        expected += self.alarms.expected(event, now=self.now, outputs=outputs)
        found = [(o.kind, o.active) for o in outputs if isinstance(o, Alarm)]
        self._require("alarms", sorted(found) == sorted(expected), (found, expected))
        self._after(event)

    def _require(self, name: str, holds: bool, text: object) -> None:
        if not holds:
            raise Broken(name, f"event {len(self.history) - 1}: {text}")

    def _clock(self, event: Any) -> None:
        at, frame = event.moment.monotonic, isinstance(event, Observation)
        on_time = math.isfinite(at) and at >= self.now - self.rules.max_frame_age_s
        if math.isfinite(at) and at >= self.now:
            self.behind = False
        elif not on_time and not frame:
            self.behind = True
        if math.isfinite(at):
            self.now = max(self.now, at)

    def _conditions(self, event: Any) -> None:
        switches = {Maintenance: "maintenance", Tamper: "tamper"}
        if isinstance(event, Fault):
            name, on = f"fault {event.part}", event.active
        elif type(event) in switches:
            name = switches[type(event)]
            on = event.on if isinstance(event, Maintenance) else event.active
        else:
            name, on = "", False
        self.trouble = self.trouble | {name} if on else self.trouble - {name}
        if isinstance(event, PeopleChanged):
            self.people = {subject.name: subject for subject in event.subjects}
            self.people_since = len(self.history) + 1

    def _unsound(self) -> bool:
        return bool(self.trouble) or self.behind or self.now < self.locked_until

    def _after(self, event: Any) -> None:
        if self._unsound():
            self.sound_since = len(self.history)
        if isinstance(event, Observation):
            if event.track is not None:
                self.highest_track = max(self.highest_track, event.track)
            at = event.moment.monotonic
            self.newest = max(self.newest, at) if math.isfinite(at) else self.newest

    def _decision(self, found: Decision, seen: Seen) -> None:
        self._form(found)
        if found.reason is Reason.EXIT_REQUEST or found.track is None:
            return
        earlier = self.decided.setdefault(found.track, [])
        final = [old.reason for old in earlier if old.reason in FINAL]
        self._require("once", not final, f"{found} after {final}")
        if found.opens:
            self._opening(found, seen)
            self.opened.append((seen.now, len(self.history) - 1, found))
        tried = sum(old.reason not in WANTING for old in earlier)
        self._require("attempts", tried < self.rules.attempts, f"{found} after {earlier}")
        if earlier and earlier[-1].reason not in WANTING:
            rested = seen.now - earlier[-1].at >= self.rules.retry_s
            self._require("attempts", rested, f"{found} soon after {earlier[-1]}")
        suspicious = any(old.reason in SUSPICIOUS for old in earlier)
        # Time was up before this event: its frame may belong to the next attempt.
        index = len(self.history) - (found.reason in WANTING)
        earlier.append(Told(seen.now, index, found.reason))
        if found.reason in SUSPICIOUS and not suspicious:
            self._suspect(seen)

    def _form(self, found: Decision) -> None:
        allowed = found.reason in (*FACE, Reason.EXIT_REQUEST)
        self._require("form", found.opens == allowed, found)
        self._require("form", (found.pulse_s > 0) == found.opens, found)
        self._require("form", found.card is None or found.reason in FACE, found)
        self._require("form", (found.person is not None) == (found.reason in NAMED), found)
        numbers = [n for n in (found.score, found.lead, found.live) if n is not None]
        self._require("form", all(map(math.isfinite, numbers)), found)

    def _suspect(self, seen: Seen) -> None:
        window = self.rules.lock_out_window_s
        self.suspects = [at for at in self.suspects if seen.now - at < window] + [seen.now]
        due = len(self.suspects) >= self.rules.lock_out_visits
        if due:
            self.suspects, self.locked_until = [], seen.now + self.rules.lock_out_s

    def _exit(self, seen: Seen) -> None:
        answers = [o for o in seen.outputs if isinstance(o, Decision) and o.track is None]
        opens = [o.reason is Reason.EXIT_REQUEST for o in answers]
        self._require("exit", opens == [self.rules.exit_request_opens], answers)

    def _opening(self, found: Decision, seen: Seen) -> None:
        event = seen.event
        answers = isinstance(event, Observation) and found.moment == event.moment
        answers = answers and (event.track, event.person) == (found.track, found.person)
        self._require("cause", answers, f"{found} of {event}")
        self._require("cause", event.track >= self.highest_track, "an earlier track")
        self._require("sound", not self._unsound(), (self.trouble, self.behind))
        self._evidence(found)
        people = [found.person] if found.with_person is None else [found.person, found.with_person]
        for person in people:
            problem = access_problem(seen.people.get(person), event.moment.utc, rules=self.rules)
            self._require("access", problem is None, problem)
            self._entry(person, seen)
        lately = [at for at, _, _ in self.opened if seen.now - at < 60]
        self._require("rate", len(lately) < self.rules.openings_per_minute, lately)
        self._two_people(found, seen)

    def _evidence(self, found: Decision) -> None:
        asked = self.asked.get(found.track, 0)
        told = self.decided.get(found.track, [])[-1:]
        begin = max([self.sound_since, self.people_since, asked, *(old.index for old in told)])
        if told and told[0].reason not in WANTING:
            rested = told[0].at + self.rules.retry_s
            while self.history[begin].now < rested:
                begin += 1
        watched = watched_s(self.history, found.track, begin=self.sound_since, rules=self.rules)
        self._require("watched", watched >= self.rules.watch_s, f"for {watched} s")
        problem = evidence_problem(self.history, found, begin=begin, rules=self.rules)
        self._require(*(problem or ("evidence", True, "")))
        if self.rules.policy == "passive+challenge":
            claimed = self.history[asked - 1].event.person if asked else None
            self._require("challenge", claimed == found.person, f"wanted of {claimed}")

    def _entry(self, person: str, seen: Seen) -> None:
        since = max(
            (i for i, old in enumerate(self.history) if person not in old.people), default=-1
        )  # whoever was erased is forgotten
        let_in = [
            (at, index)
            for at, index, old in self.opened
            if person in (old.person, old.with_person) and index > since
        ]
        if not let_in:
            return
        at, index = let_in[-1]
        self._require("cool_down", seen.now - at >= self.rules.cool_down_s, seen.now - at)
        if seen.now - at < self.rules.anti_passback_s:
            self._require(
                "anti_passback",
                is_out(self.history, index, rules=self.rules),
                f"{seen.now - at} s ago",
            )

    def _two_people(self, found: Decision, seen: Seen) -> None:
        groups = two_person_groups(seen.people[found.person], rules=self.rules)
        self._require("two_people", (found.with_person is not None) == bool(groups), found)
        self._require("two_people", (found.reason is Reason.TWO_PEOPLE) == bool(groups), found)
        if not groups:
            return
        first = found.with_person
        shared = groups & two_person_groups(seen.people[first], rules=self.rules)
        came = [
            old.track
            for past in self.history[self.sound_since :]
            for old in past.outputs
            if isinstance(old, Decision)
            and (old.reason, old.person) == (Reason.SECOND_PERSON_MISSING, first)
            and seen.now - past.now <= self.rules.two_person_s
        ]
        holds = first != found.person and bool(shared) and bool(came)
        self._require("two_people", holds and found.track not in came, (found, came))
