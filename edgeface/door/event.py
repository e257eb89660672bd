"""What reaches the decision engine and what leaves it: plain values, no pixels, no templates."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Union


@dataclass(frozen=True)
class Moment:
    """When something happened.

    Attributes
    ----------
    monotonic
        Seconds of the monotonic clock: every duration is reckoned with it.
    utc
        The same in UTC, aware; None while the wall clock is not to be trusted (no network time
        since start, or it jumped). Schedules and expiry dates are checked with it, and deny
        without it.
    clock
        How good the wall clock is, in words: `edgeface.door.clock.Clock.quality`.
    """

    monotonic: float
    utc: datetime | None
    clock: str = field(default="unsure", compare=False)


@dataclass(frozen=True)
class Observation:
    """What one frame showed.

    Attributes
    ----------
    moment
        When the frame was captured, not when it was looked at.
    track
        Number of the one face that is followed; another number is another visit. None: no face.
    faces
        How many faces the frame shows.
    broken
        Reasons of the quality gate, empty when the face is good enough to be judged.
    person, score, lead
        The gallery's nearest person, the cosine with that person's best template (-1 to 1), and
        its lead over the second person (0 to 2; 2 when there is no second person). None where
        nothing was compared.
    live
        Liveness score, 0 (attack) to 1 (live); None where it was not measured.
    challenge
        "none" (nothing asked), "asked", "passed" or "failed", of this track.
    feed
        "live", or "static": consecutive frames are too equal to come from a living scene.
    """

    moment: Moment
    track: int | None = None
    faces: int = 0
    broken: tuple[str, ...] = ()
    person: str | None = None
    score: float | None = None
    lead: float | None = None
    live: float | None = None
    challenge: str = "none"
    feed: str = "live"


@dataclass(frozen=True)
class Tick:
    """Time passed without a frame."""

    moment: Moment


@dataclass(frozen=True)
class DoorContact:
    """The door's contact says that the door is open, or closed."""

    moment: Moment
    open: bool


@dataclass(frozen=True)
class ExitRequest:
    """Somebody inside pressed the exit button."""

    moment: Moment


@dataclass(frozen=True)
class Tamper:
    """The housing's contact: opened (True) or closed again."""

    moment: Moment
    active: bool


@dataclass(frozen=True)
class Duress:
    """A silent call for help: the door behaves as ever, and an alarm goes out."""

    moment: Moment


@dataclass(frozen=True)
class Maintenance:
    """Maintenance begins or ends; while it lasts no face opens the door."""

    moment: Moment
    on: bool
    by: str


@dataclass(frozen=True)
class Fault:
    """A part failed (active) or works again: "camera", "model", "gallery", "actuator", "audit"."""

    moment: Moment
    part: str
    active: bool
    text: str = ""


@dataclass(frozen=True)
class Card:
    """The card number that Wiegand and OSDP panels know a person by."""

    facility: int
    number: int


@dataclass(frozen=True)
class Subject:
    """What the rules need to know of an enrolled person.

    `templates` says with how many of theirs a face is compared: each may match by chance.
    """

    name: str
    groups: tuple[str, ...] = ()
    blocked: bool = False
    expires_at: datetime | None = None
    card: Card | None = None
    templates: int = 1


@dataclass(frozen=True)
class PeopleChanged:
    """The gallery changed: everybody in it now."""

    moment: Moment
    subjects: tuple[Subject, ...]


Event = Union[
    Observation,
    Tick,
    DoorContact,
    ExitRequest,
    Tamper,
    Duress,
    Maintenance,
    Fault,
    PeopleChanged,
]


class Reason(str, Enum):
    """Why a decision came out as it did; the audit log and the actuators carry the value."""

    RECOGNISED = "recognised"
    TWO_PEOPLE = "two_people"
    EXIT_REQUEST = "exit_request"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    QUALITY = "quality"
    SEVERAL_FACES = "several_faces"
    NOT_LIVE = "not_live"
    STATIC_FEED = "static_feed"
    CHALLENGE_FAILED = "challenge_failed"
    TIMED_OUT = "timed_out"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    SCHEDULE = "schedule"
    CLOCK_UNSURE = "clock_unsure"
    ANTI_PASSBACK = "anti_passback"
    COOL_DOWN = "cool_down"
    RATE_LIMIT = "rate_limit"
    LOCKED_OUT = "locked_out"
    SECOND_PERSON_MISSING = "second_person_missing"
    MAINTENANCE = "maintenance"
    FAULT = "fault"
    STALE_FRAME = "stale_frame"
    DISARMED = "disarmed"


@dataclass(frozen=True)
class Decision:
    """Open or not, and why: one an exit request, or one an attempt of a visit (track).

    A visit may be looked at again after a denial; it opens at most once. What each reason means
    is in docs/decision-engine.md.

    Attributes
    ----------
    moment
        Of the event that decided.
    opens
        True only for RECOGNISED, TWO_PEOPLE and EXIT_REQUEST.
    reason
        Why.
    person
        Who it is for; None unless recognised.
    card
        That person's card number, where one is set.
    with_person
        The first of two people, where the rule asks for two.
    score, lead, live
        The best frame's, as in `Observation`.
    detail
        More words for the log: the gate's reasons, the schedule's name, the part that failed.
    track
        The visit's number.
    pulse_s
        For how long to release the door, seconds; 0 when it does not open.
    frames
        How many frames were looked at until the decision.
    """

    moment: Moment
    opens: bool
    reason: Reason
    person: str | None = None
    card: Card | None = None
    with_person: str | None = None
    score: float | None = None
    lead: float | None = None
    live: float | None = None
    detail: str = ""
    track: int | None = None
    pulse_s: float = 0.0
    frames: int = 0


@dataclass(frozen=True)
class Alarm:
    """Something to tell people of, beginning (active) or ending.

    `kind` is "held_open", "forced", "tamper", "duress", "locked_out", "blocked" (somebody on the
    blocklist is at the door) or "fault". "duress" and "blocked" have no end.
    """

    moment: Moment
    kind: str
    active: bool
    person: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class ChallengeWanted:
    """The rules demand an active challenge of this track before it may open."""

    moment: Moment
    track: int


Output = Union[Decision, Alarm, ChallengeWanted]
