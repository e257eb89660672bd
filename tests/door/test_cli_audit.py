"""``edgeface audit``: what it prints, writes and returns."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeface.cli import main
from edgeface.door.audit import AuditKey, Limits
from edgeface.door.audit_key import make_audit_key
from edgeface.door.event import Moment, Reason
from edgeface.gallery import Gallery
from tests.door.audit_logs import BEGAN, denial, lines, open_log, opening


@pytest.fixture
def site(tmp_path) -> Path:
    """A folder with a log, a key pair, and another key pair."""
    make_audit_key(tmp_path / "audit.pem")
    make_audit_key(tmp_path / "other.pem")
    with open_log(
        tmp_path / "log", key=key_of(tmp_path), limits=Limits(checkpoint_entries=3)
    ) as log:
        log.write(opening("Ada Lovelace"))
        log.write(denial(Reason.UNKNOWN, score=0.2))
        log.write(opening("Grace Hopper", at=Moment(2000.0, BEGAN.replace(day=3))))
        log.write(denial(Reason.NOT_LIVE, live=0.1))
    return tmp_path


def key_of(site: Path) -> AuditKey:
    return AuditKey.load(site / "audit.pem")


def run(*arguments: object) -> int:
    return main(["audit", *map(str, arguments)])


def verify(site: Path, *more: object, key: str = "audit") -> int:
    return run("verify", site / "log", "--public-key", site / f"{key}.pub.pem", *more)


def test_key_is_made_and_named(tmp_path, capsys):
    assert run("key", tmp_path / "k.pem", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["key_id"] == AuditKey.load(tmp_path / "k.pem").id
    assert run("key", tmp_path / "k.pem") == 1
    assert "never overwritten" in capsys.readouterr().err


def test_whole_log_is_verified(site, capsys):
    assert verify(site) == 0
    out = capsys.readouterr().out
    assert "log: whole: 10 entries (1 to 10) in 1 files" in out
    assert "signatures hold, up to entry 10" in out


def test_changed_log_ends_with_1_and_names_the_entry(site, capsys):
    file = site / "log" / "audit-000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"unknown"', b'"blocked"'))
    assert verify(site, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["whole"] is False and "line 5" in told["problems"][0]


def test_log_of_another_key_ends_with_1(site, capsys):
    assert verify(site, key="other") == 1
    assert "NOT WHOLE" in capsys.readouterr().out


def test_public_key_or_the_wish_to_do_without_must_be_given(site, capsys):
    assert run("verify", site / "log") == 2
    assert run("verify", site / "log", "--chain-only") == 0
    assert "signatures were not checked" in capsys.readouterr().out
    assert run("verify", site / "log", "--public-key", site / "none.pem") == 1
    assert run("verify", site / "log", "--public-key", site / "audit.pem") == 1
    assert "private key: keep it secret" in capsys.readouterr().err


def test_witness_shows_that_the_log_was_put_back(site, capsys):
    (site / "witness").write_bytes((site / "log" / "head.jsonl").read_bytes())
    assert verify(site, "--witness", site / "witness") == 0
    file = site / "log" / "audit-000001.jsonl"
    kept = lines(site / "log")[:7]
    file.write_bytes(b"".join(kept))
    (site / "log" / "head.jsonl").write_bytes(kept[6])
    assert verify(site) == 0
    assert verify(site, "--witness", site / "witness") == 1
    assert "entries 8 to 10 are missing at the end, says the witness" in capsys.readouterr().out


def shown(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--kind", "decision"], [4, 5, 6, 8]),
        (["--reason", "unknown"], [5]),
        (["--since", "2030-01-02"], [6]),
        (["--until", "2030-01-02T00:00Z", "--kind", "decision"], [4, 5, 8]),
        (["--last", "2"], [9, 10]),
        (["--last", "1", "--kind", "decision"], [8]),
        (["--person", "Nobody"], []),
    ],
)
def test_show_filters(site, capsys, arguments, expected):
    assert run("show", site / "log", "--json", *arguments) == 0
    assert [entry["seq"] for entry in shown(capsys)] == expected


def test_show_finds_a_person_by_name_with_the_key_and_by_pseudonym_without(site, capsys):
    pseudonym = key_of(site).pseudonym("Ada Lovelace")
    for how in (["--person", "Ada Lovelace", "--key", site / "audit.pem"], ["--person", pseudonym]):
        assert run("show", site / "log", "--json", *how) == 0
        assert [(e["seq"], e["person"]) for e in shown(capsys)] == [(4, pseudonym)]
    assert run("show", site / "log", "--person", "Ada Lovelace") == 0
    assert capsys.readouterr().out == ""


def test_show_names_people_of_the_gallery_only(site, capsys, pipeline):
    import numpy as np

    bundle = pipeline.bundle
    rows = np.eye(1, bundle.stage("embedder")["dim"], dtype=np.float32)
    with Gallery.open(site / "gallery.db", model_id=bundle.model_id, dim=rows.shape[1]) as gallery:
        gallery.enroll("Ada Lovelace", rows)
    how = ["--key", site / "audit.pem", "--gallery", site / "gallery.db", "--kind", "decision"]
    assert run("show", site / "log", *how) == 0
    out = capsys.readouterr().out
    assert "Ada Lovelace" in out and "Grace Hopper" not in out
    assert key_of(site).pseudonym("Grace Hopper") in out
    assert run("show", site / "log", "--gallery", site / "gallery.db") == 2


def test_show_says_that_a_line_is_not_whole_and_ends_with_1(site, capsys):
    file = site / "log" / "audit-000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"unknown"', b'"blocked"'))
    assert run("show", site / "log", "--kind", "decision", "--json") == 1
    found = capsys.readouterr()
    assert [json.loads(line)["seq"] for line in found.out.splitlines()] == [4, 6, 8]
    assert "1 lines are no whole entries, first: file 1, line 5" in found.err


def test_show_follows_a_log_in_use_into_its_next_file(site):
    key = key_of(site)
    arguments = ["audit", "show", str(site / "log"), "--follow", "--kind", "decision", "--json"]
    with open_log(site / "log", key=key, limits=Limits(rotate_mib=0.01)) as log:
        command = [sys.executable, "-u", "-m", "edgeface", *arguments, "--last", "1"]
        follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert json.loads(follower.stdout.readline())["seq"] == 8
        written = [log.write(denial(track=number)) for number in range(40)]
        found = [json.loads(follower.stdout.readline())["seq"] for _ in written]
        follower.terminate()
        follower.wait()
        follower.stdout.close()
    assert found == written and len(list((site / "log").glob("audit-*"))) > 1


@pytest.mark.parametrize("text", ["yesterday", "5 h", "2030-13-01", "999999d", f"{10**30}s"])
def test_time_that_is_none_is_a_usage_error(site, capsys, text):
    with pytest.raises(SystemExit) as ended:
        run("show", site / "log", "--since", text)
    assert ended.value.code == 2 and "is no time" in capsys.readouterr().err


def test_export_shows_one_person_hides_the_others_and_proves_it(site, capsys):
    out = site / "ada.jsonl"
    how = ["--person", "Ada Lovelace", "--key", site / "audit.pem", "--out", out]
    assert run("export", site / "log", *how) == 0
    text = out.read_text()
    assert key_of(site).pseudonym("Ada Lovelace") in text
    assert key_of(site).pseudonym("Grace Hopper") not in text
    assert '"unknown"' not in text
    assert os.stat(out).st_mode & 0o777 == 0o600
    assert run("verify", out, "--public-key", site / "audit.pub.pem") == 0
    assert "signatures hold" in capsys.readouterr().out
    assert run("verify", out, "--public-key", site / "other.pub.pem") == 1


def test_every_change_of_an_export_is_found(site):
    out = site / "ada.jsonl"
    run("export", site / "log", "--reason", "recognised", "--out", out)
    whole = out.read_bytes()
    rows = whole.splitlines(keepends=True)
    for at in range(len(rows)):
        out.write_bytes(b"".join(rows[:at] + rows[at + 1 :]))
        assert run("verify", out, "--public-key", site / "audit.pub.pem") == 1, at
    for at in range(0, len(whole), 11):
        out.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert run("verify", out, "--public-key", site / "audit.pub.pem") == 1, at


def test_table_is_exported_with_its_proof_and_without_formulas(site, capsys):
    with open_log(site / "log", key=key_of(site), names="name") as log:
        log.write(opening("=cmd|'/c calc'!A1"))
    out = site / "log.csv"
    assert run("export", site / "log", "--kind", "decision", "--format", "csv", "--out", out) == 0
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["reason"] for row in rows] == [
        *("recognised", "unknown", "recognised", "not_live", "recognised")
    ]
    assert rows[-1]["person"] == "'=cmd|'/c calc'!A1"
    proof = site / "log.csv.proof.jsonl"
    hashes = {json.loads(line).get("hash") for line in proof.read_text().splitlines()}
    assert {row["hash"] for row in rows} <= hashes
    assert run("verify", proof, "--public-key", site / "audit.pub.pem") == 0


def test_export_of_nothing_is_an_error_and_writes_nothing(site, capsys):
    assert run("export", site / "log", "--person", "Nobody", "--out", site / "out.jsonl") == 1
    assert not (site / "out.jsonl").exists()
    assert "no entry fits" in capsys.readouterr().err


def test_export_that_no_signature_covers_yet_is_said_to_be_so(site, capsys):
    with open_log(site / "log", key=key_of(site)) as log:
        log.write(opening())
        out = site / "out.jsonl"
        assert run("export", site / "log", "--reason", "recognised", "--out", out) == 0
        assert run("verify", out, "--public-key", site / "audit.pub.pem") == 1
        assert "are not covered by a signature" in capsys.readouterr().out


def test_missing_log_is_an_error(tmp_path, capsys):
    make_audit_key(tmp_path / "audit.pem")
    for action in (["show"], ["verify", "--chain-only"], ["export", "--out", tmp_path / "x"]):
        assert run(action[0], tmp_path, *action[1:]) == 1
        assert "holds no audit log" in capsys.readouterr().err
