"""Where a key may come from, and which keys are refused."""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from pathlib import Path

import pytest

from edgeface.errors import GalleryKeyError
from edgeface.gallery_key import KEY_VARIABLE, GalleryKey, write_key_file
from tests.faults import unprivileged

RAW = bytes(range(200, 232))


@pytest.fixture
def key_file(tmp_path):
    """Make a file of some content and mode."""

    def make(content: bytes = RAW, mode: int = 0o600):
        path = tmp_path / "gallery.key"
        path.write_bytes(content)
        path.chmod(mode)
        return path

    return make


@pytest.mark.parametrize("mode", [0o600, 0o400])
@pytest.mark.parametrize("content", [RAW, b64encode(RAW), b64encode(RAW) + b"\n"])
def test_key_file_of_its_owner_only_is_read(key_file, content, mode):
    key = GalleryKey.from_file(key_file(content, mode))
    assert key.secret() == RAW and key.source == "file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644, 0o610])
def test_key_file_that_others_can_read_is_refused_with_the_remedy(key_file, mode):
    with pytest.raises(
        GalleryKeyError, match=f"has mode 0{mode:o}, .*others may use it: chmod 600 "
    ):
        GalleryKey.from_file(key_file(mode=mode))


def test_key_file_that_this_user_may_not_read_is_refused(key_file):
    path = key_file(mode=0o600)
    if os.getuid():
        path.chmod(0)
    kind, text = unprivileged(lambda: GalleryKey.from_file(path), reach=path)
    assert kind == "GalleryKeyError" and "cannot read key file" in text and "Permission" in text


@pytest.mark.parametrize("content", [b"", b"short", RAW + b"x", b64encode(RAW[:16]), b"=" * 44])
def test_file_that_is_no_key_is_refused_and_not_shown(key_file, content):
    with pytest.raises(GalleryKeyError, match=f"gave {len(content)} bytes that are no key") as told:
        GalleryKey.from_file(key_file(content))
    assert "short" not in str(told.value)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for place, text in (("pipe", "no regular file"), (".", "directory"), ("none", "No such")):
        with pytest.raises(GalleryKeyError, match=text):
            GalleryKey.from_file(tmp_path / place)


def test_credential_of_systemd_is_read_although_its_access_list_shows_as_group(
    tmp_path, key_file, monkeypatch
):
    path = key_file(mode=0o440)
    with pytest.raises(GalleryKeyError):
        GalleryKey.from_file(path)
    with pytest.raises(GalleryKeyError, match="was given no credentials"):
        GalleryKey.from_settings({"file": "credential:gallery.key"}, base=tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    table = {"file": "credential:gallery.key"}
    assert GalleryKey.from_settings(table, base=Path("/nowhere")).secret() == RAW
    with pytest.raises(GalleryKeyError, match="a plain name, without slashes"):
        GalleryKey.from_settings({"file": "credential:../gallery.key"}, base=tmp_path)


def test_new_key_file_is_random_private_and_never_over_another(tmp_path):
    for name in ("one", "two"):
        write_key_file(tmp_path / name)
    one, two = (GalleryKey.from_file(tmp_path / name) for name in ("one", "two"))
    assert one.secret() != two.secret() and len(one.secret()) == 32
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600
    with pytest.raises(GalleryKeyError, match="File exists; a key is never overwritten"):
        write_key_file(tmp_path / "one")
    assert GalleryKey.from_file(tmp_path / "one").secret() == one.secret()


# Commands


@pytest.fixture
def program(tmp_path):
    """Make an executable of a shell script."""

    def make(script: str) -> str:
        path = tmp_path / "unseal"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return str(path)

    return make


def test_command_prints_the_key_and_gets_its_arguments_as_they_are(program):
    script = f'[ "$1" = "a b; exit 1" ] && echo {b64encode(RAW).decode()}'
    key = GalleryKey.from_command([program(script), "a b; exit 1"])
    assert key.secret() == RAW and key.source == "command"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo no such handle >&2; exit 7", r"failed with exit code 7 \(no such handle\): run it"),
        ("exit 1", r"failed with exit code 1 \(no message\)"),
        ("echo hello", "gave 6 bytes that are no key"),
        ("head -c 5000 /dev/zero", "gave 5000 bytes that are no key"),
        ("exec sleep 60", "printed no key within 0.3 s"),
    ],
)
def test_command_that_gives_no_key_is_named(program, script, text):
    with pytest.raises(GalleryKeyError, match=text):
        GalleryKey.from_command([program(script)], timeout_s=0.3 if "sleep" in script else 30)


def test_command_that_is_not_there_is_named_and_a_text_is_a_mistake(tmp_path):
    with pytest.raises(GalleryKeyError, match="does not start: No such file"):
        GalleryKey.from_command([str(tmp_path / "none")])
    with pytest.raises(TypeError, match="a list of program and arguments"):
        GalleryKey.from_command("tpm2_unseal -c 0x81010001")


# Passphrases, environment, settings


def test_short_passphrase_is_refused_and_not_shown():
    with pytest.raises(GalleryKeyError, match="has 6 characters, expected at least 12") as told:
        GalleryKey.from_passphrase("secret")
    assert "'secret'" not in str(told.value)


def test_environment_names_a_key_file(key_file, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert GalleryKey.from_environment() is None
    monkeypatch.setenv(KEY_VARIABLE, str(key_file()))
    assert GalleryKey.from_environment().secret() == RAW
    monkeypatch.setenv(KEY_VARIABLE, "")
    with pytest.raises(GalleryKeyError, match="is set to an empty text"):
        GalleryKey.from_environment()


def test_settings_name_each_source(tmp_path, key_file, program, monkeypatch):
    key_file()
    monkeypatch.setenv("DOOR_PASSPHRASE", "correct horse battery")
    command = [program(f"echo {b64encode(RAW).decode()}")]
    for table, source in [
        ({"file": "gallery.key"}, "file"),
        ({"command": command, "timeout_s": 5}, "command"),
        ({"passphrase_env": "DOOR_PASSPHRASE"}, "passphrase"),
    ]:
        assert GalleryKey.from_settings(table, base=tmp_path).source == source


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({}, "found none, expected one of its three sources"),
        ({"file": "a", "passphrase_env": "B"}, "found file and passphrase_env, expected one"),
        ({"file": 7}, "file: found 7, expected string"),
        ({"command": "tpm2_unseal"}, "command: found .*expected array"),
        ({"key": "a"}, "key: there is no such field"),
        ({"passphrase_env": "EDGEFACE_NOT_SET"}, "EDGEFACE_NOT_SET is not set"),
    ],
)
def test_settings_that_name_no_key_are_refused(tmp_path, table, text):
    with pytest.raises(GalleryKeyError, match=text):
        GalleryKey.from_settings(table, base=tmp_path)
