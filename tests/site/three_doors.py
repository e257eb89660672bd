"""A whole site on one machine: database, broker, server, and doors with their agents."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable

from edgeface.errors import SiteUnavailableError
from edgeface.site.broker_acl import acl_text
from edgeface.site.site import Site
from tests.agent.doors import ROOT, DoorFolder, environment
from tests.console.serving import Served, serve
from tests.door.broker import PASSWORD, Broker
from tests.door.certificates import make_certificates
from tests.site.networks import Namespace, Proxied, Way, address_of, namespaces_work
from tests.site.postgres import Postgres

NAMES = ("north", "south", "east")
GROUPS = ("staff", "night")
BY = "user:test"
_BROKER = """
[mqtt]
host = "localhost"
port = {port}
ca_file = "{authority}"
username = "site"
password_file = "broker.password"
"""


class RunningDoor:
    """A door (tests/site/door_worker.py) and its agent, each a process, on a way of its own."""

    def __init__(self, folder: DoorFolder, way: Way) -> None:
        self.folder, self.way, self.name = folder, way, folder.name
        self.said: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._worker: subprocess.Popen | None = None

    def start(self) -> None:
        self.folder.gallery().close()  # the door wants one to be there
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "tests.site.door_worker", str(self.folder.folder)],
            cwd=ROOT, env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()
        self.folder.start(*self.way.before)

    def restart_agent(self) -> None:
        """Kill the agent without a word, and start another."""
        self.folder.kill()
        self.folder.start(*self.way.before)

    def tell(self, **command: Any) -> None:
        assert self._worker is not None and self._worker.stdin is not None
        self._worker.stdin.write(json.dumps(command) + "\n")
        self._worker.stdin.flush()

    def wait_for(self, holds: Callable[[dict[str, Any]], bool], *, after: int = 0) -> dict:
        """The first thing said, from a number on, for which something holds."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: next((w for w in self.said[after:] if holds(w)), None), timeout=60
            )
        assert found, f"{self.name}: {self.said[-3:]}"
        return found

    def wait_people(self, holds: Callable[[Mapping[str, bool]], bool], *, after: int = 0) -> float:
        """When the door's engine had people for whom something holds."""
        return self.wait_for(lambda w: "people" in w and holds(w["people"]), after=after)["at"]

    def visit(self, frames: int = 14) -> list[dict[str, Any]]:
        """What is decided when Grace Hopper comes."""
        began = len(self.said)
        self.tell(visit=frames)
        self.wait_for(lambda what: "visited" in what, after=began)
        return [what for what in self.said[began:] if "opens" in what]

    def reasons(self, frames: int = 14) -> list[str]:
        return [decided["reason"] for decided in self.visit(frames)]

    def agent_log(self) -> str:
        """The last that the agent wrote to its standard error."""
        return (self.folder.folder / "agent.log").read_text()[-500:]

    def last_line(self) -> int:
        """The number of the last line of the door's log."""
        files = sorted((self.folder.folder / "audit").glob("*.jsonl"))
        return json.loads(files[-1].read_text().splitlines()[-1])["seq"]

    def close(self) -> None:
        self.folder.kill()
        if self._worker is not None:
            self._worker.stdin.close()
            self._worker.wait(30)
        self.way.close()

    def _listen(self) -> None:
        for line in self._worker.stdout:
            with self._changed:
                self.said.append(json.loads(line))
                self._changed.notify_all()


class World:
    """Everything; `doors` by their order in `NAMES`."""

    def __init__(self, postgres: Postgres, broker: Broker, served: Served) -> None:
        self.postgres, self.broker, self.served = postgres, broker, served
        self.doors: list[RunningDoor] = []

    @property
    def site(self) -> Site:
        return self.served.site

    def enrol(self, name: str, embeddings: Any, **changes: Any):
        changes = {"groups": GROUPS, **changes}
        return self.site.people.enrol(name, embeddings, by=BY, changes=changes, request_id=name)

    def people(self) -> dict[str, tuple]:
        """Everybody at the site whom these doors may let in, as they must be at each door."""
        entries = self.site.people.find(limit=1000).entries
        return {
            e.name: (e.uid, e.blocked, e.expires_at, tuple(e.groups), e.card, e.templates)
            for e in entries
            if set(e.groups) & set(GROUPS)
        }

    def in_step(self) -> bool:
        """Whether every door's gallery is what the site has."""
        return all(_held(door) == self.people() for door in self.doors)

    def __str__(self) -> str:
        doors = {door.name: (_held(door), door.agent_log()) for door in self.doors}
        status = {entry.name: entry.status for entry in self.site.doors.all()}
        return f"site {self.people()}, doors {doors}, told {status}"

    def all_logged(self) -> bool:
        """Whether the site has every line of every door's log."""
        return all(
            max(self.site.events.received(door.name).values(), default=0) == door.last_line()
            for door in self.doors
        )


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Start everything; end it at the end of the block."""
    separate = namespaces_work()
    addresses = tuple(address_of(n) for n in range(len(NAMES))) if separate else ()
    bind = "0.0.0.0" if separate else "127.0.0.1"
    certificates = make_certificates(folder / "tls", addresses=addresses)
    (folder / "broker").mkdir()
    broker = Broker(
        folder / "broker", certificates, users=("site", *NAMES), acl=acl_text(), durable=True,
        bind=bind,
    )  # fmt: skip
    with ExitStack() as opened:
        # Not in pytest's folder, which another run of pytest closes to the server's user.
        place = opened.enter_context(tempfile.TemporaryDirectory(prefix="edgeface-postgres-"))
        postgres = Postgres(Path(place))
        for part in (postgres, broker):
            part.start()
            opened.callback(part.kill)
        more = _BROKER.format(port=broker.port, authority=certificates.authority)
        _secret(folder / "site" / "broker.password")
        served = opened.enter_context(
            serve(folder / "site", postgres.create(), addresses=addresses, bind=bind, more=more)
        )
        made = World(postgres, broker, served)
        for group in GROUPS:
            served.site.rules.put_group(group, {"schedule": "always"}, by=BY)
        for number, name in enumerate(NAMES):
            way = Namespace(number) if separate else Proxied()
            door = RunningDoor(_folder(folder / name, name, made, way), way)
            opened.callback(door.close)
            door.start()
            made.doors.append(door)
        for door in made.doors:
            door.wait_for(lambda what: "ready" in what)
        yield made


def _folder(folder: Path, name: str, made: World, way: Way) -> DoorFolder:
    served, broker = made.served, made.broker
    found = DoorFolder(
        folder,
        name=name,
        token=served.site.doors.add(name, groups=GROUPS, by=BY),
        url=f"https://{way.site}:{way.port(served.port)}",
        ca_file=served.folder / "ca.pem",
        model_id=served.site.people.model_id,
        mqtt={
            "host": way.site,
            "port": way.port(broker.port),
            "ca_file": str(broker.certificates.authority),
            "username": name,
            "password_file": "broker.password",
        },
    )
    _secret(folder / "broker.password")
    door = folder / "door.toml"
    door.write_text(door.read_text().replace('"passive+challenge"', '"passive"'))
    return found


def _secret(path: Path) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(PASSWORD)
    path.chmod(0o600)


def _held(door: RunningDoor) -> dict[str, tuple]:
    with door.folder.gallery() as gallery:
        return {
            p.name: (p.site_id, p.blocked, p.expires_at, p.groups, p.card, p.templates)
            for p in gallery.people()
        }


def wait_until(holds: Callable[[], bool], *, within_s: float = 60.0, told: object = "") -> None:
    """Wait until something holds, whether the site answers now or not; fail if it never does."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            if holds():
                return
        except SiteUnavailableError:  # the pool finds out that the database was away
            pass
        assert time.monotonic() < deadline, f"it never came true: {told}"
        time.sleep(0.2)


def took(doors: Sequence[RunningDoor], do: Callable[[], object], holds: Callable) -> list[float]:
    """Seconds from after `do` until each door's engine has people for whom something holds."""
    said = [len(door.said) for door in doors]
    do()
    done = time.time()
    return [door.wait_people(holds, after=n) - done for door, n in zip(doors, said)]
