"""By OpenSSH's own programs: ssh runs, sftp copies and goes on where it was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult

from boards.deploy.link import Part
from boards.errors import BoardsError
from boards.tool import run_tool

# Never a question (there may be nobody), and never a host whose key is not known.
OPTIONS = {"BatchMode": "yes", "StrictHostKeyChecking": "yes", "ConnectTimeout": "10"}
KEEP_ALIVE = {"ServerAliveInterval": "15", "ServerAliveCountMax": "4"}


class SshLink:
    """ssh://[user@]host[:port]; ~/.ssh/config counts as ever."""

    def __init__(
        self, url: SplitResult, *, identity: Path | None = None, config: Path | None = None
    ) -> None:
        if not url.hostname or url.path not in ("", "/"):
            raise BoardsError(f"{url.geturl()}: expected ssh://[user@]host[:port]")
        try:
            port = url.port
        except ValueError as error:
            raise BoardsError(f"{url.geturl()}: {error}; expected a port's number") from error
        self.where = url.geturl()
        user = f"{url.username}@" if url.username else ""
        self._host = f"{user}{url.hostname}"
        # sftp takes what follows a colon for a path.
        self._sftp_host = f"{user}[{url.hostname}]" if ":" in url.hostname else self._host
        self._options = [f"-o{key}={value}" for key, value in {**OPTIONS, **KEEP_ALIVE}.items()]
        self._options += [f"-oPort={port}"] if port else []
        self._options += ["-i", str(identity), "-oIdentitiesOnly=yes"] if identity else []
        self._options += ["-F", str(config)] if config else []

    def words(self, command: str) -> list[str]:
        """Return ssh's command line."""
        return ["ssh", *self._options, "--", self._host, command]

    def send(self, kit: Path, parts: Sequence[Part], *, upload: str) -> None:
        """Copy, and go on where a file is there in part; -f: onto the board's disk."""
        lines = [f"lcd {_quoted(str(kit))}", f"cd {_quoted(upload)}"]
        for part in parts:
            verb = "reput" if part.present_bytes else "put"
            lines.append(f"{verb} -f {_quoted(part.name)} {_quoted(part.name)}")
        run_tool(
            ["sftp", "-q", "-b", "-", *self._options, "--", self._sftp_host],
            given="\n".join(lines) + "\n",
        )


def _quoted(text: str) -> str:
    """Return a text as one word of a batch file."""
    if "\n" in text:
        raise BoardsError(f"{text!r}: sftp takes no line break in a name")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
