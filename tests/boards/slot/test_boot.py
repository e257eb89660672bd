"""At boot: a slot that works is current, or nothing starts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from boards.slot import HOME, first_state
from boards.slot.slot import TRIES_LIMIT
from tests.boards.slot.kits import (
    assert_done,
    environment,
    make_kit,
    run_slot,
    slot_command,
    status,
    version_of_current,
)


def damage(folder, kind: str) -> None:
    """Hurt an installed slot as a dying disk or a careless hand does."""
    cli = folder / "site/edgeface/cli.py"
    if kind == "file missing":
        cli.unlink()
    elif kind == "file cut":
        cli.write_bytes(b"")
    elif kind == "list missing":
        (folder / "files.json").unlink()
    elif kind == "same size, other bytes":
        cli.write_bytes(b"#" * cli.stat().st_size)
    elif kind == "launcher not executable":
        (folder / "bin/edgeface").chmod(0o644)
    else:
        shutil.rmtree(folder)


DAMAGES = [
    "file missing",
    "file cut",
    "list missing",
    "same size, other bytes",
    "launcher not executable",
    "slot missing",
]


def test_boot_of_a_sound_machine_changes_nothing(updated):
    before = status(updated)
    assert_done(run_slot(updated, "boot"))
    assert status(updated) == before


@pytest.mark.parametrize("kind", DAMAGES)
def test_boot_leaves_a_damaged_slot_for_the_other(updated, kind):
    damage(updated / HOME / "slots/b", kind)
    assert_done(run_slot(updated, "boot"))
    assert version_of_current(updated) == "1.0"
    report = status(updated)
    assert (report["current"], report["confirmed"]) == ("a", "a")
    assert any("to slot a, which works" in event for event in report["events"])


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_machine_is_repaired_by_an_install(updated, kits, kind):
    damage(updated / HOME / "slots/b", kind)
    assert_done(run_slot(updated, "install", kits["2.0"]))
    assert version_of_current(updated) == "2.0"
    assert status(updated)["slots"][status(updated)["current"]]["damage"] is None


def test_boot_stays_where_no_slot_works_and_says_so(updated):
    for name in "ab":
        damage(updated / HOME / "slots" / name, "same size, other bytes")
    done = run_slot(updated, "boot")
    assert done.returncode == 1
    assert "no slot in" in done.stderr and "slot b: its self-test ended with 1" in done.stderr
    assert os.readlink(updated / HOME / "current") == "slots/b"


def test_install_replaces_the_idle_one_of_two_broken_slots(updated, kits):
    for name in "ab":
        damage(updated / HOME / "slots" / name, "same size, other bytes")
    assert_done(run_slot(updated, "install", kits["1.0"]))
    assert version_of_current(updated) == "1.0"


@pytest.mark.parametrize("state", [b"", b"{", b"[1]", b'{"tries": 5, "confirmed": {}}', None])
def test_damaged_state_is_mended(updated, state):
    file = updated / HOME / "state.json"
    file.unlink() if state is None else file.write_bytes(state)
    assert_done(run_slot(updated, "boot"))
    assert version_of_current(updated) == "2.0"
    assert json.loads(file.read_bytes())["confirmed"] == "b"


@pytest.mark.parametrize("target", [None, "slots/c", "/nowhere"])
def test_lost_link_is_made_again(updated, target):
    link = updated / HOME / "current"
    link.unlink()
    if target:
        link.symlink_to(target)
    assert_done(run_slot(updated, "boot"))
    assert version_of_current(updated) in ("1.0", "2.0")


def test_boots_that_never_end_go_back_after_the_limit(root, kits, tmp_path):
    assert_done(run_slot(root, "install", kits["1.0"]))
    flag = tmp_path / "hang"
    hang = f"""
    while os.path.exists({str(flag)!r}):
        time.sleep(0.05)
    print('{{"ok": true}}'); return 0"""
    assert_done(run_slot(root, "install", make_kit(tmp_path, version="6.0", selftest=hang)))
    flag.touch()
    for boots in range(1, TRIES_LIMIT + 1):
        # The machine hangs, and its watchdog or its owner turns it off.
        with pytest.raises(subprocess.TimeoutExpired):
            kill_after(slot_command(root, "boot"), seconds=1.5, env=environment(tmp_path))
        assert status(root)["tries"]["b"] == boots
    assert_done(run_slot(root, "boot"))
    assert version_of_current(root) == "1.0"
    assert status(root)["tries"] == {"b": TRIES_LIMIT}


def kill_after(command, *, seconds: float, env) -> None:
    """Run a command, and kill it and all that it started when the time is over."""
    process = subprocess.Popen(command, env=env, start_new_session=True)
    try:
        process.wait(seconds)
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def test_first_boot_of_an_image_confirms_its_slot(root, kits):
    """An image is made on a host that cannot run it: its state says that nothing is confirmed."""
    assert_done(run_slot(root, "install", kits["1.0"]))
    (root / HOME / "state.json").write_bytes(first_state())
    assert status(root)["pending"] == "a"
    assert_done(run_slot(root, "boot"))
    assert (status(root)["pending"], status(root)["confirmed"]) == (None, "a")


def test_confirm_refuses_a_slot_that_fails(updated):
    damage(updated / HOME / "slots/b", "same size, other bytes")
    done = run_slot(updated, "confirm")
    assert done.returncode == 1 and "go back by: edgeface-slot rollback" in done.stderr
    assert_done(run_slot(updated, "rollback"))
    assert version_of_current(updated) == "1.0"


@pytest.mark.parametrize(("how", "works"), [("full", "2.0"), ("read-only", "2.0"), ("full", "1.0")])
def test_disk_that_takes_nothing_keeps_no_slot_from_starting(tmp_path, kits, how, works):
    root = tmp_path / "root"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "none", root]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs root, to mount a disk of its own")
    try:
        for version in ("1.0", "2.0"):
            assert_done(run_slot(root, "install", kits[version]))
        if works == "1.0":
            damage(root / HOME / "slots/b", "same size, other bytes")
        if how == "full":
            with pytest.raises(OSError), (root / "log").open("wb", buffering=0) as log:
                while True:
                    log.write(bytes(1 << 20))
        else:
            subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        done = run_slot(root, "boot")
        assert_done(done)
        assert "not noted" in done.stderr
        assert version_of_current(root) == works
    finally:
        subprocess.run(["umount", root], check=True)
