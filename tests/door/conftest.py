"""Doors for tests: one whose turns a test takes, and one on an OSDP panel's line.

What they need is imported where it is used: libosdp is not everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.door.outputs import wait_until

if TYPE_CHECKING:
    from edgeface.door.osdp import Osdp
    from tests.door.panel import Panel
    from tests.door.turns import Parts


@pytest.fixture
def opened(tmp_path, pipeline, grace_hopper_bgr) -> Iterator[Callable[..., Parts]]:
    """Opens a door whose camera is a clip; it is closed afterwards."""
    from tests.door.turns import open_parts

    with ExitStack() as stack:
        yield lambda clip, *others, **settings: stack.enter_context(
            open_parts(tmp_path / "door", pipeline, grace_hopper_bgr, clip, others, settings)
        )


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
