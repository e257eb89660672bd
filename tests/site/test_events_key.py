"""Whose signatures count at the site: of the key that a door shows first, and as an owner says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgeface.door.audit import AuditKey
from edgeface.door.audit_entry import encode
from edgeface.errors import SiteError, UnknownEntryError
from tests.door.audit_logs import KEY
from tests.site.door_logs import arrivals, noticed, write_log


def test_signature_is_checked_by_the_key_that_the_door_showed_first(events, sent):
    events.introduce("north", KEY.public_pem)
    events.introduce("north", KEY.public_pem)
    assert [(key.id, key.trusted) for key in events.keys("north")] == [(KEY.id, True)]
    assert len(noticed(events, "key")) == 1
    events.receive_all(sent)
    assert not noticed(events, "chain_broken")
    report = events.verify("north")
    assert report.whole and report.logs[0].report.signed_seq == len(sent)


def test_log_that_another_key_signs_is_noticed_until_an_operator_trusts_it(events, tmp_path):
    events.introduce("north", KEY.public_pem)
    other = AuditKey.generate()
    events.introduce("north", other.public_pem)
    assert f"shows another key, {other.id}" in noticed(events, "key")[0]
    sent = arrivals(write_log(tmp_path / "other", visits=1, key=other))
    events.receive_all(sent[:-1])
    (text,) = noticed(events, "chain_broken")
    assert f"signed by key {other.id}, which is not trusted" in text
    assert "expected" in events.verify("north").logs[0].report.problems[0]
    events.judge_key("north", other.id, trusted=True)
    assert events.verify("north").logs[0].report.whole
    events.judge_key("north", other.id, trusted=False)
    events.introduce("north", other.public_pem)
    assert [key.trusted for key in events.keys("north")] == [True, False]
    with pytest.raises(UnknownEntryError, match="never showed a key 00"):
        events.judge_key("north", "00", trusted=True)


def test_signature_that_does_not_hold_is_noticed(events, sent):
    events.trust("north", KEY.public_pem)
    first = json.loads(sent[0].line)
    forged = {**first, "signature": "A" * 85 + "A=="}
    events.receive_all([replace(sent[0], line=encode(forged)), *sent[1:]])
    assert noticed(events, "chain_broken") == ["the signature of entry 1 does not hold"]


def test_door_that_shows_ever_other_keys_fills_no_table(events):
    for _ in range(30):
        events.introduce("north", AuditKey.generate().public_pem)
    assert len(events.keys("north")) == 20
    assert [key.trusted for key in events.keys("north")] == [True] + [False] * 19


def test_key_is_kept_in_one_form_whatever_is_around_it(events):
    events.introduce("north", b"\xff\x00 a door's key\n" + KEY.public_pem + b"\xfe" * 9000)
    assert [key.id for key in events.keys("north")] in ([KEY.id], [])
    events.trust("north", KEY.public_pem)
    assert [key.id for key in events.keys("north")] == [KEY.id]


def test_key_that_is_none_is_refused(events):
    with pytest.raises(SiteError, match="not a public key"):
        events.trust("north", b"key")
    events.introduce("north", b"key")
    assert "not a public key" in noticed(events, "key")[0]
