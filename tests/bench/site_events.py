"""``python -m tests.bench.site_events``: doors that are busier than any, all of it real.

Three doors write their logs (each line on the disk before the next), agents' shippers send them
over mosquitto with TLS, the collector puts them into PostgreSQL. Prints from when a line was on the
door's disk until the site has it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgeface.door.audit import system_moment
from edgeface.site.broker_acl import acl_text
from edgeface.site.database import Database
from edgeface.site.events import Events
from tests.door.audit_logs import denial, open_log, opening
from tests.door.broker import Broker
from tests.door.certificates import make_certificates
from tests.site.brokers import collector_of, shipper_of, site_says
from tests.site.postgres import Postgres

DOORS = ("east", "north", "south")
_LOOK_S = 0.01
_PATIENCE_S = 60.0


@dataclass
class BusyDoor:
    """A door that writes so many events a second, and when each was written and arrived."""

    name: str
    folder: Path
    per_s: float
    written: dict[int, float] = field(default_factory=dict)
    arrived: dict[int, float] = field(default_factory=dict)

    def work(self, seconds: float) -> None:
        """Write for so long."""
        begun = time.monotonic()
        with open_log(self.folder, door=self.name, now=system_moment) as log:
            for number in range(round(seconds * self.per_s)):
                time.sleep(max(0.0, begun + number / self.per_s - time.monotonic()))
                moment = system_moment()
                one = denial() if number % 3 == 2 else opening(at=moment)
                self.written[log.write(one)] = time.monotonic()

    def look(self, events: Events) -> None:
        """Note what has arrived since."""
        for through in events.received(self.name).values():
            now = time.monotonic()
            for seq in [s for s in list(self.written) if s <= through and s not in self.arrived]:
                self.arrived[seq] = now

    def delays(self, *, after: float) -> np.ndarray:
        """Seconds from written, if after that moment, to arrived, (N,)."""
        return np.array([self.arrived[seq] - at for seq, at in self.written.items() if at > after])


def measure(folder: Path, *, seconds: float, per_s: float) -> dict[str, np.ndarray]:
    """Let the doors work, and wait until all has arrived; return each one's delays, seconds."""
    doors = [BusyDoor(name, folder / name, per_s) for name in DOORS]
    with ExitStack() as opened:
        server = Postgres(folder / "postgres", durable=True)
        server.start()
        opened.callback(server.stop)
        database = opened.enter_context(Database(server.create()))
        events = Events(database)
        broker = Broker(
            folder, make_certificates(folder / "tls"), users=("site", *DOORS), acl=acl_text()
        )
        broker.start()
        opened.callback(broker.kill)
        opened.enter_context(collector_of(broker, events))
        writers = [threading.Thread(target=door.work, args=(seconds,)) for door in doors]
        for writer in writers:
            writer.start()
        time.sleep(1)  # their logs are there
        for door in doors:
            shipper = opened.enter_context(shipper_of(broker, door.folder, door=door.name))
            shipper.start()
            opened.enter_context(site_says(shipper, events, door.name))
        connected = time.monotonic() + 1
        _until_all_arrived(doors, events, writers)
    return {door.name: door.delays(after=connected) for door in doors}


def _until_all_arrived(
    doors: list[BusyDoor], events: Events, writers: list[threading.Thread]
) -> None:
    patience = None
    while patience is None or time.monotonic() < patience:
        for door in doors:
            door.look(events)
        if patience is None and not any(writer.is_alive() for writer in writers):
            patience = time.monotonic() + _PATIENCE_S
        if patience and all(len(door.arrived) == len(door.written) for door in doors):
            return
        time.sleep(_LOOK_S)
    raise AssertionError({door.name: len(door.written) - len(door.arrived) for door in doors})


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--per-second", type=float, default=20, help="events of each door")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgeface-events-") as folder:
        Path(folder).chmod(0o711)
        found = measure(Path(folder), seconds=asked.seconds, per_s=asked.per_second)
    for name, delays in found.items():
        p50, p99, most = (1000 * np.quantile(delays, q) for q in (0.5, 0.99, 1))
        print(f"{name}: {len(delays)} events, {p50:.0f} / {p99:.0f} / {most:.0f} ms")


if __name__ == "__main__":
    main()
