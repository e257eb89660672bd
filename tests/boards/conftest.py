"""A wheel of this checkout for this machine, packed as the cross-built ones are."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from boards.wheels.pack import pack_wheel, python_tree
from boards.wheels.target import Target
from edgeface import _native

HERE = Target(f"3.{sys.version_info[1]}", platform.machine())


@pytest.fixture(scope="session")
def host_parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Target, Path, Path]:
    """Target, Python files and native module; the module is the one that the tests import."""
    tree = python_tree(tmp_path_factory.mktemp("python"))
    return HERE, tree, Path(_native.__file__)


@pytest.fixture(scope="session")
def host_wheel(host_parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that runs here; its manylinux tag is true of cross-built ones only."""
    target, tree, module = host_parts
    folder = tmp_path_factory.mktemp("wheels")
    return pack_wheel(target, tree=tree, module=module, scratch=folder / "scratch", out=folder)
