"""Disks that are full, and others who write: no entry is lost, none is half there."""

from __future__ import annotations

import stat
import subprocess

import pytest

from edgeface.door.audit import Limits
from edgeface.errors import AuditError
from tests.door.audit_logs import (
    kinds,
    open_log,
    opening,
)
from tests.faults import in_child, small_disk, unprivileged


def test_second_writer_is_refused(tmp_path):
    with open_log(tmp_path):
        with pytest.raises(AuditError, match="is being written by another process"):
            open_log(tmp_path)
        kind, text = in_child(lambda: open_log(tmp_path))
        assert kind == "AuditError" and "another process" in text
    open_log(tmp_path).close()


def test_log_opened_before_a_fork_is_refused_after_it(tmp_path):
    with open_log(tmp_path) as log:
        kind, text = in_child(lambda: log.write(opening()))
        assert kind == "AuditError" and "before this process was forked" in text
        log.write(opening())
    assert kinds(tmp_path).count("decision") == 1


def test_full_disk_is_an_error_then_nothing_half_is_left_and_it_works_again(tmp_path):
    with small_disk(tmp_path / "disk", kib=64) as place:
        with open_log(place / "log", limits=Limits(checkpoint_entries=1000)) as log:
            written = 0
            with pytest.raises(AuditError, match="the disk is full; .* no face opens the door"):
                while True:
                    log.write(opening())
                    written += 1
            assert kinds(place / "log").count("decision") == written > 20
            filler = place / "filler"
            with pytest.raises(OSError):
                filler.write_bytes(bytes(65536))
            with pytest.raises(AuditError):
                log.write(opening())
            filler.unlink()
            assert kinds(place / "log").count("decision") == written
            enlarge(place, kib=128)
            log.write(opening())
        assert kinds(place / "log").count("decision") == written + 1


def enlarge(place, *, kib: int) -> None:
    """Make a `small_disk` larger."""
    subprocess.run(["mount", "-o", f"remount,size={kib}k", str(place)], check=True)


def test_disk_full_when_the_log_begins_leaves_no_half_file(tmp_path):
    with small_disk(tmp_path / "disk", kib=8) as place:
        with pytest.raises(OSError):
            (place / "filler").write_bytes(bytes(65536))
        with pytest.raises(AuditError, match="No space left"):
            open_log(place / "log")
        (place / "filler").unlink()
        enlarge(place, kib=64)
        open_log(place / "log").close()
        assert kinds(place / "log")[0] == "segment"


def test_folder_that_may_not_be_written_is_an_error(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir(mode=0o555)
    kind, text = unprivileged(lambda: open_log(folder), reach=folder)
    assert kind == "AuditError" and "Permission denied: check the path" in text


@pytest.mark.parametrize("change", ["grown", "cut", "replaced", "deleted"])
def test_file_that_another_program_changes_meanwhile_is_noticed(tmp_path, change):
    log = open_log(tmp_path)
    log.write(opening())
    file = tmp_path / "audit-000001.jsonl"
    data = file.read_bytes()
    if change in ("replaced", "deleted"):
        file.unlink()
    if change != "deleted":
        file.write_bytes({"grown": data + b"x", "cut": data[:-1], "replaced": data}[change])
    with pytest.raises(AuditError, match="changed by another program|No such file"):
        log.write(opening())
    with pytest.raises(AuditError):
        log.close()


def test_log_is_for_its_owner(tmp_path):
    with open_log(tmp_path / "log"):
        assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o700
