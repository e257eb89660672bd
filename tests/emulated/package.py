"""edgeface for the emulated boards: a wheel of ours, or this tree with a cross-built core."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pybind11

from export.verify.machine import Machine, call
from tests.check_build import ARM_OPTION, ROOT

WHEELS = "EDGEFACE_ARM_WHEELS"


def installed(machine: Machine) -> Path:
    """Return a folder to import edgeface from.

    EDGEFACE_ARM_WHEELS names a folder of wheels (``python -m boards wheels``); without it, the
    working tree's Python files get a module from Debian's cross compiler, in half a minute.
    """
    if WHEELS in os.environ:
        return from_wheel(machine, Path(os.environ[WHEELS]))
    return from_tree(machine)


def from_wheel(machine: Machine, wheels: Path) -> Path:
    """Unpack the wheel for the machine's Python."""
    tag = f"cp{machine.release.python.replace('.', '')}"
    found = sorted(wheels.glob(f"edgeface-*-{tag}-{tag}-*aarch64*.whl"))
    assert len(found) == 1, f"{wheels} has {len(found)} aarch64 wheels for {tag}, expected one"
    folder = machine.folder / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(found[0]) as wheel:
        wheel.extractall(folder)
    return folder


def from_tree(machine: Machine) -> Path:
    """Cross-build the module against the machine's Python, beside a copy of the package."""
    python = machine.release.python
    suffix = f".cpython-{python.replace('.', '')}-aarch64-linux-gnu.so"
    build, folder = machine.folder / "native", machine.folder.resolve() / "package"
    build.mkdir(exist_ok=True)
    (build / "CMakeCache.txt").unlink(missing_ok=True)  # as in setup.py
    options = {
        "CMAKE_CXX_FLAGS": f"-idirafter {machine.headers.resolve()}",
        "CMAKE_LIBRARY_OUTPUT_DIRECTORY": build.resolve(),
        "PYBIND11_USE_CROSSCOMPILING": "ON",  # or the suffix is this machine's
        "PYTHON_MODULE_EXT_SUFFIX": suffix,
        "Python_EXECUTABLE": sys.executable,
        "Python_INCLUDE_DIR": machine.headers.resolve() / f"python{python}",
        "pybind11_DIR": pybind11.get_cmake_dir(),
    }
    configure = ["cmake", f"-S{ROOT}", f"-B{build}", "-GUnix Makefiles", ARM_OPTION]
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    for step in (
        [*configure, *(f"-D{name}={value}" for name, value in options.items())],
        ["cmake", "--build", str(build), "--target", "_native", "--parallel", str(os.cpu_count())],
    ):
        call(step, environment={"PATH": path})
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "edgeface", folder / "edgeface", ignore=ignored)
    shutil.copy(build / f"_native{suffix}", folder / "edgeface")
    metadata = [sys.executable, "setup.py", "--quiet", "dist_info", "--output-dir", str(folder)]
    call(metadata, folder=ROOT)
    return folder
