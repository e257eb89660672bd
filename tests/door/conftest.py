"""A panel that speaks OSDP, and a door on its line; imported where used, for libosdp is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.door.outputs import wait_until

if TYPE_CHECKING:
    from edgeface.door.osdp import Osdp
    from tests.door.panel import Panel


@pytest.fixture
def panel() -> Iterator[Panel]:
    from tests.door.panel import KEY, Panel

    panel = Panel(KEY)
    yield panel
    panel.stop()


@pytest.fixture
def door(panel: Panel) -> Iterator[Osdp]:
    from tests.door.panel import to

    with to(panel) as door:
        wait_until(lambda: door.fault() is None and panel.secure)
        yield door
