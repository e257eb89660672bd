"""The NPU backends' own tests, with the fake NPUs, on the emulated boards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.check_build import ROOT
from tests.emulated.board import EmulatedBoard
from tests.fakes.make import VARIABLE, Fakes, make_fakes

pytestmark = pytest.mark.emulated

TESTS = sorted(
    file
    for name in ("rknn", "viplite")
    for file in (ROOT / "tests" / "backends").glob(f"test_*{name}*.py")
)


@pytest.fixture(scope="session")
def arm_fakes(tmp_path_factory: pytest.TempPathFactory) -> Fakes:
    """Libraries for aarch64, and model files, which a board cannot make."""
    return make_fakes(tmp_path_factory.mktemp("fakes"), arch="aarch64")


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_npu_tests_pass_there(
    board: EmulatedBoard, arm_fakes: Fakes, file: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "pytest.ini"  # the project's own would import the working tree
    settings.write_text("[pytest]\n")
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", settings]
    done = board.python(
        *("-m", "pytest", *options, f"--rootdir={ROOT}", file),
        packages=[ROOT],
        environment={VARIABLE: str(arm_fakes.folder)},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 0
