"""Fixtures of the console: a whole site for all tests that leave it working."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.console.browser import Browser, browse
from tests.console.furnish import furnish
from tests.console.serving import Served, serve
from tests.site.conftest import postgres  # noqa: F401
from tests.site.people import empty
from tests.site.postgres import Postgres


@pytest.fixture(scope="session")
def running(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:  # noqa: F811
    """A running site with a user of each role."""
    with serve(tmp_path_factory.mktemp("served") / "site", postgres.create()) as found:
        yield found


@pytest.fixture(scope="module")
def served(running: Served) -> Served:
    """The running site, for a file's tests, without what other files' left there."""
    empty(running.site.database)
    return running


@pytest.fixture(scope="module")
def owner(served: Served) -> Iterator[httpx.Client]:
    """A browser in which an owner is logged in."""
    yield from _closed(served.user("owner"))


@pytest.fixture(scope="module")
def operator(served: Served) -> Iterator[httpx.Client]:
    """A browser in which an operator is logged in."""
    yield from _closed(served.user("operator"))


def _closed(client: httpx.Client) -> Iterator[httpx.Client]:
    yield client
    client.close()


@pytest.fixture(scope="session")
def furnished(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:  # noqa: F811
    """A running site with something on every page of its console."""
    folder = tmp_path_factory.mktemp("furnished")
    with serve(folder / "site", postgres.create()) as found:
        furnish(found.site, folder)
        yield found


@pytest.fixture(scope="session")
def browser(furnished: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser at the furnished site; each test logs in."""
    with browse(furnished.url, folder=tmp_path_factory.mktemp("chromium")) as found:
        yield found
