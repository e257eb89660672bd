"""The oracle's own look at the frames before an opening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeface.door.event import Decision, Observation, Output, Subject
from edgeface.door.rules import Rules
from tests.door.door_oracle_access import needed_cosine


@dataclass(frozen=True)
class Seen:
    """One event of the history: when it took effect, who was enrolled then, what came of it."""

    now: float
    event: Any
    people: dict[str, Subject]
    newest: float  # capture time of the newest frame before
    outputs: tuple[Output, ...] = ()


def evidence_problem(
    history: Sequence[Seen], found: Decision, *, begin: int, rules: Rules
) -> tuple[str, bool, str] | None:
    """Return which invariant the frames before an opening break, False and how, or None.

    Only frames from index ``begin`` on may count; the last event's frame decided.
    """
    frames = [seen for seen in history[begin:] if _counts(seen, found.track, rules)]
    newest = history[-1].event.moment.monotonic
    recent = [
        seen
        for seen in frames[-rules.of :]
        if newest - seen.event.moment.monotonic <= rules.window_s
    ]
    good = [seen.event for seen in recent if _good(seen, rules)]
    own = [frame for frame in good if frame.person == found.person]
    if len(own) < rules.frames:
        return "evidence", False, f"{len(own)} good frames"
    if len(own) < len(good):
        return "same", False, f"{len(good) - len(own)} of others"
    passed = sum(frame.challenge == "passed" for frame in own)
    if rules.policy == "passive+challenge" and passed < rules.frames:
        return "challenge", False, f"passed in {passed}"
    return None if rules.policy == "none" else _liveness_problem(recent, rules)


def watched_s(history: Sequence[Seen], track: int, *, begin: int, rules: Rules) -> float:
    """Return how long a track was seen until the last event, in frames from an index on."""
    frames = [seen.event for seen in history[begin:] if _counts(seen, track, rules)]
    return frames[-1].moment.monotonic - frames[0].moment.monotonic if frames else 0.0


def _liveness_problem(recent: list[Seen], rules: Rules) -> tuple[str, bool, str] | None:
    live = [s.event.live for s in recent if not s.event.broken and _is_share(s.event.live)]
    mean = sum(live) / len(live)
    return None if mean >= rules.matching.live - 1e-9 else ("liveness", False, f"{live}")


def _counts(seen: Seen, track: int, rules: Rules) -> bool:
    frame = seen.event
    if not isinstance(frame, Observation) or frame.track != track:
        return False
    captured = frame.moment.monotonic
    return seen.now - captured <= rules.max_frame_age_s and captured > seen.newest


def _good(seen: Seen, rules: Rules) -> bool:
    frame, matching = seen.event, rules.matching
    if frame.person not in seen.people or frame.score is None or frame.lead is None:
        return False
    live = rules.policy == "none" or (_is_share(frame.live) and frame.live >= matching.live)
    return (
        live
        and not frame.broken
        and frame.feed == "live"
        and frame.challenge in ("none", "passed")
        and needed_cosine(seen.people.values(), rules=rules) - 1e-9 <= frame.score < 1.01
        and matching.lead <= frame.lead < 2.01
    )


def _is_share(number: float | None) -> bool:
    return number is not None and 0 <= number <= 1
