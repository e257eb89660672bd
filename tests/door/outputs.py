"""Outputs of the door for tests of actuators, and patience."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from edgeface.door.event import Alarm, Card, Decision, Moment, Reason

NAME = "Grace Hopper"
CARD = Card(facility=17, number=4242)


def moment() -> Moment:
    """Now, on a door whose clock is right."""
    return Moment(time.monotonic(), datetime.now(timezone.utc))


def opening(*, person: str = NAME, card: Card | None = CARD, pulse_s: float = 0.2) -> Decision:
    """A decision that opens."""
    return Decision(
        moment(),
        opens=True,
        reason=Reason.RECOGNISED,
        person=person,
        card=card,
        score=0.61234,
        lead=0.3,
        live=0.97,
        track=7,
        pulse_s=pulse_s,
        frames=4,
    )


def denial() -> Decision:
    """A decision that does not."""
    return Decision(moment(), opens=False, reason=Reason.UNKNOWN, score=0.1, track=8, frames=9)


def alarm(kind: str = "tamper", *, active: bool = True) -> Alarm:
    """An alarm."""
    return Alarm(moment(), kind, active)


def tells_who(payload: bytes) -> bool:
    """Whether a message has the name or the card's number; ids and times have any digits."""
    text = re.sub(rb'"(event_id|at)": "[^"]*"', b"", payload).decode()
    return NAME in text or str(CARD.number) in text or '"card"' in text


def wait_until(ready: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Return as soon as `ready` says so; fail after a time."""
    until = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < until, f"not within {within_s} s"
        time.sleep(0.005)


def report_delays(name: str, delays_s: Sequence[float]) -> float:
    """Print p50 and p99 of some seconds, and return p50 in seconds."""
    ordered = sorted(delays_s)
    p50, p99 = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
    sys.stdout.write(
        f"\n{name}: p50 {1e3 * p50:.2f} ms, p99 {1e3 * p99:.2f} ms of {len(ordered)}\n"
    )
    return p50
