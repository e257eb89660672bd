"""Old files go as keep_days says, and the log stays whole; other files that go are missed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from edgeface.door.audit import Limits
from edgeface.door.audit_verify import verify_log
from tests.door.audit_logs import KEY, DoorClock, denial, open_log, opening

KEYS = {KEY.id: KEY.public}


@pytest.fixture
def long_log(tmp_path) -> Path:
    """A log of several files, the first of which the door deleted."""
    clock = DoorClock()
    folder = tmp_path / "long"
    with open_log(folder, now=clock, limits=Limits(rotate_days=1, keep_days=3)) as writer:
        for day in range(7):
            clock.seconds = timedelta(days=day, seconds=1).total_seconds()
            writer.write(opening(at=clock()))
            writer.write(denial())
    return folder


def test_log_whose_old_files_the_door_deleted_is_whole(long_log):
    report = verify_log(long_log, keys=KEYS)
    assert report.whole and report.first_seq > 1 and report.files >= 4
    assert any(
        f"entries 1 to {report.first_seq - 1} were deleted by keep_days" in n for n in report.notes
    )


def test_every_removed_file_is_found(long_log):
    for file in sorted(long_log.glob("audit-*")):
        data = file.read_bytes()
        file.unlink()
        report = verify_log(long_log, keys=KEYS)
        assert any("missing" in problem for problem in report.problems), file.name
        file.write_bytes(data)


def test_renamed_file_is_found(long_log):
    files = sorted(long_log.glob("audit-*"))
    files[-1].rename(long_log / "audit-000099.jsonl")
    assert any(
        "does not begin as file 99" in problem
        for problem in verify_log(long_log, keys=KEYS).problems
    )


def test_deletion_that_was_interrupted_leaves_the_log_whole(tmp_path):
    clock = DoorClock()
    limits = Limits(rotate_days=1, keep_days=1.5)
    kept = {}
    with open_log(tmp_path, now=clock, limits=limits) as writer:
        for day in range(4):
            clock.seconds = day * 86400 + 1
            kept.update((file, file.read_bytes()) for file in tmp_path.glob("audit-*"))
            writer.write(opening(at=clock()))
    gone = sorted(file for file in kept if not file.exists())
    gone[-1].write_bytes(kept[gone[-1]])
    assert verify_log(tmp_path, keys=KEYS).whole


def test_old_file_that_is_damaged_keeps_no_door_shut_and_goes_with_the_newer_ones(tmp_path):
    clock = DoorClock()
    limits = Limits(rotate_days=1, keep_days=2)
    with open_log(tmp_path, now=clock, limits=limits) as writer:
        writer.write(opening(at=clock()))
        clock.seconds = 86400 + 1
        writer.write(opening(at=clock()))
    damaged = sorted(tmp_path.glob("audit-*"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-9] + b"?" * 8 + b"\n")
    with open_log(tmp_path, now=clock, limits=limits) as writer:
        for day in range(2, 6):
            assert damaged.exists() or day > 3
            clock.seconds = day * 86400 + 1
            writer.write(opening(at=clock()))
    assert not damaged.exists() and verify_log(tmp_path, keys=KEYS).whole
