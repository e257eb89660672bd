"""The emulated boards, made once a session in the folder that EDGEFACE_ARM_MACHINE names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from export.verify.machine import Machine, prepare
from tests.check_build import ARM_TOOLS, require_programs
from tests.emulated.board import ISAS, MACHINE, EmulatedBoard
from tests.emulated.package import installed


@pytest.fixture(scope="session")
def machine() -> Machine:
    """Debian 12's arm64 Python 3.11 and the pinned wheels."""
    if MACHINE not in os.environ:
        pytest.skip(f"make emulated-boards; or set {MACHINE} to a folder (350 MB)")
    require_programs(ARM_TOOLS)
    return prepare(Path(os.environ[MACHINE]))


@pytest.fixture(scope="session")
def package(machine: Machine) -> Path:
    """edgeface, cross-built."""
    return installed(machine)


@pytest.fixture
def board_with(machine: Machine, package: Path, tmp_path: Path) -> Callable[[str], EmulatedBoard]:
    """Makes a board with the given core."""
    return lambda core: EmulatedBoard(machine, package, core, tmp_path)


@pytest.fixture(params=ISAS)
def board(
    board_with: Callable[[str], EmulatedBoard], request: pytest.FixtureRequest
) -> EmulatedBoard:
    """An RK3576 with its large cores, then a T527."""
    return board_with(request.param)
