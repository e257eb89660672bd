"""A collector or an agent's shipper as a process of its own, to be killed by tests."""

from __future__ import annotations

import json
import ssl
import sys
import time
from pathlib import Path

from edgeface.agent.ship import Shipper
from edgeface.door.audit import AuditKey
from edgeface.door.mqtt_link import Broker
from edgeface.errors import SiteError
from edgeface.site.collector import Collector
from edgeface.site.database import Database
from edgeface.site.events import Events
from tests.door.broker import PASSWORD


def main(kind: str, settings: str) -> None:
    """Work until killed."""
    told = json.loads(settings)
    with Database(told["conninfo"], most=2, timeout_s=10.0) as database:
        {"collect": _collect, "ship": _ship}[kind](Events(database), told)


def _collect(events: Events, told: dict) -> None:
    with Collector(events, _broker(told, "site")):
        while True:
            time.sleep(1)


def _ship(events: Events, told: dict) -> None:
    shipper = Shipper(
        Path(told["folder"]),
        key=AuditKey.load(told["key"]),
        broker=_broker(told, "north"),
        door="north",
        uids=dict,
        lines_per_s=5000,
        patience_s=1.0,
    )
    shipper.start()
    while True:
        try:
            shipper.received(events.received("north"))
        except SiteError:
            pass  # as an agent whose site does not answer
        time.sleep(0.1)


def _broker(told: dict, user: str) -> Broker:
    return Broker(
        host="localhost",
        port=told["port"],
        tls=ssl.create_default_context(cafile=told["authority"]),
        client_id=f"edgeface-{user}",
        username=user,
        password=PASSWORD.encode(),
        timeout_s=2.0,
        longest_pause_s=1.0,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
