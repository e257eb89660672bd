"""A board that is reached for real: OpenSSH's sshd on a port of this machine, keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from boards.__main__ import main
from tests.boards.slot.kits import environment, folder_in_memory, make_kit


@dataclass
class SshBoard:
    """A running sshd: where it is, the client's configuration, the board's home and root."""

    url: str
    config: Path
    key: Path
    home: Path
    root: Path

    def deploy(self, kit: Path, *more: str | Path) -> int:
        """Run `python -m boards deploy` on it."""
        words = [
            "deploy",
            self.url,
            "--kit",
            kit,
            "--ssh-config",
            self.config,
            "--identity",
            self.key,
        ]
        return main([str(word) for word in [*words, "--root", self.root, *more]])

    @property
    def uploads(self) -> Path:
        return self.home / ".cache/edgeface"


def key_pair(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: the tests flush hundreds of times."""
    with folder_in_memory() as folder:
        yield folder


@pytest.fixture
def ssh_board(tmp_path) -> Iterator[SshBoard]:
    """An sshd for this user, with a home in the test's folder."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")
    if not sshd:
        pytest.fail("no sshd") if "CI" in os.environ else pytest.skip("openssh-server is missing")
    home, folder = tmp_path / "home", tmp_path / "ssh"
    home.mkdir()
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd's, made by its service elsewhere
    key, host_key = key_pair(folder / "key"), key_pair(folder / "host_key")
    shutil.copy(key.with_suffix(".pub"), folder / "authorized_keys")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = environment(tmp_path)["PATH"]
    (tmp_path / "python/python3").symlink_to(Path(sys.executable).resolve())
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
        f"SetEnv HOME={home} PATH={path}\n"
    )
    public = host_key.with_suffix(".pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    config = folder / "config"
    config.write_text(f"Host *\n  UserKnownHostsFile {folder}/known_hosts\n")
    server = subprocess.Popen(
        [sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}"
        yield SshBoard(url, config, key, home, tmp_path / "root")
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("sshd did not start")


@pytest.fixture
def kit(tmp_path) -> Path:
    return make_kit(tmp_path, version="1.0")
