"""The visit of one face: frames are gathered until they suffice, or time is up."""

from __future__ import annotations

from dataclasses import replace

from edgeface.door.engine_access import refusal
from edgeface.door.engine_frame import judge
from edgeface.door.engine_outcome import FINAL, WANTING, Step, admit, deny
from edgeface.door.engine_state import Frame, State, Visit, disarmed
from edgeface.door.event import ChallengeWanted, Moment, Observation, Reason
from edgeface.door.rules import Rules

_TELLING = (
    Reason.STATIC_FEED,
    Reason.NOT_LIVE,
    Reason.FAULT,
    Reason.AMBIGUOUS,
    Reason.UNKNOWN,
    Reason.TIMED_OUT,
    Reason.SEVERAL_FACES,
    Reason.QUALITY,
    Reason.STALE_FRAME,
)
"""Why a visit failed, the most telling first: for at least as many frames as an opening needs."""
_UNFIT = (Reason.SEVERAL_FACES, Reason.QUALITY, Reason.STALE_FRAME)


def observe(state: State, observation: Observation, *, rules: Rules) -> Step:
    """Take one frame in: begin, continue or change the visit, and decide when it can be decided."""
    track, outputs = observation.track, ()
    current = state.visit is not None and state.visit.track == track
    if track is not None and (current or track > state.last_track):
        if not current:
            state, outputs = give_up(state, moment=observation.moment, rules=rules)
            visit = Visit(track, began=state.now, seen=state.now)
            state = replace(state, visit=visit, last_track=track)
        state, more = _look(state, observation, rules)
        outputs = (*outputs, *more)
    captured = observation.moment.monotonic
    if captured > state.newest_frame and captured <= state.now:
        state = replace(state, newest_frame=captured)
    return state, outputs


def _look(state: State, observation: Observation, rules: Rules) -> Step:
    visit = replace(state.visit, seen=state.now, looked=state.visit.looked + 1)
    frame = judge(observation, state=state, visit=visit, rules=rules)
    if visit.watched is None and frame.verdict is not Reason.STALE_FRAME:
        visit = replace(visit, watched=frame.captured)
    if visit.outcome is not None:
        if not _may_retry(visit, frame, state, rules):
            return replace(state, visit=visit), ()
        attempts = visit.attempts + (visit.outcome not in WANTING)
        visit = replace(
            visit, outcome=None, began=state.now, attempts=attempts, counts={}, best=None
        )
    closed, moment = disarmed(state), observation.moment
    if closed:
        reason, detail = closed
        return deny(state, visit, reason=reason, detail=detail, moment=moment, rules=rules)
    return _weigh(state, _with_frame(visit, frame, rules), frame, moment, rules)


def _may_retry(visit: Visit, frame: Frame, state: State, rules: Rules) -> bool:
    if visit.outcome in WANTING:
        return frame.verdict not in _UNFIT
    closed = disarmed(state)
    return (
        visit.outcome not in FINAL
        and visit.attempts < rules.attempts
        and state.now - visit.decided >= rules.retry_s
        # Said already; the attempt is for when the door works again.
        and not (closed and closed[0] is visit.outcome)
    )


def _with_frame(visit: Visit, frame: Frame, rules: Rules) -> Visit:
    number, _ = visit.counts.get(frame.verdict, (0, ""))
    better = frame.score is not None and frame.verdict is not Reason.STALE_FRAME
    better = better and (visit.best is None or frame.score > visit.best.score)
    kept = visit.frames if frame.verdict is Reason.STALE_FRAME else (*visit.frames, frame)
    return replace(
        visit,
        frames=kept[-rules.of :],
        counts={**visit.counts, frame.verdict: (number + 1, frame.detail)},
        best=frame if better else visit.best,
    )


def _weigh(state: State, visit: Visit, frame: Frame, moment: Moment, rules: Rules) -> Step:
    """Decide, if this frame is the one that settles it."""
    for attack in (Reason.CHALLENGE_FAILED, Reason.STATIC_FEED, Reason.NOT_LIVE):
        needed = 1 if attack is Reason.CHALLENGE_FAILED else rules.frames
        if sum(seen.verdict is attack for seen in visit.frames) >= needed:
            return deny(state, visit, reason=attack, moment=moment, rules=rules)
    best = _evidence(visit, frame, rules) if frame.verdict is Reason.RECOGNISED else None
    if best is None:
        return replace(state, visit=visit), ()
    if rules.policy == "passive+challenge" and visit.asked is None:
        subject = state.subjects[best.person]
        if not refusal(state, subject, moment=moment, rules=rules):
            visit = replace(visit, asked=state.now, claimed=best.person, frames=(), counts={})
            return replace(state, visit=visit), (ChallengeWanted(moment, visit.track),)
    return admit(state, visit, person=best.person, best=best, moment=moment, rules=rules)


def _evidence(visit: Visit, newest: Frame, rules: Rules) -> Frame | None:
    """Return the best of the good frames where they suffice, or None.

    `Rules.frames` good ones among the last `Rules.of`, captured within `Rules.window_s`, all of
    one person: two people in one window are a reason to wait. Each is live by itself, and so is
    the mean of all frames of good quality. The track was watched for `Rules.watch_s`, in which a
    still picture shows.
    """
    if newest.captured - visit.watched < rules.watch_s:
        return None
    recent = [seen for seen in visit.frames if newest.captured - seen.captured <= rules.window_s]
    good = [seen for seen in recent if seen.verdict is Reason.RECOGNISED]
    people = {seen.person for seen in recent if seen.matched}
    if len(good) < rules.frames or len(people) != 1:
        return None
    if rules.matching.live is not None:
        live = [s.live for s in recent if s.live is not None and s.verdict not in _UNFIT]
        if sum(live) / len(live) < rules.matching.live:
            return None
    return max(good, key=lambda seen: seen.score)


def visit_elapsed(state: State, *, moment: Moment, rules: Rules) -> Step:
    """Deny a visit whose time is up, or whose face is gone."""
    visit = state.visit
    if visit is None or visit.outcome is not None:
        return state, ()
    begun, allowed = visit.began, rules.give_up_s
    if visit.asked is not None:
        begun, allowed = max(visit.began, visit.asked), rules.challenge_s
    if state.now - begun < allowed and state.now - visit.seen < rules.gone_after_s:
        return state, ()
    return give_up(state, moment=moment, rules=rules)


def give_up(state: State, *, moment: Moment, rules: Rules) -> Step:
    """Deny the visit with the most telling reason, if there is one that is not decided."""
    visit = state.visit
    if visit is None or visit.outcome is not None:
        return state, ()
    reason, detail = disarmed(state) or _most_telling(visit, rules)
    return deny(state, visit, reason=reason, detail=detail, moment=moment, rules=rules)


def _most_telling(visit: Visit, rules: Rules) -> tuple[Reason, str]:
    for reason in _TELLING:
        number, detail = visit.counts.get(reason, (0, ""))
        if number >= rules.frames:
            return reason, detail
    seen = ", ".join(f"{reason.value} {number}" for reason, (number, _) in visit.counts.items())
    return Reason.TIMED_OUT, f"frames: {seen}" if seen else ""
