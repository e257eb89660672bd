"""All doors at a glance: how each is, what it did today, and its part in a roll-out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from edgeface.site.doors import Doors
from edgeface.site.events import Events
from edgeface.site.fleet_view import fleet_view, midnight
from edgeface.site.rollout import Rollouts
from edgeface.site.rules import SiteRules
from tests.site.door_logs import arrivals, write_log
from tests.site.test_rollout import STATUS

DAY = timedelta(days=1)
LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)


def test_versions_figures_counts_and_roll_out_are_joined(database, tmp_path):
    doors, events = Doors(database), Events(database)
    rollouts = Rollouts(database, tmp_path / "rollouts")
    for name in ("south", "north"):
        doors.add(name, groups=("default",), by="user:ada")
    doors.report("north", {**STATUS, "temperature_c": 61.5})
    events.receive_all(arrivals(write_log(tmp_path / "log", visits=9)))
    change = tmp_path / "change.toml"
    change.write_text("[camera]\nfps = 10\n")
    rollouts.create("config", change, doors=["south"], by="user:ada")

    north, south = fleet_view(doors, events, rollouts, since=LONG_AGO)
    assert (north.entry.name, north.opened, north.denied, north.rollout) == ("north", 6, 3, None)
    status = north.entry.status
    assert (status["edgeface"], status["temperature_c"], status["latency_p95_ms"]) == (
        *("0.6.0", 61.5),
        100.0,
    )
    assert (south.entry.status, south.opened, south.denied) == (None, 0, 0)
    assert south.rollout == "waiting"
    later = fleet_view(doors, events, rollouts, since=datetime.now(timezone.utc) + DAY)
    assert (later[0].opened, later[0].denied) == (0, 0)


def test_today_begins_at_the_sites_own_midnight(database):
    rules, now = SiteRules(database), datetime(2030, 1, 31, 0, 30, tzinfo=timezone.utc)
    assert midnight(rules, now=now) == datetime(2030, 1, 31, tzinfo=timezone.utc)
    rules.put_decision({"time_zone": "Europe/Berlin"}, by="user:ada")
    assert midnight(rules, now=now) == datetime(2030, 1, 30, 23, tzinfo=timezone.utc)
