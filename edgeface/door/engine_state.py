"""What the decision engine remembers: little, bounded, and replaced at every step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeface.door.event import Reason, Subject

MOST_FAULTS = 16
"""Parts whose faults are told apart; beyond them a part is called "others"."""


@dataclass(frozen=True)
class Frame:
    """What one frame was worth.

    `verdict` is RECOGNISED for a frame that may open, else why it may not. Numbers out of their
    range are None. `matched` says that it shows `person`, whatever became of a challenge.
    """

    captured: float
    verdict: Reason
    detail: str = ""
    matched: bool = False
    person: str | None = None
    score: float | None = None
    lead: float | None = None
    live: float | None = None


@dataclass(frozen=True)
class Visit:
    """One face, from when it is first seen until it is gone.

    Attributes
    ----------
    track
        Its number.
    began
        When the current attempt began, monotonic seconds as all times here.
    seen
        When its last frame arrived.
    watched
        When its first frame was captured, since the door was last disarmed.
    looked
        Frames of all its attempts.
    frames
        The last `Rules.of` frames of the attempt, oldest first.
    counts
        Frames of the attempt by verdict, and the last one's detail.
    best
        The frame of the attempt with the highest score.
    outcome, decided
        How and when the attempt ended; None while it goes on.
    attempts
        How many there were, this one included, without those that failed for want of good frames.
    counted
        It already counts towards the lock-out.
    asked, claimed
        When the challenge was asked, and as whom the face was known then.
    """

    track: int
    began: float
    seen: float
    watched: float | None = None
    looked: int = 0
    frames: tuple[Frame, ...] = ()
    counts: Mapping[Reason, tuple[int, str]] = field(default_factory=dict)
    best: Frame | None = None
    outcome: Reason | None = None
    decided: float = -math.inf
    attempts: int = 1
    counted: bool = False
    asked: float | None = None
    claimed: str | None = None


@dataclass(frozen=True)
class Entry:
    """Somebody was let in: when, and whether anti-passback takes them to be inside still."""

    at: float
    inside: bool


@dataclass(frozen=True)
class Pending:
    """The first of two people, waiting for the second."""

    person: str
    groups: frozenset[str]
    track: int
    at: float


@dataclass(frozen=True)
class State:
    """Everything between two steps.

    Attributes
    ----------
    now
        The newest event's monotonic seconds.
    newest_frame
        When the newest frame so far was captured.
    behind
        The clock went backwards, and has not caught up.
    subjects, threshold
        The gallery's people by name, and the least cosine of a match among them.
    visit, last_track
        Who is at the door, and the highest number so far: tracks never come back.
    faults, maintenance, tamper
        What keeps faces from opening.
    denied, locked_until
        When visits were denied that count towards the lock-out; its end, None when there is none.
    openings
        When faces opened, in the last minute.
    entries
        Who was let in, as far back as cool-down and anti-passback reach.
    pending
        The first of two people.
    duress_until
        Until when an opening is reported as one under duress.
    contact, opened
        What the door's contact last said (None: nothing yet), and since when the door is open.
    released_until
        Until when opening the door is no break-in.
    unused
        Whom the last opening let in, while the door has not been opened since.
    held, forced
        Alarms that are on.
    """

    now: float = 0.0
    newest_frame: float = -math.inf
    behind: bool = False
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    threshold: float = 1.0
    visit: Visit | None = None
    last_track: int = -1
    faults: frozenset[str] = frozenset()
    maintenance: bool = False
    tamper: bool = False
    denied: tuple[float, ...] = ()
    locked_until: float | None = None
    openings: tuple[float, ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)
    pending: Pending | None = None
    duress_until: float = -math.inf
    contact: bool | None = None
    opened: float | None = None
    released_until: float = -math.inf
    unused: tuple[str, ...] = ()
    held: bool = False
    forced: bool = False


def disarmed(state: State) -> tuple[Reason, str] | None:
    """Return why no face may open the door now and a word more, or None."""
    if state.faults:
        return Reason.FAULT, ", ".join(sorted(state.faults))
    if state.behind:
        return Reason.DISARMED, "the monotonic clock went backwards"
    if state.tamper:
        return Reason.DISARMED, "the housing is open"
    if state.maintenance:
        return Reason.MAINTENANCE, ""
    if state.locked_until is not None:
        return Reason.LOCKED_OUT, ""
    return None
