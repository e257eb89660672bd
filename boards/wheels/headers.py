"""CPython's headers for a target: from the caller, from a Python of this machine, from Debian.

A CPython's public headers are the same for every machine but for one file, pyconfig.h. Of that,
64-bit Linux on x86 and on ARM differ in `MACHINE_MACROS` alone (a test compares Debian's own), so
that any machine's headers serve for both.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from boards.errors import BoardsError
from boards.wheels.debian import SUITES, download_headers
from boards.wheels.target import Target

MACHINE_MACROS = {
    "HAVE_GCC_ASM_FOR_X64": ["x86_64"],
    "HAVE_GCC_ASM_FOR_X87": ["x86_64"],
    "HAVE_USABLE_WCHAR_T": ["aarch64"],  # defined where wchar_t is unsigned
}
"""Macro of pyconfig.h -> the machines that define it."""

_FORWARD = re.compile(r"#\s*include <[\w-]+-linux-gnu\w*/(python3\.\d+/pyconfig\.h)>")


def find_headers(target: Target, *, given: Mapping[str, Path], work: Path) -> Path:
    """Return a folder with Python.h for the target.

    Parameters
    ----------
    given
        Python version -> a folder with its Python.h; looked at first.
    work
        Folder for copies and downloads.

    Raises
    ------
    BoardsError
        A given folder is not what it must be, or none of the places has the headers.
    """
    if target.python in given:
        source = check_headers(given[target.python], target.python)
    else:
        source = local_headers(target.python)
    if source is None and target.python in SUITES:
        source = download_headers(target, work / "debian")
    if source is None:
        raise BoardsError(
            f"no headers of CPython {target.python}: no such Python on this machine (PATH, "
            f"~/.pyenv), and Debian has {', '.join(SUITES)} only; install python{target.python} "
            f"with its headers, give --headers {target.python}=DIR (a folder with Python.h), or "
            "leave this version out with --python"
        )
    return stage(source, target, work / "headers" / f"{target.abi}-{target.arch}")


def check_headers(folder: Path, python: str) -> Path:
    """Return the folder, if it has the headers of this Python.

    Raises
    ------
    BoardsError
        It has none, or those of another version.
    """
    file = folder / "patchlevel.h"
    text = file.read_text("utf-8") if file.is_file() and (folder / "Python.h").is_file() else ""
    numbers = [re.search(rf"define PY_{name}_VERSION\s+(\d+)", text) for name in ("MAJOR", "MINOR")]
    if not all(numbers):
        raise BoardsError(f"{folder} has no Python.h and patchlevel.h; expected CPython's headers")
    found = ".".join(number[1] for number in numbers if number)
    if found != python:
        raise BoardsError(f"{folder} has the headers of CPython {found}; expected {python}")
    return folder


def local_headers(python: str) -> Path | None:
    """Return the headers of a Python of this machine, on PATH or pyenv's, if one has them."""
    candidates = []
    program = shutil.which(f"python{python}")
    if program:
        ask = "import sysconfig; print(sysconfig.get_path('include'))"
        done = subprocess.run([program, "-c", ask], capture_output=True, text=True)
        if done.returncode == 0:  # pyenv's own launchers fail for versions that are not chosen
            candidates.append(Path(done.stdout.strip()))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(pyenv.glob(f"versions/{python}.*/include/python{python}"))
    return next((folder for folder in candidates if (folder / "Python.h").is_file()), None)


def stage(source: Path, target: Target, folder: Path) -> Path:
    """Copy headers into a folder and make their pyconfig.h the target's."""
    config = (source / "pyconfig.h").read_text("utf-8")
    forward = _FORWARD.search(config)
    if forward:  # Debian's, which only says where each machine's own is
        places = sorted(source.parent.glob(f"*-linux-gnu*/{forward[1]}"))
        if not places:
            raise BoardsError(f"{source}/pyconfig.h leads to {forward[1]}, which is not beside it")
        config = places[0].read_text("utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    (folder / "pyconfig.h").unlink()  # may be read-only
    (folder / "pyconfig.h").write_text(machine_config(config, target.arch), "utf-8")
    return folder


def machine_config(text: str, arch: str) -> str:
    """Return a pyconfig.h as another machine's configure would have written it."""
    for name, arches in MACHINE_MACROS.items():
        line = f"#define {name} 1" if arch in arches else f"/* #undef {name} */"
        text = re.sub(rf"^(#define {name}\b.*|/\* #undef {name} \*/)$", line, text, flags=re.M)
    return text
