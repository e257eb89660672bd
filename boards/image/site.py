"""A slot's packages, installed on this machine for another: pip out of the kit's wheels only."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.markers import Environment
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from boards.errors import BoardsError
from boards.image.base import System
from boards.image.kit import Kit
from boards.slot import HOME, SLOTS

# The oldest glibc 2.x that manylinux tags of a machine name, and older names of some of them.
OLDEST_GLIBC = {"aarch64": 17, "x86_64": 5}
OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def fill_site(site: Path, kit: Kit, system: System) -> bool:
    """Install the kit's packages for the image's Python and C library.

    Returns
    -------
    bool
        Whether they are compiled too: that takes the image's version of Python on this machine.

    Raises
    ------
    BoardsError
        No wheel of edgeface fits, pip fails, or a package that another needs is missing.
    """
    platforms = list(_platforms(system))
    names = sorted(_fitting(kit, system, platforms))
    if "edgeface" not in names:
        raise BoardsError(
            f"the kit has no edgeface wheel for Python {system.python}, {system.machine}, glibc "
            f"{system.glibc[0]}.{system.glibc[1]}: {[w.name for w in kit.wheels]}"
        )
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install"]
    options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--only-binary=:all:"]
    options += [f"--find-links={kit.folder / 'wheels'}", f"--target={site}"]
    options += ["--implementation=cp", f"--python-version={system.python}"]
    options += [f"--abi={abi}" for abi in _abis(system)]
    options += [f"--platform={name}" for name in platforms]
    done = subprocess.run([*pip, *options, *names], capture_output=True, text=True)
    if done.returncode:
        raise BoardsError(f"pip cannot install the kit's wheels: {done.stderr.strip()[-400:]}")
    # Scripts would name this machine's Python; the slot has a launcher of its own.
    shutil.rmtree(site / "bin", ignore_errors=True)
    _check_complete(site, system)
    return _compile(site, system)


def _platforms(system: System) -> Iterator[str]:
    """Platform tags that the image's C library can run, newest first."""
    for minor in range(system.glibc[1], OLDEST_GLIBC[system.machine] - 1, -1):
        yield f"manylinux_2_{minor}_{system.machine}"
        if minor in OLD_NAMES:
            yield f"{OLD_NAMES[minor]}_{system.machine}"
    yield f"linux_{system.machine}"


def _abis(system: System) -> list[str]:
    return [f"cp{system.python.replace('.', '')}", "abi3", "none"]


def _fitting(kit: Kit, system: System, platforms: list[str]) -> set[str]:
    """Names of the packages that the kit has a wheel of for this Python and machine."""
    version = tuple(int(part) for part in system.python.split("."))
    tags: set[Tag] = {
        *cpython_tags(version, abis=_abis(system)[:1], platforms=platforms),
        *compatible_tags(version, interpreter=_abis(system)[0], platforms=platforms),
    }
    names = set()
    for wheel in kit.wheels:
        try:
            name, _, _, found = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename as error:
            raise BoardsError(f"{wheel}: {error}; make the kit again") from error
        if found & tags:
            names.add(str(name))
    return names


def _check_complete(site: Path, system: System) -> None:
    """pip's own resolver would ask this machine's Python which requirements apply."""
    environment: Environment = {  # as that system's interpreter would report itself
        "implementation_name": "cpython",
        "implementation_version": f"{system.python}.0",
        "os_name": "posix",
        "platform_machine": system.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{system.python}.0",
        "python_version": system.python,
        "sys_platform": "linux",
    }
    installed = {
        canonicalize_name(d.metadata["Name"]): d
        for d in importlib.metadata.distributions(path=[str(site)])
    }
    for name, distribution in sorted(installed.items()):
        for text in distribution.requires or ():
            needed = Requirement(text)
            if needed.marker and not needed.marker.evaluate({**environment, "extra": ""}):
                continue
            found = installed.get(canonicalize_name(needed.name))
            if found is None or not needed.specifier.contains(found.version, prereleases=True):
                raise BoardsError(
                    f"{name} needs {text}, and the kit has "
                    f"{found.version if found else 'no wheel of it'} for Python {system.python}; "
                    "make the kit again"
                )


def _compile(site: Path, system: System) -> bool:
    """Byte-compile with the same version of Python, if it is here: its files fit any machine.

    Hash-based and unchecked, so that nothing depends on times of files in the image.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}" == system.python
    python = sys.executable if own else shutil.which(f"python{system.python}")
    if python is None:
        return False
    words = [python, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", str(site)]
    # A package may ship files for other Pythons that do not compile; they are not imported.
    subprocess.run(
        [*words, "-s", str(site), "-p", f"/{HOME}/slots/{SLOTS[0]}/site"], capture_output=True
    )
    return True
