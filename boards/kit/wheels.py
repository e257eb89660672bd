"""The wheels of a kit: edgeface's own, and everything that it runs on, of pinned versions."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from email import message_from_string
from email.message import Message
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from boards.errors import BoardsError
from boards.wheels.target import Target

FOLDER = Path(__file__).parent
RUNTIME_FILES = {"tflite": "requirements-tflite.txt"}
"""Runtime of a board.toml -> what it needs beside requirements.txt."""

NEWEST_GLIBC = {"3.9": 31, "3.10": 35, "3.11": 36, "3.12": 39, "3.13": 41}
"""Minor version of glibc 2 where a Debian or Ubuntu brings this Python: newer wheels fail there."""


def own_wheel(folder: Path, target: Target) -> Path:
    """Return edgeface's wheel for a target.

    Raises
    ------
    BoardsError
        The folder has none, or several.
    """
    found = sorted(folder.glob(f"edgeface-*-{target.abi}-{target.abi}-*{target.arch}*.whl"))
    if len(found) != 1:
        raise BoardsError(
            f"{folder} has {len(found)} edgeface wheels for {target}; expected one: make it with "
            f"python -m boards wheels --python {target.python} --arch {target.arch}"
        )
    return found[0]


def pinned(target: Target, runtimes: Sequence[str]) -> list[str]:
    """Return the exact requirements, such as numpy==2.4.6, of a target with these runtimes."""
    names = ["requirements.txt", *(RUNTIME_FILES[r] for r in runtimes if r in RUNTIME_FILES)]
    lines = [line for name in names for line in (FOLDER / name).read_text().splitlines()]
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    there = {"python_version": target.python, "python_full_version": f"{target.python}.0"}
    fitting = (r for r in wanted if r.marker is None or r.marker.evaluate(there))
    return [f"{requirement.name}{requirement.specifier}" for requirement in fitting]


def download(target: Target, requirements: Sequence[str], out: Path) -> None:
    """Download wheels for a target by this Python's pip.

    Raises
    ------
    BoardsError
        One cannot be had for this Python and machine.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-deps", "--only-binary=:all:", f"--dest={out}", "--implementation=cp"]
    pip += [f"--python-version={target.python}"]
    pip += [f"--abi={abi}" for abi in (target.abi, "abi3", "none")]
    glibcs = range(NEWEST_GLIBC[target.python], 16, -1)
    pip += [f"--platform=manylinux_2_{minor}_{target.arch}" for minor in glibcs]
    pip += [f"--platform=manylinux2014_{target.arch}"]
    done = subprocess.run([*pip, *requirements], capture_output=True, text=True)
    if done.returncode:
        raise BoardsError(
            f"pip cannot download the wheels for {target}: {done.stderr.strip()[-500:]}; it needs "
            "a network, or a folder of wheels named by PIP_FIND_LINKS"
        )


def collect(
    targets: Sequence[Target], runtimes: Sequence[str], *, own: Path, out: Path
) -> list[Path]:
    """Fill a folder with the wheels for all targets, and check that nothing is missing.

    Parameters
    ----------
    runtimes
        Of the board, from board.toml.
    own
        Folder with edgeface's wheels.

    Returns
    -------
    list of Path
        The wheels, in alphabetic order.

    Raises
    ------
    BoardsError
        A wheel is missing, or needs a package that is not pinned.
    """
    ours = {target: own_wheel(own, target) for target in targets}  # before any download
    out.mkdir(parents=True)
    for target in targets:
        requirements = pinned(target, runtimes)
        print(f"{target}: {len(requirements)} packages ...", flush=True)
        download(target, requirements, out)
        shutil.copyfile(ours[target], out / ours[target].name)
        check_complete(target, requirements, ours[target], out)
    return sorted(out.glob("*.whl"))


def check_complete(target: Target, requirements: Sequence[str], own: Path, folder: Path) -> None:
    """Refuse a set in which a wheel needs a package or version that is not pinned.

    Raises
    ------
    BoardsError
        The text names the wheel and what it needs.
    """
    parts = [text.partition("==") for text in requirements]
    versions = {canonicalize_name(name): version for name, _, version in parts}
    there = {
        **{"python_version": target.python, "python_full_version": f"{target.python}.0"},
        **{"platform_machine": target.arch, "sys_platform": "linux", "extra": ""},
        **{"platform_system": "Linux", "implementation_name": "cpython"},
    }
    for wheel in sorted(folder.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        if wheel.name != own.name and versions.get(name) != str(version):
            continue  # another target's
        for text in metadata(wheel).get_all("Requires-Dist") or ():
            need = Requirement(text)
            if need.marker and not need.marker.evaluate(there):
                continue
            found = versions.get(canonicalize_name(need.name))
            if found is None or not need.specifier.contains(found, prereleases=True):
                raise BoardsError(
                    f"{wheel.name} needs {text}, and the pinned set for {target} has "
                    f"{found or 'none'}: add it to boards/kit/requirements.txt"
                )


def metadata(wheel: Path) -> Message:
    """Return a wheel's METADATA.

    Raises
    ------
    BoardsError
        It is no wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (
                n
                for n in archive.namelist()
                if n.endswith(".dist-info/METADATA") and n.count("/") == 1
            )
            return message_from_string(archive.read(name).decode("utf-8"))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BoardsError(f"{wheel} is not a wheel: {error}; download it again") from error
