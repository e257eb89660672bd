"""A site with something on every page: people of random numbers, doors, visits, an erasure."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from edgeface.door.audit_entry import decode
from edgeface.door.event import Alarm, Decision, Fault, Moment, Reason
from edgeface.site.site import Site
from tests.door.audit_logs import KEY, lines, open_log

BY = "user:owner"
PEOPLE = {
    "Ada Lovelace": {"groups": ["staff"]},
    "Alan Turing": {"groups": ["staff", "night"], "blocked": True},
    "Grace Hopper": {"groups": ["staff"], "card": (12, 3456)},
    "Katherine Johnson": {"groups": ["night"], "expires_at": "2027-03-01"},
    "Margaret Hamilton": {"groups": ["staff"], "expires_at": "2026-10-01"},
}
STATUS = {
    **{"edgeface": "1.0.0", "bundle": "default 0.5.0", "model_id": "m", "config": "c0ffee"},
    **{"rules": 12, "people": 5, "clock": "synchronised", "faults": {}, "temperature_c": 51.0},
    **{"frames_per_s": 14.8, "latency_p50_ms": 92.0, "latency_p95_ms": 141.0, "unsent": 0},
}
HOT = {**STATUS, "temperature_c": 84.0, "faults": {"camera": "no frame for 4 s"}, "clock": "unsure"}
DOORS = {"goods-in": STATUS, "laboratory": HOT, "main-entrance": STATUS}


def furnish(site: Site, folder: Path) -> None:
    """Fill a site's pages."""
    days, times = ["mon", "tue", "wed", "thu", "fri"], ["07:00-12:30", "13:00-19:00"]
    site.rules.put_schedule("office-hours", {"days": days, "times": times}, by=BY)
    site.rules.put_schedule("nights", {"times": ["22:00-06:00"], "holidays": "as_usual"}, by=BY)
    site.rules.put_group("staff", {"schedule": "office-hours"}, by=BY)
    site.rules.put_group("night", {"schedule": "nights", "two_people": True}, by=BY)
    uids = {name: _enrol(site, name, changes) for name, changes in PEOPLE.items()}
    for number, (door, status) in enumerate(DOORS.items()):
        site.doors.add(door, groups=["staff", "night"], by=BY)
        site.doors.report(door, status)
        _visits(site, folder / door, door, uids, skip=number)
    site.doors.add("roof", groups=["staff"], by=BY)
    site.people.erase(_enrol(site, "Somebody Else", {"groups": ["night"]}), by=BY)
    _rollouts(site, folder)
    site.tokens.add("attendance report", scopes=["events:read", "people:read"], by=BY)


def _enrol(site: Site, name: str, changes: dict) -> str:
    random = np.random.default_rng(sum(name.encode()))
    own = random.normal(size=site.people.dim)
    rows = (own + 0.5 * random.normal(size=(3, site.people.dim))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    consent = {"consent_at": "2026-09-01"}
    return site.people.enrol(name, rows, by=BY, changes={**consent, **changes}).uid


def _rollouts(site: Site, folder: Path) -> None:
    """One that stopped at its first door, and one at work."""
    (folder / "door.toml").write_text("[decision]\npulse_s = 4\n")
    for state in ("failed", "working"):
        rollout = site.rollouts.create("config", folder / "door.toml", doors=[*DOORS], by=BY)
        site.rollouts.report("goods-in", STATUS)
        task = {"rollout": rollout.head.id, "action": "take", "state": state, "text": "a test"}
        site.rollouts.report("goods-in", {**STATUS, "task": task})


def _visits(site: Site, folder: Path, door: str, uids: dict[str, str], *, skip: int) -> None:
    began = datetime.now(timezone.utc) - timedelta(minutes=50 + 7 * skip)
    moments = (Moment(float(minute), began + timedelta(minutes=minute)) for minute in range(50))
    with open_log(folder, door=door, now=lambda: next(moments)) as log:
        for happened in list(_day(moments))[skip:]:
            log.write(happened)
    of = decode(lines(folder)[0].rstrip(b"\n"))["log"]
    people = {KEY.pseudonym(name): uid for name, uid in uids.items()}
    for line in lines(folder)[:-2]:  # it still runs: no stop
        site.events.receive(door, line.rstrip(b"\n"), people, log=of)


def _day(moments):
    seen = {"score": 0.71, "lead": 0.4, "live": 0.97, "track": 1, "frames": 5}
    for name in ("Ada Lovelace", "Grace Hopper"):
        yield Decision(next(moments), True, Reason.RECOGNISED, name, pulse_s=5.0, **seen)
    yield Decision(next(moments), False, Reason.UNKNOWN, score=0.2, live=0.9, frames=5)
    yield Decision(next(moments), False, Reason.SCHEDULE, "Katherine Johnson", **seen)
    yield Decision(next(moments), True, Reason.EXIT_REQUEST, pulse_s=5.0)
    yield Decision(next(moments), False, Reason.NOT_LIVE, score=0.6, live=0.02, frames=5)
    yield Decision(next(moments), False, Reason.BLOCKED, "Alan Turing", **seen)
    yield Alarm(next(moments), "blocked", True, "Alan Turing")
    yield Alarm(next(moments), "held_open", True)
    yield Alarm(next(moments), "held_open", False)
    yield Fault(next(moments), "camera", True, "no frame for 4 s")
