"""The power goes at any step: `current` names a complete slot that works, and updates go on."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from boards.slot import HOME
from boards.slot.slot import damage
from tests.boards.slot.cut import count_steps, cut, run_traced
from tests.boards.slot.kits import (
    PASS,
    assert_done,
    environment,
    make_kit,
    run_slot,
    slot_command,
    status,
    version_of_current,
)


@pytest.fixture(scope="module", autouse=True)
def strace() -> None:
    if not shutil.which("strace"):
        pytest.fail("no strace") if "CI" in os.environ else pytest.skip("strace is not installed")


def machine(folder: Path, like: Path | None) -> Path:
    """Make a machine like another one, or an empty one."""
    folder.mkdir()
    root = folder / "root"
    shutil.copytree(like, root, symlinks=True) if like else root.mkdir()
    return root


def assert_recovers(root: Path, kit: Path, versions: set[str], *, told: object) -> None:
    """Boot, run the app, install: after any cut all of it works."""
    link = root / HOME / "current"
    if link.is_symlink():
        assert damage(link) is None, told
    assert_done(run_slot(root, "boot"))
    assert version_of_current(root) in versions, told
    assert_done(run_slot(root, "install", kit))
    report = status(root)
    assert version_of_current(root) == "3.0" and report["pending"] is None, told
    assert sorted(os.listdir(root / HOME / "slots")) in (["a"], ["a", "b"]), told


def cut_everywhere(tmp_path: Path, like: Path | None, words: list, check) -> int:
    """Cut a command before each of its steps, each time on a fresh machine; return how many."""
    whole = machine(tmp_path / "whole", like)
    env = environment(tmp_path)
    steps = count_steps(slot_command(whole, *words), env=env, log=tmp_path / "log")

    def one(number: int) -> None:
        root = machine(tmp_path / str(number), like)
        cut(slot_command(root, *words), steps[number], env=environment(root.parent))
        check(root, f"cut before step {number}, {steps[number]}")
        shutil.rmtree(root.parent)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(len(steps))))
    return len(steps)


@pytest.fixture
def kit(tmp_path) -> Path:
    return make_kit(tmp_path, version="3.0")


def test_update_cut_at_any_step(tmp_path, updated, kit):
    def check(root, told):
        assert_recovers(root, kit, {"2.0", "3.0"}, told=told)

    assert cut_everywhere(tmp_path, updated, ["install", kit], check) > 60


def test_first_installation_cut_at_any_step(tmp_path, kit):
    def check(root, told):
        if (root / HOME / "slots/a").is_dir():
            assert_done(run_slot(root, "boot"))
        else:
            assert run_slot(root, "boot").returncode == 1
            assert_done(run_slot(root, "install", kit))
        assert version_of_current(root) == "3.0", told

    assert cut_everywhere(tmp_path, None, ["install", kit], check) > 60


def test_rollback_cut_at_any_step(tmp_path, updated, kit):
    def check(root, told):
        assert_recovers(root, kit, {"1.0", "2.0"}, told=told)

    assert cut_everywhere(tmp_path, updated, ["rollback"], check) > 5


def test_boot_that_mends_cut_at_any_step(tmp_path, updated, kit):
    """The power goes again while a machine recovers."""
    (updated / HOME / "slots/b/site/edgeface/cli.py").unlink()

    def check(root, told):
        assert_done(run_slot(root, "boot"))
        assert_recovers(root, kit, {"1.0"}, told=told)

    assert cut_everywhere(tmp_path, updated, ["boot"], check) > 10


@pytest.mark.parametrize("run", [1, 2])
def test_update_cut_inside_a_self_test(tmp_path, updated, run):
    """The new slot's first is before the switch, its second after it."""
    count = tmp_path / "count"
    kill = f"""
    with open({str(count)!r}, "a") as file:
        file.write(".")
    if os.path.getsize({str(count)!r}) == {run}:
        os.killpg(0, signal.SIGKILL)
    {PASS}"""
    kit = make_kit(tmp_path, version="3.0", selftest=kill)
    code = run_traced(slot_command(updated, "install", kit), env=environment(tmp_path), options=[])
    assert code != 0
    assert os.readlink(updated / HOME / "current") == ("slots/b" if run == 1 else "slots/a")
    assert_recovers(updated, kit, {"2.0", "3.0"}, told=run)


def test_update_cut_inside_pip(tmp_path, updated, kit):
    spoilt = make_kit(tmp_path / "spoilt", version="3.0", pip_ends="import os; os.killpg(0, 9)")
    env = environment(tmp_path)
    assert run_traced(slot_command(updated, "install", spoilt), env=env, options=[]) != 0
    assert (updated / HOME / "slots/.new/site").is_dir()
    assert_recovers(updated, kit, {"2.0"}, told="pip")
