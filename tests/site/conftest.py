"""Fixtures of a site: a real PostgreSQL for the session, a new database for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgeface.site.database import Database
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


@pytest.fixture
def database(conninfo: str) -> Iterator[Database]:
    """A migrated database."""
    with Database(conninfo, most=4) as opened:
        yield opened
