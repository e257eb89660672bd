"""What goes over a broker in the site's tests: the broker, both ends, and processes of them."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeface.agent.ship import Shipper
from edgeface.door import mqtt_link
from edgeface.site.broker_acl import acl_text
from edgeface.site.collector import Collector
from edgeface.site.events import Events
from tests.door.audit_logs import KEY
from tests.door.broker import PASSWORD, Broker
from tests.door.certificates import Certificates
from tests.site.door_logs import ADA

ROOT = Path(__file__).resolve().parent.parent.parent


def broker_of(broker: Broker, *, user: str, client_id: str = "") -> mqtt_link.Broker:
    """The broker as an agent or a collector knows it, with short patience."""
    return mqtt_link.Broker(
        host="localhost",
        port=broker.port,
        tls=ssl.create_default_context(cafile=str(broker.certificates.authority)),
        client_id=client_id or f"edgeface-{user}",
        username=user,
        password=PASSWORD.encode(),
        timeout_s=2.0,
        longest_pause_s=1.0,
    )


@contextmanager
def running(folder: Path, certificates: Certificates, **settings) -> Iterator[Broker]:
    acl = acl_text(readers=["house"])
    broker = Broker(
        folder, certificates, users=("site", "north", "south", "house"), acl=acl, **settings
    )
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def site_says(shipper: Shipper, events: Events, door: str = "north") -> Iterator[None]:
    """What the agent does: it tells its shipper what the site has, as soon as that changes."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(0.1):
            shipper.received(events.received(door))

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def shipper_of(broker: Broker, folder: Path, **settings) -> Shipper:
    usual = {"key": KEY, "door": "north", "lines_per_s": 5000, "patience_s": 1.0}
    settings = {**usual, "uids": lambda: {"Ada Lovelace": ADA}, **settings}
    return Shipper(folder, broker=broker_of(broker, user=settings["door"]), **settings)


def collector_of(broker: Broker, events: Events) -> Collector:
    return Collector(events, broker_of(broker, user="site"))


class Part:
    """A process of parts_worker.py, which may be killed at any moment and started again."""

    def __init__(self, kind: str, **settings) -> None:
        self._command = [sys.executable, "-m", "tests.site.parts_worker", kind]
        self._settings = json.dumps(settings)
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([*self._command, self._settings], cwd=ROOT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def part_of(kind: str, broker: Broker, conninfo: str, folder: Path, key: Path) -> Part:
    return Part(
        kind,
        key=str(key),
        port=broker.port,
        authority=str(broker.certificates.authority),
        conninfo=conninfo,
        folder=str(folder),
    )


@contextmanager
def at_work(*parts: Part) -> Iterator[None]:
    try:
        for part in parts:
            part.start()
        yield
    finally:
        for part in parts:
            part.kill()
