"""CPython's headers out of Debian's packages, by apt, without installing anything."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from boards.errors import BoardsError
from boards.wheels.target import Target

SUITES = {"3.9": "bullseye", "3.11": "bookworm", "3.13": "trixie"}
"""CPython -> the Debian that has it."""

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}


def download_headers(target: Target, work: Path) -> Path:
    """Return the folder of the target's Python.h, downloaded once; needs Debian's apt.

    Parameters
    ----------
    work
        Where packages and apt's own lists go.

    Raises
    ------
    BoardsError
        apt is not there, or cannot get or unpack the package.
    """
    folder = work.resolve() / f"{target.abi}-{target.arch}"
    headers = folder / "root" / "usr" / "include" / f"python{target.python}"
    if (headers / "Python.h").is_file():
        return headers
    if not shutil.which("apt-get"):
        raise BoardsError(
            f"no headers of CPython {target.python} here, and no apt-get to take Debian's: give "
            f"--headers {target.python}=DIR (a folder with Python.h)"
        )
    shutil.rmtree(folder, ignore_errors=True)
    for made in ("lists/partial", "archives/partial", "packages"):
        (folder / made).mkdir(parents=True)
    (folder / "status").touch()
    sources = folder / "sources.list"
    suite = f"{_mirror(folder)} {SUITES[target.python]}"
    sources.write_text(f"deb [signed-by={KEYRING}] {suite} main\n")
    apt = ["apt-get", "--quiet=2", *_options(folder, ARCHITECTURES[target.arch])]
    _call([*apt, "update"], folder=folder)
    _call([*apt, "download", f"libpython{target.python}-dev"], folder=folder / "packages")
    for package in sorted((folder / "packages").glob("*.deb")):
        _call(["dpkg-deb", "--extract", str(package), str(folder / "root")], folder=folder)
    if not (headers / "Python.h").is_file():
        raise BoardsError(f"Debian's libpython{target.python}-dev holds no {headers}/Python.h")
    return headers


def _options(folder: Path, architecture: str) -> list[str]:
    """apt on lists of its own: this machine's are for its own Debian and architecture."""
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures::": architecture,
        "APT::Sandbox::User": "root",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
    }
    return [f"--option={name}={value}" for name, value in settings.items()]


def _mirror(folder: Path) -> str:
    """Return the archive that this machine's apt takes Debian from."""
    question = ["--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
    found = _call(["apt-get", "indextargets", *question], folder=folder).split()
    if not found:
        raise BoardsError("apt knows no archive of Debian here, expected one: apt-get update")
    return found[0]


def _call(command: Sequence[str], *, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-600:]
        raise BoardsError(f"{command[0]} failed with code {done.returncode}, expected 0: {said}")
    return done.stdout
