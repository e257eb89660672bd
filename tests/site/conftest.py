"""Fixtures of a site: a real PostgreSQL for the session, a new database for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.site.database import Database
from edgeface.site.events import Arrival, Events
from tests.door.broker import Broker
from tests.door.certificates import Certificates, make_certificates
from tests.site.brokers import running
from tests.site.door_logs import arrivals, write_log
from tests.site.people import SmallSite, empty
from tests.site.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server for all tests that do not stop it."""
    # Not in pytest's folder, which the next run of pytest closes to the server's user.
    with tempfile.TemporaryDirectory(prefix="edgeface-postgres-") as folder:
        server = Postgres(Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def conninfo(postgres: Postgres) -> Iterator[str]:
    """An empty database."""
    made = postgres.create()
    yield made
    postgres.drop(made)


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """The conninfo of a migrated database that nobody is connected to, for copies."""
    made = postgres.create()
    Database(made, most=1).close()
    return made


@pytest.fixture
def database(postgres: Postgres, migrated: str) -> Iterator[Database]:
    """A migrated database of its own."""
    made = postgres.create(like=migrated)
    with Database(made, most=4) as opened:
        yield opened
    postgres.drop(made)


@pytest.fixture(scope="session")
def people_database(postgres: Postgres, migrated: str) -> Iterator[Database]:
    """A database that many tests use, one after the other: emptying is quicker than making."""
    with Database(postgres.create(like=migrated), most=4) as opened:
        yield opened


@pytest.fixture
def site(people_database: Database) -> SmallSite:
    """People, rules, doors and changes, without anybody."""
    empty(people_database)
    return SmallSite(people_database)


@pytest.fixture
def events(database: Database) -> Events:
    """The events in it."""
    return Events(database)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and a server's certificate, for brokers."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def broker(tmp_path: Path, certificates: Certificates) -> Iterator[Broker]:
    """A running broker with the site's rules of who may say what."""
    with running(tmp_path, certificates) as broker:
        yield broker


@pytest.fixture
def sent(tmp_path: Path) -> list[Arrival]:
    """The lines of a door's log, with nine visits in it."""
    return arrivals(write_log(tmp_path / "log", visits=9))
