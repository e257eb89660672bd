"""Fixtures of the tests of slots: kits, and a machine's root in the test's folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boards.slot.kits import FAIL, assert_done, folder_in_memory, make_kit, run_slot


@pytest.fixture(scope="session")
def kits(tmp_path_factory) -> dict[str, Path]:
    """Kits of versions 1.0 and 2.0, and of one whose self-test fails."""
    folder = tmp_path_factory.mktemp("kits")
    return {
        "1.0": make_kit(folder, version="1.0"),
        "2.0": make_kit(folder, version="2.0"),
        "bad": make_kit(folder, version="3.0", selftest=FAIL),
    }


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: the tests flush hundreds of times."""
    with folder_in_memory() as folder:
        yield folder


@pytest.fixture
def root(tmp_path) -> Path:
    """Root of a machine on which nothing is installed."""
    return tmp_path / "root"


@pytest.fixture
def updated(root, kits) -> Path:
    """Root of a machine on 2.0 in slot b, with 1.0 in slot a."""
    for version in ("1.0", "2.0"):
        assert_done(run_slot(root, "install", kits[version]))
    return root


@pytest.fixture
def kit(kits, tmp_path) -> Path:
    """A copy of version 1.0's kit, to spoil."""
    return Path(shutil.copytree(kits["1.0"], tmp_path / "kit"))
