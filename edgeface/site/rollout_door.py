"""What becomes of one door of a roll-out as time passes and its status comes in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edgeface.site.wire import checked
from edgeface.site.wire_task import TASK_REPORT, slower, worse

OPEN = ("working", "watched", "going back")
SILENCE_S = 60.0
"""A door that was not heard from for so long was not healthy meanwhile."""

GRACE_S = 60.0
"""For so long a door may be worse than before, after its restart, and get better again."""

_KEPT = ("edgeface", "bundle", "config", "slot", "model_id", "faults", "latency_p95_ms")


@dataclass(frozen=True)
class Limits:
    """How patient a roll-out is.

    Attributes
    ----------
    pause_s
        Between a door that is done and the next, seconds.
    healthy_s
        For so long a door must be healthy, without interruption, before it is done.
    patience_s
        At most so long each of its steps (installing, becoming healthy, going back) may take.
    """

    pause_s: float = 0.0
    healthy_s: float = 300.0
    patience_s: float = 1800.0


@dataclass(frozen=True)
class RolloutDoor:
    """A door of a roll-out.

    Attributes
    ----------
    state
        "waiting", "working" (it installs), "watched" (installed; is it healthy?), "going back",
        "done", "failed", or "left": the roll-out ended before its turn.
    before
        Its status when its turn came; None before that.
    began_at
        When the present state began.
    good_since, bad_since
        While watched: since when it is healthy, or not.
    told_at
        When its status came last.
    text
        What it says, or why it failed.
    """

    door: str
    place: int
    state: str = "waiting"
    before: Mapping[str, Any] | None = None
    began_at: datetime | None = None
    good_since: datetime | None = None
    bad_since: datetime | None = None
    told_at: datetime | None = None
    text: str = ""

    def begun(self, status: Mapping[str, Any], *, now: datetime) -> RolloutDoor:
        """Return the door at its turn; ``status`` is what it is compared with later."""
        before = {name: status[name] for name in _KEPT if name in status}
        return replace(self._to("working", "its turn", now), before=before, told_at=now)

    def told(self, status: Mapping[str, Any], *, rollout: int, limits: Limits, now: datetime):
        """Return the door after a status of it; itself, where nothing changed."""
        report = _report(status, rollout=rollout)
        heard = replace(self, told_at=now)
        if self.state == "watched":
            return heard._watched(status, limits=limits, now=now, silent=self._silent(now))
        if self.state == "working" and report.get("action") == "take":
            return heard._working(report, now)
        if self.state == "going back" and report.get("action") == "back":
            return heard._going_back(report, now)
        return heard

    def late(self, *, limits: Limits, now: datetime) -> RolloutDoor:
        """Return the door as its patience makes it: failed, where a step took too long."""
        if self.state not in OPEN or (now - self.began_at).total_seconds() < limits.patience_s:
            return self
        if self.state == "watched":
            return self._to("going back", "not healthy in time", now)
        return self._to("failed", f"{self.state} for over {limits.patience_s:g} s", now)

    def _working(self, report: Mapping[str, Any], now: datetime) -> RolloutDoor:
        if report["state"] == "done":
            return self._to("watched", "installed; is it healthy?", now)
        if report["state"] == "failed":
            return self._to("failed", report["text"], now)
        return replace(self, text=report["text"])

    def _going_back(self, report: Mapping[str, Any], now: datetime) -> RolloutDoor:
        if report["state"] == "done":
            return self._to("failed", f"went back: {self.text}", now)
        if report["state"] == "failed":
            return self._to("failed", f"{self.text}; could not go back: {report['text']}", now)
        return self

    def _watched(
        self, status: Mapping[str, Any], *, limits: Limits, now: datetime, silent: bool
    ) -> RolloutDoor:
        problem = worse(self.before, status) or slower(self.before, status)
        if problem:
            since = self.bad_since or now
            if (now - since).total_seconds() >= GRACE_S:
                return self._to("going back", problem, now)
            return replace(self, good_since=None, bad_since=since, text=problem)
        since = now if silent or self.good_since is None else self.good_since
        if (now - since).total_seconds() >= limits.healthy_s:
            return self._to("done", "healthy", now)
        return replace(self, good_since=since, bad_since=None, text="healthy so far")

    def _silent(self, now: datetime) -> bool:
        return self.told_at is None or (now - self.told_at).total_seconds() > SILENCE_S

    def _to(self, state: str, text: str, now: datetime) -> RolloutDoor:
        return replace(self, state=state, text=text, began_at=now, good_since=None, bad_since=None)


def _report(status: Mapping[str, Any], *, rollout: int) -> Mapping[str, Any]:
    """Return what a status tells of a roll-out's step, empty where it tells of none of it."""
    task = status.get("task")
    if task is None:
        return {}
    report = checked(task, TASK_REPORT, what="task of a status")
    return report if report["rollout"] == rollout else {}
