"""Fixtures of the board's tests: other machines' trees."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from tests.board.trees import write_tree

MakeTree = Callable[[str], Path]


@pytest.fixture
def tree(tmp_path: Path) -> MakeTree:
    """Write a machine of `tests.board.trees` into a folder of its own."""
    return lambda name: write_tree(tmp_path / name, name)
