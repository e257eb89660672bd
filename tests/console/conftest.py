"""Fixtures of the console: a whole site for all tests that leave it working."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.console.serving import Served, serve
from tests.site.conftest import postgres  # noqa: F401
from tests.site.postgres import Postgres


@pytest.fixture(scope="session")
def served(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:  # noqa: F811
    """A running site with a user of each role."""
    with serve(tmp_path_factory.mktemp("served") / "site", postgres.create()) as found:
        yield found
