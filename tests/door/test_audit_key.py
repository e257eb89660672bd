"""The audit log's key and its settings."""

from __future__ import annotations

import os
import stat

import pytest

from edgeface.door.audit import AuditKey, AuditLog
from edgeface.door.audit_key import make_audit_key
from edgeface.errors import AuditError, DoorError
from edgeface.signature import load_public_keys
from tests.door.audit_logs import (
    BUILD,
    KEY,
    kinds,
    opening,
)


def test_pseudonyms_differ_between_keys_and_not_between_spellings():
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    assert KEY.pseudonym(composed) == KEY.pseudonym(decomposed)
    assert KEY.pseudonym(composed) != AuditKey.generate().pseudonym(composed)


def test_key_pair_is_made_once_and_read_back(tmp_path):
    made = make_audit_key(tmp_path / "audit.pem")
    assert stat.S_IMODE((tmp_path / "audit.pem").stat().st_mode) == 0o600
    assert list(load_public_keys(tmp_path / "audit.pub.pem")) == [made.id]
    again = AuditKey.load(tmp_path / "audit.pem")
    assert again.id == made.id and again.pseudonym("Ada") == made.pseudonym("Ada")
    with pytest.raises(AuditError, match="keys are never overwritten"):
        make_audit_key(tmp_path / "audit.pem")
    assert "PRIVATE" not in repr(made) and repr(made) == f"AuditKey({made.id})"


def test_key_that_others_can_read_is_refused(tmp_path):
    make_audit_key(tmp_path / "audit.pem")
    (tmp_path / "audit.pem").chmod(0o640)
    with pytest.raises(AuditError, match="has mode 0640.*chmod 600"):
        AuditKey.load(tmp_path / "audit.pem")


def test_key_given_as_a_credential_of_the_service_is_read(tmp_path, monkeypatch):
    make_audit_key(tmp_path / "audit.pem")
    (tmp_path / "audit.pem").chmod(0o440)  # as systemd's access list shows
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    table = {"path": "log", "key": "credential:audit.pem"}
    with AuditLog.from_settings(table, base=tmp_path, door="north", build=BUILD) as log:
        log.write(opening())
    assert kinds(tmp_path / "log").count("decision") == 1


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "expected an Ed25519"),
        (b"-----BEGIN PRIVATE KEY-----\n", "expected"),
        (None, "No such"),
    ],
)
def test_key_that_is_none_is_refused(tmp_path, content, text):
    path = tmp_path / "audit.pem"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(AuditError, match=text):
        AuditKey.load(path)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"path": "log"}, "expected the field"),
        ({"path": "log", "key": "k", "keep": 3}, "keep: there is no such field"),
        ({"path": "log", "key": "k", "names": "all"}, "expected one of"),
        ({"path": "log", "key": "k", "keep_days": 0}, "more than 0"),
        ({"path": "log", "key": "credential:../x"}, "credential"),
    ],
)
def test_wrong_settings_say_what_is_wrong(tmp_path, monkeypatch, table, text):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", os.fspath(tmp_path))
    with pytest.raises(DoorError, match=text) as error:
        AuditLog.from_settings(table, base=tmp_path, door="north", build=BUILD)
    assert "[audit]" in str(error.value)
