"""The systemd units that kits bring."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from boards.slot.slot import SELFTEST_SECONDS

UNITS = ("edgeface-boot.service", "edgeface.service")


@pytest.fixture
def units(repository) -> Path:
    return repository / "boards/files"


def analyze(folder: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    """Let systemd judge unit files."""
    if not shutil.which("systemd-analyze"):
        pytest.fail("no systemd-analyze") if "CI" in os.environ else pytest.skip("no systemd")
    return subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
    )


def test_systemd_finds_nothing_wrong_with_the_units(units, tmp_path):
    program = "/opt/edgeface/current/bin/edgeface door"
    for name in UNITS:
        # Programs that only a board has are the one thing that this machine may lack.
        text = (units / name).read_text().replace(program, "/bin/true")
        (tmp_path / name).write_text(text)
    done = analyze(tmp_path, *(tmp_path / name for name in UNITS))
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_would_find_a_misspelt_setting(units, tmp_path):
    text = (units / UNITS[0]).read_text().replace("ProtectHome=", "ProtectHomes=")
    (tmp_path / UNITS[0]).write_text(text)
    assert "ProtectHomes" in analyze(tmp_path, tmp_path / UNITS[0]).stderr


def test_app_waits_for_the_slot_that_works(units):
    boot, app = ((units / name).read_text() for name in UNITS)
    assert "Before=edgeface.service" in boot
    assert "Requires=edgeface-boot.service\nAfter=edgeface-boot.service" in app
    timeout = int(boot.split("TimeoutStartSec=")[1].split()[0])
    assert timeout > 2 * SELFTEST_SECONDS
