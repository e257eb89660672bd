"""What one frame is worth: may it count towards an opening, and if not, why?"""

from __future__ import annotations

from typing import Optional

from edgeface.door.engine_state import Frame, State, Visit
from edgeface.door.event import Observation, Reason
from edgeface.door.rules import Rules

# A cosine of unit vectors may pass 1 by a rounding error.
_SCORE, _LEAD, _LIVE = (-1.001, 1.001), (0.0, 2.002), (0.0, 1.0)
_Verdict = Optional[tuple[Reason, str]]


def judge(observation: Observation, *, state: State, visit: Visit, rules: Rules) -> Frame:
    """Return the frame with its verdict; the first rule that it breaks says why.

    In this order: too old or out of order, a failed challenge, quality, a frozen feed, liveness, a
    number that is none, nobody, the second person too near, a challenge not passed yet.
    """
    flaw = (
        _age(observation, state, rules)
        or _failed(observation)
        or _quality(observation)
        or _attack(observation, rules)
        or _identity(observation, state, rules)
    )
    verdict, detail = flaw or _challenge(observation, visit, rules) or (Reason.RECOGNISED, "")
    return Frame(
        captured=observation.moment.monotonic,
        verdict=verdict,
        detail=detail,
        matched=flaw is None,
        person=observation.person,
        score=_within(observation.score, *_SCORE),
        lead=_within(observation.lead, *_LEAD),
        live=_within(observation.live, *_LIVE),
    )


def _age(observation: Observation, state: State, rules: Rules) -> _Verdict:
    captured = observation.moment.monotonic
    # Not "older than": a time that is no number is never young enough.
    if not state.now - captured <= rules.max_frame_age_s:
        return Reason.STALE_FRAME, "captured too long ago"
    if captured <= state.newest_frame:
        return Reason.STALE_FRAME, "captured no later than one before it"
    return None


def _failed(observation: Observation) -> _Verdict:
    # Before quality: whoever turns away on request is in side pose.
    return (Reason.CHALLENGE_FAILED, "") if observation.challenge == "failed" else None


def _quality(observation: Observation) -> _Verdict:
    if "several_faces" in observation.broken:
        return Reason.SEVERAL_FACES, ""
    if observation.broken:
        return Reason.QUALITY, ", ".join(observation.broken)
    return None


def _attack(observation: Observation, rules: Rules) -> _Verdict:
    if observation.feed != "live":
        return Reason.STATIC_FEED, ""
    least = rules.matching.live
    if least is None:
        return None
    if observation.live is None:
        return Reason.TIMED_OUT, "liveness was not measured"
    if _within(observation.live, *_LIVE) is None:
        return Reason.FAULT, "a liveness score that is none"
    return None if observation.live >= least else (Reason.NOT_LIVE, "")


def _identity(observation: Observation, state: State, rules: Rules) -> _Verdict:
    score, lead = observation.score, observation.lead
    if observation.person is None or score is None or lead is None:
        return Reason.UNKNOWN, ""
    if _within(score, *_SCORE) is None or _within(lead, *_LEAD) is None:
        return Reason.FAULT, "a score or lead that is none"
    if score < state.threshold or observation.person not in state.subjects:
        return Reason.UNKNOWN, ""
    if lead < rules.matching.lead or lead == 0:
        return Reason.AMBIGUOUS, ""
    return None


def _challenge(observation: Observation, visit: Visit, rules: Rules) -> _Verdict:
    if rules.policy == "passive+challenge" and visit.asked is not None:
        if observation.challenge != "passed":
            return Reason.TIMED_OUT, "the challenge was not passed"
        if observation.person != visit.claimed:
            return Reason.AMBIGUOUS, "another person than the one who was challenged"
        return None
    if observation.challenge not in ("none", "passed"):
        return Reason.TIMED_OUT, "the challenge was not passed"
    return None


def _within(number: float | None, low: float, high: float) -> float | None:
    return number if number is not None and low <= number <= high else None
