"""Deploying by ssh, against a real sshd."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from boards.deploy.link import Part
from boards.deploy.ssh import SshLink
from boards.errors import BoardsError
from boards.slot import HOME
from tests.boards.deploy.conftest import key_pair
from tests.boards.slot.kits import FAIL, make_kit, status, version_of_current, write_sums


def test_kit_is_copied_installed_and_reported(ssh_board, kit, capfd):
    assert ssh_board.deploy(kit) == 0
    assert version_of_current(ssh_board.root) == "1.0"
    printed = capfd.readouterr().out
    assert f"copy {sum(file.is_file() for file in kit.rglob('*'))} files" in printed
    assert "slot a runs edgeface 1.0, self-test passed" in printed
    assert list(ssh_board.uploads.iterdir()) == []


def test_update_goes_into_the_other_slot(ssh_board, kit, tmp_path):
    assert ssh_board.deploy(kit) == 0
    assert ssh_board.deploy(make_kit(tmp_path, version="2.0")) == 0
    assert version_of_current(ssh_board.root) == "2.0"
    assert status(ssh_board.root)["slots"]["a"]["version"] == "1.0"


def test_dry_run_changes_nothing(ssh_board, kit, capfd):
    assert ssh_board.deploy(kit, "--dry-run") == 0
    assert "install edgeface-1.0-test-board" in capfd.readouterr().out
    assert not ssh_board.root.exists() and os.listdir(ssh_board.home) == []


def test_copy_goes_on_where_it_was_cut_off(ssh_board, kit, capfd):
    """A file whole, one in part, one damaged, one in part of other contents, one of no kit."""
    upload = ssh_board.uploads / kit.name
    shutil.copytree(kit, upload)
    wheel = next(Path("wheels") / f.name for f in (kit / "wheels").glob("pip-*"))
    (upload / wheel).write_bytes((kit / wheel).read_bytes()[:50_000])
    (upload / "bundle.efb").write_bytes(b"bundle of 9.9")
    (upload / "slot.py").write_bytes(b"other bytes")
    (upload / "stale").write_bytes(b"of an earlier try")
    assert ssh_board.deploy(kit) == 0
    printed = capfd.readouterr().out
    assert "copy 3 files" in printed and "(1 of them from where they were cut off)" in printed
    assert version_of_current(ssh_board.root) == "1.0"


def test_failed_self_test_leaves_the_board_as_it_was(ssh_board, kit, tmp_path, capfd):
    assert ssh_board.deploy(kit) == 0
    before = status(ssh_board.root)
    assert ssh_board.deploy(make_kit(tmp_path, version="3.0", selftest=FAIL)) == 1
    said = capfd.readouterr().err
    assert "cosine 0.5, expected 0.99; what runs is unchanged" in said
    assert "the board runs what it ran before" in said
    assert status(ssh_board.root) == before


def test_kept_copy_is_not_sent_again(ssh_board, kit, capfd):
    assert ssh_board.deploy(kit, "--keep") == 0
    assert ssh_board.deploy(kit) == 0
    assert "copy 0 files, 0.0 MB" in capfd.readouterr().out


def test_kit_in_a_folder_with_signs_that_sftp_expands(ssh_board, tmp_path):
    folder = tmp_path / 'a "kit" [1]*?\\'
    assert ssh_board.deploy(make_kit(folder, version="1.0")) == 0
    assert version_of_current(ssh_board.root) == "1.0"


def test_unknown_host_key_is_refused(ssh_board, kit, capfd):
    known = ssh_board.config.with_name("known_hosts")
    known.write_text("")
    assert ssh_board.deploy(kit) == 1
    assert "log in once by hand, then deploy" in capfd.readouterr().err
    assert known.read_text() == "" and os.listdir(ssh_board.home) == []


def test_changed_host_key_is_refused(ssh_board, kit, capfd, tmp_path):
    known = ssh_board.config.with_name("known_hosts")
    other = key_pair(tmp_path / "other").with_suffix(".pub").read_text()
    known.write_text(f"{known.read_text().split()[0]} {other}")
    assert ssh_board.deploy(kit) == 1
    assert "the board's host key is not the known one" in capfd.readouterr().err
    assert os.listdir(ssh_board.home) == []


def test_strangers_key_is_refused_with_what_to_do(ssh_board, kit, capfd, tmp_path):
    ssh_board.key = key_pair(tmp_path / "stranger")
    assert ssh_board.deploy(kit) == 1
    assert "ssh-copy-id" in capfd.readouterr().err


def test_board_that_is_not_there(ssh_board, kit, capfd):
    ssh_board.url = "ssh://127.0.0.1:1"
    assert ssh_board.deploy(kit) == 1
    assert "Connection refused" in capfd.readouterr().err


def test_damaged_kit_is_not_sent(ssh_board, kit, capfd):
    (kit / "bundle.efb").write_bytes(b"bundle of 1.1")
    assert ssh_board.deploy(kit) == 1
    assert "bundle.efb is damaged" in capfd.readouterr().err
    assert os.listdir(ssh_board.home) == []


def test_kit_of_another_board_is_not_sent(ssh_board, tmp_path, capfd):
    kit = make_kit(tmp_path, version="1.0", board_toml='compatible = ["rockchip,rk3576"]\n')
    assert ssh_board.deploy(kit) == 1
    said = capfd.readouterr().err
    assert "device tree rockchip,rk3576; found there: none. Use the board's own kit" in said
    assert os.listdir(ssh_board.home) == []


def test_kit_of_another_processor_is_not_sent(ssh_board, kit, capfd):
    toml = kit / "board.toml"
    toml.write_text(toml.read_text().replace(os.uname().machine, "riscv64"))
    write_sums(kit)
    assert ssh_board.deploy(kit) == 1
    assert f"processor riscv64; found there: {os.uname().machine}" in capfd.readouterr().err


def test_kit_of_another_python_is_not_sent(ssh_board, tmp_path, capfd):
    assert ssh_board.deploy(make_kit(tmp_path, version="1.0", pythons=("3.8",))) == 1
    assert "Python 3.8; found there" in capfd.readouterr().err


def test_interrupted_copy_is_found_out(ssh_board, kit, capfd, monkeypatch):
    """What arrives is compared: here a file is spoilt on the board after it was sent."""
    from boards.deploy.ssh import SshLink

    send = SshLink.send

    def spoil(link, folder, parts, *, upload):
        send(link, folder, parts, upload=upload)
        Path(upload, "bundle.efb").write_bytes(b"")

    monkeypatch.setattr(SshLink, "send", spoil)
    assert ssh_board.deploy(kit) == 1
    assert "bundle.efb did not arrive as sent: deploy again" in capfd.readouterr().err
    assert not (ssh_board.root / HOME).exists()


def test_ipv6_address_is_a_host_for_sftp_too(kit):
    link = SshLink(urlsplit("ssh://root@[::1]:1"))  # port 1: nobody answers
    with pytest.raises(BoardsError, match="Connection closed|refused|unreachable|not available"):
        link.send(kit, [Part("kit.json", 0)], upload="/nowhere")
