"""Fixtures of an agent: a site in a real database, and copies of it as doors have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Callable

import pytest

from tests.agent.copies import Copy
from tests.console.conftest import running, served  # noqa: F401
from tests.faults import ram_folder
from tests.site.conftest import database, migrated, people_database, postgres, site  # noqa: F401
from tests.site.people import SmallSite


@pytest.fixture
def door_of(site: SmallSite) -> Iterator[Callable[..., Copy]]:  # noqa: F811
    """Make a door of the site with a gallery of its own."""
    with ExitStack() as opened:

        def make(name: str, *groups: str, local: bool = True) -> Copy:
            site.doors.add(name, groups=groups or ("default",), by="user:anna")
            folder = opened.enter_context(ram_folder())
            copy = Copy(site, name, folder, local=local)
            opened.callback(copy.close)
            return copy

        yield make
