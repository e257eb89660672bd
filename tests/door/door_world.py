"""A door's world in a few words: rules, people, and events on a clock that tests move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from edgeface.door.engine import Engine
from edgeface.door.event import (
    Alarm,
    ChallengeWanted,
    Decision,
    Event,
    Moment,
    Observation,
    Output,
    Reason,
    Subject,
    Tick,
)
from edgeface.door.rules import Group, Matching, Rules
from edgeface.door.rules_schedule import ALWAYS

MATCHING = Matching(
    by_far=((0.01, 0.3), (0.001, 0.4), (0.0001, 0.5)), least_cosine=0.4, lead=0.05, live=0.6
)
THRESHOLDS = {
    "by_far": [{"far": far, "cosine": cosine} for far, cosine in MATCHING.by_far],
    "default_far": 0.001,
    "margin": 0.05,
}
STAFF = {"staff": Group("staff", ALWAYS)}
NOON = datetime(2026, 6, 17, 12, 0, tzinfo=timezone.utc)  # a Wednesday
ADA = Subject("Ada", groups=("staff",))
BOB = Subject("Bob", groups=("staff",))


def rules(**changes: Any) -> Rules:
    """Return rules in which staff may always come in, at once."""
    return replace(Rules(MATCHING, groups=STAFF, watch_s=0.0), **changes)


class World:
    """An engine, and a clock."""

    def __init__(
        self, *subjects: Subject, rules: Rules | None = None, utc: datetime | None = NOON
    ) -> None:
        self.engine = Engine(rules or _default_rules(), subjects or (ADA, BOB))
        self.at = 1000.0
        self._noon, self._start = utc, self.at
        self.outputs: list[Output] = []

    def moment(self, at: float | None = None) -> Moment:
        """Return now, or another monotonic time, with the wall clock that goes with it."""
        at = self.at if at is None else at
        known = self._noon and self._noon + timedelta(seconds=at - self._start)
        return Moment(at, known)

    def set_clock(self, utc: datetime | None) -> None:
        """Set the wall clock."""
        self._noon, self._start = utc, self.at

    def send(self, event: Event) -> tuple[Output, ...]:
        """Send one event."""
        outputs = self.engine.step(event)
        self.outputs += outputs
        return outputs

    def wait(self, seconds: float) -> list[Output]:
        """Let time pass, with a tick four times a second."""
        outputs: list[Output] = []
        for _ in range(round(seconds * 4)):
            self.at += 0.25
            outputs += self.send(Tick(self.moment()))
        return outputs

    def frame(self, person: str | None = "Ada", *, track: int | None = 1, **changes: Any) -> list:
        """Show one good frame, a fifth of a second later."""
        self.at += 0.2
        fields: Mapping[str, Any] = {
            "faces": 1, "person": person, "score": 0.8, "lead": 0.4, "live": 0.9, **changes
        }  # fmt: skip
        captured = self.moment(self.at - fields.get("age", 0.0))
        fields = {name: value for name, value in fields.items() if name != "age"}
        frame = Observation(captured, track=track, **fields)
        return [*self.send(Tick(self.moment())), *self.send(frame)]

    def frames(self, count: int, person: str | None = "Ada", **fields: Any) -> list[Output]:
        """Show several frames."""
        return [output for _ in range(count) for output in self.frame(person, **fields)]


def _default_rules() -> Rules:
    return rules()


def decisions(outputs: list[Output] | tuple[Output, ...]) -> list[Decision]:
    """Return the decisions among outputs."""
    return [output for output in outputs if isinstance(output, Decision)]


def decision(outputs: list[Output] | tuple[Output, ...]) -> Decision:
    """Return the only decision among outputs."""
    (found,) = decisions(outputs)
    return found


def alarms(outputs: list[Output] | tuple[Output, ...]) -> list[tuple[str, bool]]:
    """Return the alarms among outputs: (kind, active)."""
    return [(output.kind, output.active) for output in outputs if isinstance(output, Alarm)]


def challenges(outputs: list[Output] | tuple[Output, ...]) -> list[int]:
    """Return the tracks of which a challenge was wanted."""
    return [output.track for output in outputs if isinstance(output, ChallengeWanted)]


def opened(outputs: list[Output] | tuple[Output, ...]) -> list[Reason]:
    """Return the reasons of the openings among outputs."""
    return [found.reason for found in decisions(outputs) if found.opens]
