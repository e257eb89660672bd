"""Killed, or without power: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import signal
import time

import pytest

from edgeface.door.audit import Limits
from edgeface.door.audit_verify import verify_log
from edgeface.errors import AuditError
from tests.door.audit_logs import KEY, denial, entries, lines, open_log, opening
from tests.faults import forked, in_child, ram_folder

_OF_A_KILL = re.compile(r"cut off in its middle|file \d+ has no whole entry")
KEYS = {KEY.id: KEY.public}


def killed_at_any_moment(folder, *, times: int, seed: int) -> int:
    """Kill a writer again and again; return how many entries were acknowledged in all."""
    moments = random.Random(seed)
    acknowledged = 0

    def write_for_ever(acknowledge) -> None:
        with open_log(folder, limits=Limits(rotate_mib=0.02, checkpoint_entries=5)) as log:
            while True:
                log.write(opening())
                acknowledge(b".")

    for _ in range(times):
        with forked(write_for_ever) as child:
            child.read(1)
            time.sleep(moments.uniform(0, 0.01))
            os.kill(child.pid, signal.SIGKILL)
            acknowledged += 1 + len(child.read())
        report = verify_log(folder, keys=KEYS)
        assert [p for p in report.problems if not _OF_A_KILL.search(p)] == []
        written = count(folder)
        assert acknowledged <= written <= acknowledged + 1  # the one not acknowledged
        acknowledged = written
    open_log(folder).close()
    assert verify_log(folder, keys=KEYS).whole
    assert count(folder) == acknowledged
    return acknowledged


def count(folder) -> int:
    return sum(b'"kind":"decision"' in line and line.endswith(b"\n") for line in lines(folder))


def test_killed_at_any_moment_loses_no_entry_that_was_acknowledged():
    with ram_folder() as place:
        assert killed_at_any_moment(place / "log", times=25, seed=0) >= 25


@pytest.mark.kills
def test_killed_500_times_loses_no_entry_that_was_acknowledged(tmp_path):
    assert killed_at_any_moment(tmp_path / "log", times=500, seed=1) >= 500


def test_line_torn_at_any_byte_is_taken_away_and_noted(tmp_path):
    """As a power cut leaves it: only a part of the last line reached the disk."""
    with open_log(tmp_path / "log") as log:
        log.write(denial())
        log.write(opening())
        whole = (tmp_path / "log" / "audit-000001.jsonl").read_bytes()
        head = (tmp_path / "log" / "head.jsonl").read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    with ram_folder() as place:
        for size in range(start, len(whole) + 1):
            put(place / "log", whole[:size], head)
            check_mended(place / "log", torn=(size - start) % (len(whole) - start))
            assert count(place / "log") == 1 + (size == len(whole))


def check_mended(folder, *, torn: int) -> None:
    """Open the log as the door does at its start: it is whole then, and says what was torn."""
    open_log(folder).close()
    assert verify_log(folder, keys=KEYS).problems == ()
    notes = [entry["detail"] for entry in entries(folder) if entry["kind"] == "note"]
    assert len(notes) == (torn > 0)
    assert all(note.startswith(f"{torn} bytes after entry 4 were torn") for note in notes)


@pytest.mark.parametrize("rest", [b"\0" * 600, b"\0\n", b"{" * 300, b"\xff" * 5000, b"\n"])
def test_garbage_that_a_power_cut_leaves_at_the_end_is_taken_away_and_noted(tmp_path, rest):
    open_log(tmp_path).close()
    file = tmp_path / "audit-000001.jsonl"
    file.write_bytes(file.read_bytes() + rest)
    open_log(tmp_path).close()
    assert verify_log(tmp_path, keys=KEYS).whole
    assert [e["kind"] for e in entries(tmp_path)].count("note") == 1


@pytest.mark.parametrize("size", [0, 1, 300])
def test_power_cut_while_a_new_file_begins_is_mended_and_noted(tmp_path, size):
    with open_log(tmp_path, limits=Limits(rotate_mib=0.01)) as log:
        for _ in range(30):
            log.write(denial())
    newest = sorted(tmp_path.glob("audit-*"))[-1]
    following = tmp_path / f"audit-{int(newest.stem[6:]) + 1:06}.jsonl"
    following.write_bytes(b"{" * size)
    open_log(tmp_path).close()
    assert verify_log(tmp_path, keys=KEYS).whole
    assert not following.exists()
    assert sum("being begun" in e["detail"] for e in entries(tmp_path) if e["kind"] == "note") == 1


@pytest.mark.parametrize("size", [0, 1, 300])
def test_power_cut_while_the_log_begins_is_mended_and_noted(tmp_path, size):
    (tmp_path / "audit-000001.jsonl").write_bytes(b"{" * size)
    open_log(tmp_path).close()
    report = verify_log(tmp_path, keys=KEYS)
    assert report.whole and report.first_seq == 1
    assert [e["kind"] for e in entries(tmp_path)][:2] == ["segment", "note"]


def test_missing_head_is_made_anew_and_noted(tmp_path):
    open_log(tmp_path).close()
    (tmp_path / "head.jsonl").unlink()
    open_log(tmp_path).close()
    assert verify_log(tmp_path, keys=KEYS).whole
    assert any("head was missing" in e["detail"] for e in entries(tmp_path) if e["kind"] == "note")


@pytest.mark.parametrize("kept", range(6))
def test_door_does_not_go_on_with_a_log_whose_signed_end_was_cut_off(tmp_path, kept):
    with open_log(tmp_path) as log:
        log.write(opening())
    file = tmp_path / "audit-000001.jsonl"
    file.write_bytes(b"".join(lines(tmp_path)[:kept]))
    before = file.read_bytes()
    with pytest.raises(AuditError, match="was cut off or replaced. Move the folder away"):
        open_log(tmp_path)
    assert file.read_bytes() == before  # evidence


def test_door_does_not_go_on_with_a_log_that_is_gone(tmp_path):
    open_log(tmp_path).close()
    (tmp_path / "audit-000001.jsonl").unlink()
    with pytest.raises(AuditError, match="was cut off or replaced"):
        open_log(tmp_path)


@pytest.mark.parametrize("at", range(5))
def test_door_does_not_go_on_with_a_log_that_is_damaged_before_its_end(tmp_path, at):
    with open_log(tmp_path) as log:
        log.write(opening())
    whole = lines(tmp_path)
    whole[at] = whole[at].replace(b'"door":"north"', b'"door":"south"')
    (tmp_path / "audit-000001.jsonl").write_bytes(b"".join(whole))
    with pytest.raises(AuditError, match=f"is damaged at line {at + 1}: .*Move its folder away"):
        open_log(tmp_path)


def test_signed_last_entry_that_was_damaged_is_not_taken_for_a_torn_one(tmp_path):
    open_log(tmp_path).close()
    file = tmp_path / "audit-000001.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(AuditError, match="was cut off or replaced"):
        open_log(tmp_path)


def put(folder, log: bytes, head: bytes) -> None:
    """A log's folder as it may be found after a power cut."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "audit-000001.jsonl").write_bytes(log)
    (folder / "head.jsonl").write_bytes(head)


def test_line_that_is_only_half_written_leaves_no_trace(tmp_path):
    """A limit of the file's size ends the write in the middle of a line."""
    open_log(tmp_path).close()

    def write_beyond_the_limit() -> None:
        log = open_log(tmp_path, limits=Limits(checkpoint_entries=1000))
        before = lines(tmp_path)
        limit = sum(map(len, before)) + 100
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        with pytest.raises(AuditError, match="File too large: the disk is full"):
            log.write(opening())
        assert lines(tmp_path) == before
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        log.write(opening())
        log.close()

    assert in_child(write_beyond_the_limit) == ("", "")
    assert verify_log(tmp_path, keys=KEYS).whole and count(tmp_path) == 1
