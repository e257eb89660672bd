"""Installing, switching and mending slots, by the very file that boards run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time

from boards.slot import HOME, SYSTEM_FILES, SYSTEM_LINKS
from tests.boards.slot.kits import (
    PASS,
    assert_done,
    environment,
    make_kit,
    refused,
    run_slot,
    status,
    version_of_current,
)


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
    refused(
        updated, kits["bad"], "its self-test ended with 1: cosine 0.5, expected 0.99; what runs"
    )


def test_kit_that_fails_only_after_the_switch_is_taken_back(root, kits, tmp_path):
    assert_done(run_slot(root, "install", kits["1.0"]))
    link = root / HOME / "current"
    late = f"print('{{\"ok\": true}}'); return int(os.readlink({str(link)!r}).endswith('b'))"
    kit = make_kit(tmp_path, version="4.0", selftest=late)
    done = run_slot(root, "install", kit)
    assert done.returncode == 1 and "went back to a" in done.stderr
    assert version_of_current(root) == "1.0"
    assert status(root)["confirmed"] == "a"


def test_rollback_goes_back_and_again_forth(updated):
    for version in ("1.0", "2.0"):
        assert_done(run_slot(updated, "rollback"))
        assert version_of_current(updated) == version
    assert status(updated)["events"][-1].endswith("rolled back by hand")


def test_rollback_to_a_slot_that_does_not_work_is_refused(updated):
    (updated / HOME / "slots/a/site/edgeface/cli.py").write_text("def main(): return 1\n")
    done = run_slot(updated, "rollback")
    assert done.returncode == 1
    assert "slot a: site/edgeface/cli.py has 21 bytes, expected" in done.stderr
    assert version_of_current(updated) == "2.0"


def test_rollback_with_one_slot_only_is_refused(root, kits):
    assert_done(run_slot(root, "install", kits["1.0"]))
    done = run_slot(root, "rollback")
    assert done.returncode == 1 and "no slot b to go back to" in done.stderr


def test_second_install_at_the_same_time_is_refused(updated, kits):
    with (updated / HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (["install", kits["1.0"]], ["boot"], ["rollback"], ["confirm"]):
            done = run_slot(updated, *words)
            assert done.returncode == 1 and "another edgeface-slot is working on it" in done.stderr
    assert version_of_current(updated) == "2.0"


def test_slot_from_which_a_process_still_runs_is_not_deleted(root, kits, tmp_path):
    """The app keeps its version until it is restarted, and loads its files from that slot."""
    hold = """
    if "STARTED" in os.environ:
        open(os.environ["STARTED"], "w").close()
        time.sleep(60)
    """
    kit = make_kit(tmp_path, version="1.5", selftest=hold + PASS)
    assert_done(run_slot(root, "install", kit))
    started = tmp_path / "started"
    app = subprocess.Popen(
        [root / HOME / "current/bin/edgeface", "selftest", "--json"],
        env={**environment(root.parent), "STARTED": str(started)},
    )
    try:
        while not started.exists():
            time.sleep(0.01)
        assert_done(run_slot(root, "install", kits["2.0"]))
        done = run_slot(root, "install", kits["1.0"])
        assert done.returncode == 1
        assert f"slot a is not current, and still runs in process {app.pid}:" in done.stderr
        assert status(root)["slots"]["a"]["version"] == "1.5"
    finally:
        app.kill()
        app.wait()
    assert_done(run_slot(root, "install", kits["1.0"]))


def test_processes_that_an_install_started_hold_its_lock(root, tmp_path):
    """Killed alone, an install leaves pip behind, which still writes into the new slot."""
    # The self-test opens a lock file of its own and finds the lock taken for as long as it lives,
    # even with the process that started it gone.
    selftest = """
    os.kill(os.getppid(), signal.SIGKILL)
    open({started!r}, "w").close()
    while not os.path.exists({ended!r}):
        time.sleep(0.02)
    return 1
"""
    started, ended = tmp_path / "started", tmp_path / "ended"
    text = selftest.format(started=str(started), ended=str(ended))
    kit = make_kit(tmp_path, version="5.0", selftest=text)
    killed = run_slot(root, "install", kit)
    try:
        assert killed.returncode == -9 and started.exists()
        assert "another edgeface-slot is working" in run_slot(root, "install", kit).stderr
    finally:
        ended.touch()


def test_app_ignores_modules_in_the_folder_it_is_started_in(updated, tmp_path):
    hostile = tmp_path / "hostile"
    (hostile / "edgeface").mkdir(parents=True)
    (hostile / "edgeface/__init__.py").write_text("raise SystemExit('hostile')")
    done = subprocess.run(
        [updated / HOME / "current/bin/edgeface", "--version"],
        cwd=hostile,
        env={**environment(tmp_path), "PYTHONPATH": str(hostile)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "2.0\n")


def test_running_app_writes_nothing_into_its_slot(updated):
    slot = updated / HOME / "current/"
    before = sorted(slot.rglob("*"))
    version_of_current(updated)
    assert sorted(slot.rglob("*")) == before


def test_configuration_and_gallery_outlive_updates(root, kits):
    kept = [root / "etc/edgeface/edgeface.toml", root / "var/lib/edgeface/gallery.db"]
    for file in kept:
        file.parent.mkdir(parents=True)
        file.write_text("mine")
    for version in ("1.0", "2.0", "1.0"):
        assert_done(run_slot(root, "install", kits[version]))
    assert [file.read_text() for file in kept] == ["mine", "mine"]


def test_install_script_of_the_kit_installs_it(root, kits, tmp_path):
    done = subprocess.run(
        ["sh", kits["1.0"] / "install.sh", "--root", root],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert_done(done)
    assert version_of_current(root) == "1.0"
