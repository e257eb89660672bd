"""Fixtures of a site: a real PostgreSQL for the session, a new database for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgeface.site.database import Database
from tests.site.people import SmallSite
from tests.site.postgres import Postgres


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running server for all tests that do not stop it."""
    server = Postgres(tmp_path_factory.mktemp("postgres"))
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


@pytest.fixture
def site(database: Database) -> SmallSite:
    """People, rules, doors and changes, without anybody."""
    return SmallSite(database)
