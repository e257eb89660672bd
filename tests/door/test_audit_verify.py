"""What is done to an audit log is found, and what cannot be found is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgeface.door.audit import AuditKey, Limits
from edgeface.door.audit_entry import chained, decode, digest, encode
from edgeface.door.audit_verify import verify_log
from edgeface.errors import AuditError
from tests.door.audit_logs import KEY, denial, lines, open_log, opening, tamper

KEYS = {KEY.id: KEY.public}
LOG = "audit-000001.jsonl"


@pytest.fixture
def log(tmp_path) -> Path:
    """A closed log of ten entries in one file."""
    with open_log(tmp_path / "log", limits=Limits(checkpoint_entries=3)) as writer:
        writer.write(opening())
        writer.write(denial())
        writer.write(tamper())
        writer.write(denial())
    return tmp_path / "log"


def verify(folder: Path, keys=KEYS, **options):
    return verify_log(folder, keys=keys, **options)


def rewrite(folder: Path, changed: list[bytes]) -> None:
    (folder / LOG).write_bytes(b"".join(changed))


def without_key(entry: dict, previous: str) -> bytes:
    """An entry as whoever has no key can rewrite it: chained anew, its old signature kept."""
    new = {**entry, "prev": previous}
    new["hash"] = chained(previous, digest(new))
    return encode(new) + b"\n"


def rechained(entries: list[dict]) -> list[bytes]:
    """A whole log, rewritten by somebody without the key."""
    result, previous = [], "0" * 64
    for number, entry in enumerate(entries, 1):
        line = without_key({**entry, "seq": number}, previous)
        result.append(line)
        previous = json.loads(line)["hash"]
    return result


def test_closed_log_is_whole_and_signed_to_its_end(log):
    report = verify(log)
    assert report.whole and report.notes == ()
    assert report.signed_seq == report.last_seq == report.entries == len(lines(log)) == 10
    assert report.since == report.until == "2030-01-01T08:00:00.000Z"


def test_log_in_use_is_whole_and_says_what_is_not_signed_yet(tmp_path):
    with open_log(tmp_path) as writer:
        number = writer.write(opening())
        report = verify(tmp_path)
        assert report.whole and report.signed_seq == number - 1
        assert any(f"entry {number} is not signed yet" in note for note in report.notes)


def test_bit_flip_in_any_byte_is_found(tmp_path):
    """Of the log, and of the head."""
    log = tmp_path
    with open_log(log) as writer:
        writer.write(opening())
    for file in (log / LOG, log / "head.jsonl"):
        whole = file.read_bytes()
        for at in range(len(whole)):
            bit = 1 << at % 8
            file.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            assert not verify(log).whole, (file.name, at)
        file.write_bytes(whole)
    assert verify(log).whole


def test_every_removed_entry_is_found(log):
    whole = lines(log)
    for at in range(len(whole)):
        rewrite(log, whole[:at] + whole[at + 1 :])
        assert any(f"entry {at + 1} is missing" in problem for problem in verify(log).problems), at


def test_every_repeated_entry_is_found(log):
    whole = lines(log)
    for at in range(len(whole)):
        for to in range(len(whole) + 1):
            rewrite(log, whole[:to] + [whole[at]] + whole[to:])
            assert not verify(log).whole


def test_every_swap_is_found(log):
    whole = lines(log)
    for at in range(len(whole)):
        for to in range(at):
            changed = list(whole)
            changed[at], changed[to] = changed[to], changed[at]
            rewrite(log, changed)
            assert not verify(log).whole


def test_inserted_entry_is_found(log):
    whole = lines(log)
    forged = {**decode(whole[3][:-1]), "person": "p-0000000000000000", "seq": 5}
    for at in range(1, len(whole) + 1):
        previous = decode(whole[at - 1][:-1])["hash"]
        line = without_key({**forged, "seq": at + 1}, previous)
        rewrite(log, whole[:at] + [line] + whole[at:])
        report = verify(log)
        assert not report.whole or at == len(whole)


def test_entry_added_at_the_end_without_the_key_is_said_to_be_unsigned(log):
    """Without the key an entry can be added after the last signature: it is shown as such."""
    whole = lines(log)
    line = without_key({**decode(whole[3][:-1]), "seq": 11}, decode(whole[-1][:-1])["hash"])
    rewrite(log, [*whole, line])
    report = verify(log)
    assert report.signed_seq == 10 and any("entry 11 is not signed" in n for n in report.notes)


@pytest.mark.parametrize("seq", range(1, 11))
def test_entry_changed_and_everything_after_it_chained_anew_is_found(log, seq):
    entries = [decode(line[:-1]) for line in lines(log)]
    entries[seq - 1]["door"] = "south"
    rewrite(log, rechained(entries))
    problems = verify(log).problems
    assert any("its signature does not hold" in problem for problem in problems)


def test_log_rewritten_without_an_entry_is_found(log):
    entries = [decode(line[:-1]) for line in lines(log)]
    del entries[3]
    rewrite(log, rechained(entries))
    assert any("its signature does not hold" in problem for problem in verify(log).problems)


def test_first_broken_entry_is_named(log):
    whole = lines(log)
    whole[4] = whole[4].replace(b'"unknown"', b'"blocked"')
    rewrite(log, whole)
    assert verify(log).problems == (
        "file 1, line 5, after entry 4: its hash does not belong to it: it was changed after it "
        "was written",
    )


@pytest.mark.parametrize("kept", range(10))
def test_every_cut_at_the_end_is_found(log, kept):
    rewrite(log, lines(log)[:kept])
    report = verify(log)
    assert any("missing at the end" in problem for problem in report.problems)


def test_cut_in_the_middle_of_a_line_is_found(log):
    whole = (log / LOG).read_bytes()
    for size in range(0, len(whole), 7):
        (log / LOG).write_bytes(whole[:size])
        assert not verify(log).whole


def test_log_of_another_key_is_found(log, tmp_path):
    with open_log(tmp_path / "other", key=AuditKey.generate()) as writer:
        for _ in range(4):
            writer.write(denial())
    report = verify(tmp_path / "other")
    assert any(f"expected {KEY.id}" in problem for problem in report.problems)
    assert report.signed_seq == 0


def test_file_of_another_log_of_the_same_key_is_found(log, tmp_path):
    with open_log(tmp_path / "other") as writer:
        writer.write(denial())
        writer.write(tamper())
        writer.write(denial())
    other = lines(tmp_path / "other")
    rewrite(log, lines(log)[:7] + other[7:])
    assert not verify(log).whole
    rewrite(log, other)
    assert not verify(log).whole  # the head is this log's


def test_older_copy_of_log_and_head_is_found_by_a_witness_only(tmp_path):
    """What no log by itself can show: somebody who puts back log and head of yesterday."""
    with open_log(tmp_path / "log") as writer:
        writer.write(denial())
    shutil.copytree(tmp_path / "log", tmp_path / "yesterday")
    with open_log(tmp_path / "log") as writer:
        writer.write(opening())
    witness = (tmp_path / "log" / "head.jsonl").read_bytes()
    assert verify(tmp_path / "log", witness=[witness]).whole
    assert verify(tmp_path / "yesterday").whole
    report = verify(tmp_path / "yesterday", witness=[witness])
    assert any("missing at the end, says the witness" in p for p in report.problems)


def test_log_rewritten_with_the_stolen_key_is_found_by_a_witness(tmp_path):
    with open_log(tmp_path / "log") as writer:
        writer.write(opening())
    witness = (tmp_path / "log" / "head.jsonl").read_bytes()
    shutil.rmtree(tmp_path / "log")
    with open_log(tmp_path / "log") as writer:
        writer.write(denial())
    assert verify(tmp_path / "log").whole
    report = verify(tmp_path / "log", witness=[witness])
    assert any("another one than the witness has" in problem for problem in report.problems)


def test_witness_that_is_not_signed_by_the_key_is_refused(log, tmp_path):
    other = AuditKey.generate()
    open_log(tmp_path / "other", key=other).close()
    for line in ((tmp_path / "other" / "head.jsonl").read_bytes(), lines(log)[3]):
        with pytest.raises(AuditError, match="it proves nothing"):
            verify(log, witness=[line])


def test_missing_head_is_found(log):
    (log / "head.jsonl").unlink()
    assert any("its head is missing" in problem for problem in verify(log).problems)


def test_without_the_public_key_only_the_chain_is_checked_and_that_is_said(log):
    report = verify(log, keys=None)
    assert report.whole and report.signed_seq == 0
    assert any("signatures were not checked" in note for note in report.notes)
    entries = [decode(line[:-1]) for line in lines(log)]
    entries[3]["door"] = "south"
    rewrite(log, rechained(entries))
    assert any("not the one that the head has" in p for p in verify(log, keys=None).problems)


def test_run_that_power_ended_is_noted(tmp_path):
    writer = open_log(tmp_path)
    writer.write(opening())
    writer._chain.close()  # as a kill would
    open_log(tmp_path).close()
    report = verify(tmp_path)
    assert report.whole and any("1 runs ended without 'stop'" in note for note in report.notes)


def test_folder_without_a_log_is_an_error(tmp_path):
    with pytest.raises(AuditError, match="holds no audit log"):
        verify(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\0" * 5000, b"{}\n", b"x" * 100_000, b"[" * 9000]
)
def test_garbage_in_place_of_a_log_is_reported_not_raised(log, content):
    (log / LOG).write_bytes(content)
    assert not verify(log).whole
