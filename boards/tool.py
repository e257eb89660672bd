"""Programs of the host that this side runs: found, or an error that names their package."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from boards.errors import BoardsError

# Debian's package of each program, for the error text. None: the vendor's own, in no package.
PACKAGES = {
    **dict.fromkeys(("debugfs", "e2fsck", "resize2fs", "dumpe2fs"), "e2fsprogs"),
    **dict.fromkeys(("lsblk", "findmnt"), "util-linux"),
    **{"sfdisk": "fdisk", "dd": "coreutils", "bmaptool": "bmap-tools"},
    **{"ssh": "openssh-client", "sftp": "openssh-client", "adb": "adb"},
    **{"rkdeveloptool": "rkdeveloptool", "upgrade_tool": None, "xfel": None},
}
# Debian keeps them where only root's PATH looks; none of them needs root.
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")


def find_tool(name: str) -> str:
    """Path of a program.

    Raises
    ------
    BoardsError
        It is not on PATH; the text says how to install it.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    found = shutil.which(name, path=path)
    if found:
        return found
    package = PACKAGES.get(name)
    do = f"apt-get install {package}" if package else "put the vendor's tool on PATH"
    raise BoardsError(f"{name} not found on PATH; {do}")


def run_tool(
    words: Sequence[str | Path], *, ok: Sequence[int] = (0,), given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, output captured, in the C locale.

    Parameters
    ----------
    words
        Name of the program and its arguments.
    ok
        Exit codes that are no failure.
    given
        Text for its standard input; without it there is nothing to read.

    Raises
    ------
    BoardsError
        The program is missing, or ended with another code; with its last lines.
    """
    name, *arguments = [str(word) for word in words]
    done = subprocess.run(
        [find_tool(name), *arguments],
        input=given if given is not None else "",
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode not in ok:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-4:]
        raise BoardsError(
            f"{' '.join([name, *arguments])} ended with code {done.returncode}: {' | '.join(said)}"
        )
    return done
