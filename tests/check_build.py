"""Builds of the C++ core without Python, and runs of its check program ``edgeface_check``."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from export.verify import machine

ROOT = Path(__file__).resolve().parent.parent
ARM_TOOLS = {"aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu", "qemu-aarch64": "qemu-user"}
ARM_LIBRARIES = "/usr/aarch64-linux-gnu"
ARM_OPTION = f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'cmake' / 'aarch64-linux-gnu.cmake'}"


@dataclass(frozen=True)
class CheckRun:
    """What one run of the check program printed."""

    returncode: int
    output: str

    @property
    def isas(self) -> tuple[str, list[str]]:
        """The active ISA, and all that the CPU supports, best first."""
        found = re.search(r"^isa: (\w+) \(supports (.*)\)$", self.output, re.MULTILINE)
        assert found, self.output
        return found[1], found[2].split(", ")

    @property
    def digests(self) -> dict[tuple[str, str], str]:
        """(operation with its dtype, ISA) -> digest of all results."""
        lines = re.findall(r"^digest: (\w+) (\w+) (\w+)$", self.output, re.MULTILINE)
        return {(operation, isa): digest for operation, isa, digest in lines}


def missing_packages(packages: Mapping[str, str]) -> list[str]:
    """Debian's packages of the missing programs; ``packages`` is program -> package."""
    return sorted({package for name, package in packages.items() if not shutil.which(name)})


def require_programs(packages: Mapping[str, str]) -> None:
    """Skips, or fails in CI, unless every program is there."""
    missing = missing_packages(packages)
    if missing:
        refuse(f"apt-get install {' '.join(missing)}")


def refuse(reason: str) -> None:
    """Skips the test; where CI is set, a test that cannot run has failed."""
    if os.environ.get("CI"):
        pytest.fail(f"not installed: {reason}")
    pytest.skip(reason)


def run(
    command: Sequence[object],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """The command's result, with standard error in ``stdout``."""
    own = {name: value for name, value in os.environ.items() if name != "EDGEFACE_ISA"}
    own["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), own.get("PATH", os.defpath)])
    return subprocess.run(
        [str(part) for part in command],
        env={**own, **(environment or {})},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@functools.cache
def build(name: str, *options: str) -> Path:
    """The folder build/``name`` with the developers' programs, built with more CMake options."""
    require_programs({"c++": "g++"})
    if run(["c++", "-E", "-x", "c++", "-include", "doctest/doctest.h", os.devnull]).returncode:
        refuse("apt-get install doctest-dev")
    folder = ROOT / "build" / name
    # As in setup.py: the cache may remember a tool that is gone.
    (folder / "CMakeCache.txt").unlink(missing_ok=True)
    configure = ["cmake", f"-S{ROOT}", f"-B{folder}", "-GUnix Makefiles", "-DEDGEFACE_DEV=ON"]
    steps = (
        [*configure, "-DEDGEFACE_PYTHON=OFF", *options],
        ["cmake", "--build", folder, "--parallel", os.cpu_count() or 1],
    )
    for step in steps:
        result = run(step)
        assert result.returncode == 0, result.stdout
    return folder


def host_build() -> Path:
    """The check program for this machine."""
    return build("check")


def arm_build() -> Path:
    """The check program for 64-bit ARM."""
    require_programs(ARM_TOOLS)
    return build("check-aarch64", ARM_OPTION)


def check(
    folder: Path,
    *,
    isa: str = "",
    case: str = "",
    prefix: Sequence[object] = (),
    environment: Mapping[str, str] | None = None,
) -> CheckRun:
    """One run of a build's check program.

    ``isa`` is for EDGEFACE_ISA; ``case`` is the only test case to run, of those that are
    skipped; ``prefix`` is a command that runs the program.
    """
    only = ["--no-skip", f"--test-case={case}"] if case else []
    command = [*prefix, folder / "edgeface_check", *only]
    result = run(command, {"EDGEFACE_ISA": isa, **(environment or {})})
    return CheckRun(result.returncode, result.stdout)


def emulator(core: str, *options: str) -> list[str]:
    """The command that runs an ARM program on one of QEMU's cores."""
    return ["qemu-aarch64", "-L", ARM_LIBRARIES, "-cpu", core, *options]


def emulated_core(core: str) -> str:
    """QEMU's name for one of a board's cores, or for its stand-in; skips without QEMU."""
    require_programs(ARM_TOOLS)
    return machine.emulated_core(core)
