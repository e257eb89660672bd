"""The native module for one target, by CMake and zig."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from boards.errors import BoardsError
from boards.wheels.target import Target

ROOT = Path(__file__).resolve().parents[2]
TOOLCHAIN = ROOT / "cmake" / "zig.cmake"


def build_module(target: Target, *, headers: Path, work: Path) -> Path:
    """Build ``edgeface._native``; the C++ core is compiled once per machine, not per Python.

    Parameters
    ----------
    headers
        Folder with the target's Python.h.
    work
        Folder for objects and zig's cache; what is there from an earlier build is used.

    Returns
    -------
    Path
        The module's file.

    Raises
    ------
    BoardsError
        A build package is missing, or the build fails; with the compiler's last lines.
    """
    build, output = work / f"cmake-{target.arch}", work / "modules"
    build.mkdir(parents=True, exist_ok=True)
    # As in setup.py: the cache may remember a tool that is gone; objects stay.
    (build / "CMakeCache.txt").unlink(missing_ok=True)
    # In a folder of this project: zig keeps compiled C libraries, 130 MB.
    environment = {
        "ZIG_GLOBAL_CACHE_DIR": str(work / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(work / "zig"),
    }
    cmake = _cmake()
    options = {
        "CMAKE_TOOLCHAIN_FILE": TOOLCHAIN,
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_LIBRARY_OUTPUT_DIRECTORY": output,
        "EDGEFACE_ZIG": _package_folder("ziglang") / "zig",
        "EDGEFACE_ARCH": target.arch,
        "PYTHON_MODULE_EXT_SUFFIX": target.suffix,
        "Python_INCLUDE_DIR": headers,
        "pybind11_DIR": _package_folder("pybind11") / "share" / "cmake" / "pybind11",
    }
    listed = [f"-D{name}={value}" for name, value in options.items()]
    _call([cmake, f"-S{ROOT}", f"-B{build}", "-GUnix Makefiles", *listed], environment)
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
    _call([cmake, "--build", str(build), "--target", "_native", "--parallel", jobs], environment)
    module = output / f"_native{target.suffix}"
    if not module.is_file():
        raise BoardsError(f"CMake ended well and made no {module}: an error of this project")
    return module


def _package_folder(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise BoardsError(
            f"Python package {name} not found; the wheels are built with it: "
            "pip install 'edgeface[wheels]'"
        )
    return Path(found.origin).parent


def _cmake() -> str:
    """The cmake beside this Python (a virtual environment's), else the one on PATH."""
    path = shutil.which("cmake", path=os.path.dirname(sys.executable)) or shutil.which("cmake")
    if path is None:
        raise BoardsError("cmake not found; expected 3.19 or later: pip install 'edgeface[wheels]'")
    return path


def _call(command: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise BoardsError(
            f"{' '.join(command[:3])} … failed with code {done.returncode}:\n{done.stdout[-3000:]}"
        )
