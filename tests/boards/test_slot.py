"""Installing, switching and mending slots, by the very file that boards run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from boards.slot import HOME, SYSTEM_FILES, SYSTEM_LINKS
from tests.boards.slot_kits import FAIL, make_kit, run_slot, version_of_current


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
def root(tmp_path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def updated(root, kits) -> Path:
    """A machine on 2.0 in slot b, with 1.0 in slot a."""
    for version in ("1.0", "2.0"):
        assert_done(run_slot(root, "install", kits[version]))
    return root


def assert_done(done) -> None:
    assert done.returncode == 0, done.stderr + done.stdout


def status(root: Path) -> dict:
    return json.loads(run_slot(root, "status", "--json").stdout)


def test_install_fills_the_idle_slot_and_switches(updated):
    report = status(updated)
    assert (report["current"], report["confirmed"], report["pending"]) == ("b", "b", None)
    assert [report["slots"][n]["version"] for n in "ab"] == ["1.0", "2.0"]
    assert version_of_current(updated) == "2.0"
    assert sorted(os.listdir(updated / HOME)) == ["bin", "current", "lock", "slots", "state.json"]
    assert sorted(os.listdir(updated / HOME / "slots")) == ["a", "b"]


def test_install_brings_tool_units_rule_and_links(updated, kits):
    for name, (place, mode) in SYSTEM_FILES.items():
        assert (updated / place).read_bytes() == (kits["2.0"] / name).read_bytes()
        assert (updated / place).stat().st_mode & 0o777 == mode
    assert {place: os.readlink(updated / place) for place in SYSTEM_LINKS} == SYSTEM_LINKS


def test_kit_that_fails_its_self_test_changes_nothing(updated, kits):
    before = status(updated)
    done = run_slot(updated, "install", kits["bad"])
    assert done.returncode == 1
    assert (
        "its self-test ended with 1: cosine 0.5, expected 0.99; nothing was changed" in done.stderr
    )
    assert status(updated) == before and version_of_current(updated) == "2.0"


def test_kit_that_fails_only_after_the_switch_is_taken_back(root, kits, tmp_path):
    assert_done(run_slot(root, "install", kits["1.0"]))
    link = root / HOME / "current"
    late = f"print('{{\"ok\": true}}'); return int(os.readlink({str(link)!r}).endswith('b'))"
    kit = make_kit(tmp_path, version="4.0", selftest=late)
    done = run_slot(root, "install", kit)
    assert done.returncode == 1 and "went back to a" in done.stderr
    assert version_of_current(root) == "1.0"
    assert status(root)["confirmed"] == "a"
