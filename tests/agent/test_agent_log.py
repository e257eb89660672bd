"""The agent as a process brings its door's log to a real site over a real broker, at once."""

from __future__ import annotations

import time
from pathlib import Path

from edgeface.door.audit import AuditKey
from tests.agent.doors import DoorFolder
from tests.console.serving import Served, wait_until
from tests.door.audit_logs import open_log, opening
from tests.door.broker import PASSWORD
from tests.door.certificates import make_certificates
from tests.site.brokers import collector_of, running

SOON_S = 12.0
"""The agent's start and one held answer; the longest is 25 s."""


def test_agent_that_begins_anew_sends_at_once_and_soon_knows_that_it_arrived(
    served: Served, tmp_path: Path
) -> None:
    token = served.site.doors.add("north", groups=["nobody_yet"], by="user:test")
    with running(tmp_path, make_certificates(tmp_path / "tls")) as broker:
        (tmp_path / "password").write_text(PASSWORD)
        (tmp_path / "password").chmod(0o600)
        mqtt = {"host": "localhost", "port": broker.port, "username": "north"}
        mqtt["password_file"] = str(tmp_path / "password")
        mqtt["ca_file"] = str(broker.certificates.authority)
        door = DoorFolder(
            tmp_path / "north",
            name="north",
            token=token,
            url=served.url,
            ca_file=served.folder / "ca.pem",
            model_id=served.site.people.model_id,
            mqtt=mqtt,
        )
        assert door.run("--once").returncode == 0  # from now on nothing is new for it
        with collector_of(broker, served.site.events):
            began = time.monotonic()
            door.start()
            key = AuditKey.load(door.folder / "audit.pem")
            with open_log(door.folder / "audit", key=key) as log:
                log.write(opening())
            assert wait_until(lambda: len(served.site.events.find(door="north").events) > 2)
            assert time.monotonic() - began < SOON_S
            assert wait_until(lambda: served.site.doors.get("north").status["unsent"] == 0)
            assert time.monotonic() - began < 2 * SOON_S
            assert door.stop() == 0
    served.site.doors.remove("north", by="user:test")
