"""Audit logs for tests: a key, a door, decisions, and a clock that the test moves."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from edgeface.door.audit import AuditKey, AuditLog, Build
from edgeface.door.audit_entry import decode
from edgeface.door.event import Alarm, Decision, Moment, Reason

KEY = AuditKey.generate()
BUILD = Build("default 0.3.0", "1201ffab7fa28f63", "c0ffee")
BEGAN = datetime(2030, 1, 1, 8, 0, tzinfo=timezone.utc)


class DoorClock:
    """A clock that stands still until `seconds` is changed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.trusted = True

    def __call__(self) -> Moment:
        utc = BEGAN + timedelta(seconds=self.seconds) if self.trusted else None
        return Moment(1000.0 + self.seconds, utc)


def open_log(path: Path, **changes: Any) -> AuditLog:
    """The log in a folder, by a key that all tests share."""
    settings: dict[str, Any] = {"key": KEY, "door": "north", "build": BUILD, "now": DoorClock()}
    return AuditLog(path, **{**settings, **changes})


def opening(person: str = "Ada Lovelace", *, at: Moment | None = None, **changes: Any) -> Decision:
    """A door that opens for somebody."""
    values = {"person": person, "score": 0.61234567, "lead": 0.4, "live": 0.97, "track": 3}
    values = {**values, "pulse_s": 5.0, "frames": 4, **changes}
    return Decision(at or DoorClock()(), True, Reason.RECOGNISED, **values)


def denial(reason: Reason = Reason.UNKNOWN, **changes: Any) -> Decision:
    """A door that stays shut."""
    return Decision(DoorClock()(), False, reason, **changes)


def tamper() -> Alarm:
    """An alarm."""
    return Alarm(DoorClock()(), "tamper", True)


def lines(path: Path) -> list[bytes]:
    """Every line of a log's folder, with its line end, in order."""
    return [
        line
        for file in sorted(path.glob("audit-*.jsonl"))
        for line in file.read_bytes().splitlines(keepends=True)
    ]


def entries(path) -> list[dict]:
    """Every entry, decoded; checks the chain on the way."""
    found = [decode(line[:-1]) for line in lines(path)]
    for before, after in zip(found, found[1:]):
        assert (after["seq"], after["prev"]) == (before["seq"] + 1, before["hash"])
    return found


def kinds(path) -> list[str]:
    return [entry["kind"] for entry in entries(path)]
