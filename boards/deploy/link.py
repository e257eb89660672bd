"""How the host reaches a board: run a command there, copy files there."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from boards.errors import BoardsError
from boards.tool import find_tool


class Link(Protocol):
    """A way to one board."""

    where: str

    def words(self, command: str) -> list[str]:
        """Return the host's command line that runs a shell command on the board."""
        ...

    def send(self, kit: Path, parts: Sequence[Part], *, upload: str) -> None:
        """Copy files of a kit into a folder of the board, which is there."""
        ...


@dataclass(frozen=True)
class Part:
    """A file to copy: its name in the kit, and how many of its first bytes are there already."""

    name: str
    present_bytes: int


def ask(link: Link, words: Sequence[str], *, given: str = "") -> str:
    """Run a command on the board to its end, and return what it printed.

    Raises
    ------
    BoardsError
        There is no way to the board, or the command failed; with its last lines.
    """
    name, *rest = link.words(shlex.join(words))
    done = subprocess.run(
        [find_tool(name), *rest], input=given, capture_output=True, text=True, errors="replace"
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no text").splitlines()[-4:]
        raise BoardsError(f"{link.where}: {' | '.join(said)}{_advice(said)}")
    return done.stdout


def _advice(said: Sequence[str]) -> str:
    text = " ".join(said)
    if "Host key verification failed" in text:
        return (
            "; the board's host key is not the known one, or none is known: compare its "
            "fingerprint (ssh-keygen -lf on the board), log in once by hand, then deploy"
        )
    if "Permission denied (" in text:
        return "; put your public key on the board (ssh-copy-id), or name the key by --identity"
    if "unauthorized" in text:
        return "; allow this host on the board (adb keys)"
    if "python3" in text and "not found" in text:
        return "; the board needs Python 3.9 or later (Debian: apt install python3-minimal)"
    return ""


def watch(link: Link, words: Sequence[str]) -> int:
    """Run a command on the board, its output straight to the terminal; return its exit code."""
    name, *rest = link.words(shlex.join(words))
    return subprocess.run([find_tool(name), *rest], stdin=subprocess.DEVNULL).returncode
