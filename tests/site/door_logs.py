"""Doors' audit logs for tests of a site: real ones, and their lines as an agent sends them."""

from __future__ import annotations

import json
from pathlib import Path

from edgeface.site.events import Arrival, Events
from tests.door.audit_logs import KEY, denial, lines, open_log, opening

ADA = "a" * 32
PEOPLE = {KEY.pseudonym("Ada Lovelace"): ADA}


def write_log(folder: Path, *, visits: int, door: str = "north", **settings) -> Path:
    """A log of a door that let Ada in, and now and then nobody."""
    with open_log(folder, door=door, **settings) as log:
        for number in range(visits):
            log.write(denial() if number % 3 == 2 else opening())
    return folder


def arrivals(folder: Path, *, door: str = "north") -> list[Arrival]:
    """Every line of a log, in order."""
    found = [line.rstrip(b"\n") for line in lines(folder)]
    log_id = json.loads(found[0])["log"]
    return [Arrival(door, log_id, line, PEOPLE) for line in found]


def noticed(events: Events, kind: str) -> list[str]:
    """What the site noticed of a kind, newest first."""
    return [event.detail for event in events.find(kind=kind).events]
