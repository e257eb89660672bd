"""All doors at a glance: what each said of itself, what it did today, its part in a roll-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from edgeface.site.doors import DoorEntry, Doors
from edgeface.site.events import Count, Events
from edgeface.site.rollout import Rollout, Rollouts
from edgeface.site.rules import SiteRules


@dataclass(frozen=True)
class DoorView:
    """A door as the pages of doors and of the site's health show it.

    Attributes
    ----------
    entry
        With ``status``: versions, temperature, latencies, faults, as the door last told them.
    opened, denied
        How often it opened and did not, since midnight.
    rollout
        Its state in the roll-out that runs, as `edgeface.site.rollout_door.RolloutDoor`; None
        where none runs, or not for it.
    """

    entry: DoorEntry
    opened: int
    denied: int
    rollout: str | None


def fleet_view(
    doors: Doors, events: Events, rollouts: Rollouts, *, since: datetime
) -> tuple[DoorView, ...]:
    """Return every door, in the order of their names; counts begin at ``since`` (aware)."""
    counts, running = events.counts(since), rollouts.running()
    return tuple(_view(entry, counts.get(entry.name), running) for entry in doors.all())


def midnight(rules: SiteRules, *, now: datetime | None = None) -> datetime:
    """Return when today began, in the time zone of the site's [decision]; UTC without one."""
    zone = ZoneInfo(rules.decision().get("time_zone", "UTC"))
    here = (now or datetime.now(timezone.utc)).astimezone(zone)
    return here.replace(hour=0, minute=0, second=0, microsecond=0)


def _view(entry: DoorEntry, count: Count | None, running: Sequence[Rollout]) -> DoorView:
    states = [row.state for one in running for row in one.doors if row.door == entry.name]
    opened, denied = (count.opened, count.denied) if count else (0, 0)
    return DoorView(entry, opened, denied, states[0] if states else None)
