"""Killed at any moment: broker, collector, database, agent. Each line comes once all the same."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from edgeface.door.audit import AuditKey, Limits
from edgeface.door.audit_key import make_audit_key
from edgeface.errors import SiteError
from edgeface.site.database import Database
from edgeface.site.events import Events
from tests.door.audit_logs import lines
from tests.door.outputs import wait_until
from tests.faults import ram_folder
from tests.site.brokers import at_work, collector_of, part_of, running, shipper_of, site_says
from tests.site.door_logs import write_log
from tests.site.postgres import Postgres


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A door's key, for processes that share it."""
    file = tmp_path_factory.mktemp("key") / "audit.pem"
    make_audit_key(file)
    return file


@pytest.fixture(scope="module")
def long_log(key: Path) -> Iterator[Path]:
    """A door's log of more than 2 000 lines, in several files."""
    with ram_folder() as place:
        limits = Limits(rotate_mib=0.3)
        yield write_log(place / "audit", visits=2000, limits=limits, key=AuditKey.load(key))


def lines_in(database: Database) -> int:
    with database.transaction() as connection:
        query = "SELECT count(*) FROM event WHERE log IS NOT NULL"
        return connection.execute(query).fetchone()[0]


def check_whole(events: Events, *, lines: int, key: AuditKey) -> None:
    """Everything is there, once, verified by the door's key, and nothing odd was noticed."""
    report = events.verify("north")
    assert report.keys == (key.id,) and report.whole, report
    assert [log.report.entries for log in report.logs] == [lines]
    assert lines_in(events._database) == lines


def killed_on_the_way(database: Database, killed: Sequence, *, lines: int) -> None:
    """Kill one after the other and start it again, each when more of the lines have come."""
    for number, part in enumerate(killed, 1):
        share = number * lines // (len(killed) + 1)
        wait_until(lambda share=share: _lines_or_zero(database) >= share, within_s=60)
        part.kill()
        part.start()


def _lines_or_zero(database: Database) -> int:
    try:
        return lines_in(database)
    except SiteError:
        return 0


def test_everything_killed_in_turn_on_the_way_loses_nothing(broker, long_log, key, tmp_path):
    server = Postgres(tmp_path / "postgres", durable=True)
    server.start()
    count = len(lines(long_log))
    with Database(server.create(), most=4, timeout_s=1.0) as database:
        parts = [
            part_of(kind, broker, database.conninfo, long_log, key) for kind in ("collect", "ship")
        ]
        with at_work(*parts):
            killed_on_the_way(database, (broker, *parts, server), lines=count)
            wait_until(lambda: _lines_or_zero(database) == count, within_s=60)
        check_whole(Events(database), lines=count, key=AuditKey.load(key))
    server.stop()


@pytest.mark.kills
@pytest.mark.parametrize("durable", [False, True])
def test_broker_killed_on_the_way_loses_nothing(
    tmp_path, certificates, database, long_log, key, durable
):
    events, count = Events(database), len(lines(long_log))
    with running(tmp_path, certificates, durable=durable) as broker:
        with (
            collector_of(broker, events),
            shipper_of(broker, long_log, key=AuditKey.load(key)) as shipper,
        ):
            shipper.start()
            began = time.monotonic()
            with site_says(shipper, events):
                killed_on_the_way(database, [broker] * 3, lines=count)
                wait_until(lambda: shipper.unsent() == 0, within_s=60)
            took = time.monotonic() - began
    sys.stdout.write(f"\n{count} lines, broker killed three times: {took:.1f} s")
    check_whole(events, lines=count, key=AuditKey.load(key))


@pytest.mark.kills
@pytest.mark.parametrize("kind", ["collect", "ship"])
def test_process_killed_on_the_way_loses_nothing(broker, database, long_log, key, kind):
    count = len(lines(long_log))
    parts = {
        kind: part_of(kind, broker, database.conninfo, long_log, key)
        for kind in ("collect", "ship")
    }
    with at_work(*parts.values()):
        killed_on_the_way(database, [parts[kind]] * 3, lines=count)
        wait_until(lambda: lines_in(database) == count, within_s=60)
    check_whole(Events(database), lines=count, key=AuditKey.load(key))
