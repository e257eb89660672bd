"""The site's own log: every act, by whom, in order, and nothing of it changed unnoticed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgeface.door.audit import AuditKey, Build, Limits
from edgeface.errors import AuditError
from edgeface.site.acts import Acts

BUILD = Build("edgeface 1", "0123456789abcdef", "0" * 64)


def opened(folder: Path, key: AuditKey, **limits: float) -> Acts:
    return Acts(folder / "acts", key=key, build=BUILD, limits=Limits(**limits))


def test_acts_of_many_threads_are_all_there_newest_first_and_signed(tmp_path):
    acts = opened(tmp_path, AuditKey.generate(), rotate_mib=0.01)
    threads = [
        threading.Thread(
            target=lambda: [acts.write("group set", by="user:ada", detail="x") for _ in range(20)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = acts.find(limit=50)
    rest = acts.find(limit=500, before=first[-1]["seq"])
    numbers = [entry["seq"] for entry in (*first, *rest)]
    assert len(numbers) == 80 and numbers == sorted(numbers, reverse=True)
    assert first[0]["by"] == "user:ada" and first[0]["act"] == "group set"
    acts.close()
    report = acts.verify()
    assert report.whole and report.files > 1 and report.signed_seq == report.last_seq


def test_changed_act_is_found(tmp_path):
    acts = opened(tmp_path, AuditKey.generate())
    acts.write("person erased", by="user:mallory")
    acts.close()
    file = next((tmp_path / "acts").glob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b"user:mallory", b"user:someone"))
    assert not acts.verify().whole


def test_two_processes_cannot_write_the_same_log(tmp_path):
    key = AuditKey.generate()
    acts = opened(tmp_path, key)
    with pytest.raises(AuditError):
        opened(tmp_path, key)
    acts.close()
    opened(tmp_path, key).close()
