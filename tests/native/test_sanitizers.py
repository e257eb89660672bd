"""The C++ core under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer.

Each build is shown to find a planted bug: without that a clean run would prove nothing.
ASan does not look into masked loads; GuardedRow in csrc/check does (test_check_program.py).
"""

from __future__ import annotations

import functools
import shlex
import shutil
import sys
from pathlib import Path

import pybind11
import pytest

from edgeface import _native
from tests.check_build import (
    ARM_LIBRARIES,
    ARM_OPTION,
    ARM_TOOLS,
    ROOT,
    CheckRun,
    build,
    check,
    emulator,
    require_programs,
    run,
)

ADDRESS = "-DEDGEFACE_SANITIZE=address;undefined"
THREAD = "-DEDGEFACE_SANITIZE=thread"
# Leaks are CPython's own, 53 of them; and the leak check cannot run under QEMU.
REPORT = {
    "ASAN_OPTIONS": "detect_leaks=0",
    "LSAN_OPTIONS": "detect_leaks=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
READS_PAST_THE_END = """
import numpy as np
from edgeface import _native
short = np.ones(4096, np.float32)
rows = np.lib.stride_tricks.as_strided(short, (2, 4096), (4 * 4096, 4))
_native.cosine_topk(rows, short, 1, isa={isa!r})
"""
# The loops of avx512vnni end in masked loads.
UNMASKED_ISAS = [isa for isa in _native.supported_isas() if isa != "avx512vnni"]


@functools.cache
def address_build() -> Path:
    """Check program and extension module with ASan and UBSan."""
    python = f"-DPython_EXECUTABLE={sys.executable}"
    pybind = f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"
    return build("check-address", ADDRESS, "-DEDGEFACE_PYTHON=ON", python, pybind)


def check_address(*, isa: str = "", case: str = "") -> CheckRun:
    return check(address_build(), isa=isa, case=case, environment=REPORT)


def check_address_arm(*, isa: str = "", case: str = "") -> CheckRun:
    require_programs(ARM_TOOLS)
    folder = build("check-aarch64-address", ADDRESS, ARM_OPTION)
    names = ("libasan.so.8", "libubsan.so.1", "libstdc++.so.6")
    preload = ":".join(f"{ARM_LIBRARIES}/lib/{name}" for name in names)
    prefix = emulator("cortex-a76", "-E", f"LD_PRELOAD={preload}")
    return check(folder, isa=isa, case=case, prefix=prefix, environment=REPORT)


def check_thread(*, case: str = "") -> CheckRun:
    # TSan of GCC 12 wants an address layout that newer kernels randomise further than it knows.
    fixed = ["setarch", "--addr-no-randomize"]
    prefix = fixed if run([*fixed, "true"]).returncode == 0 else []
    return check(build("check-thread", THREAD), case=case, prefix=prefix)


def python(*arguments: str) -> CheckRun:
    """Runs Python on a copy of the package whose _native has ASan and UBSan."""
    package = address_build() / "package"
    shutil.rmtree(package, ignore_errors=True)
    ours = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "edgeface", package / "edgeface", ignore=ours)
    for module in address_build().glob("_native*.so"):
        shutil.copy(module, package / "edgeface")
    libraries = [run(["c++", f"-print-file-name={name}"]).stdout.strip() for name in PRELOADED]
    own = {"LD_PRELOAD": " ".join(libraries), "PYTHONPATH": str(package)}
    # Python's own allocator hides the ends of its blocks.
    result = run([sys.executable, *arguments], {**REPORT, **own, "PYTHONMALLOC": "malloc"}, package)
    return CheckRun(result.returncode, result.stdout)


PRELOADED = ("libasan.so", "libstdc++.so.6")  # ASan must see the first allocation


def test_check_program_is_clean_under_asan_and_ubsan() -> None:
    found = check_address()
    assert found.returncode == 0, found.output


def test_check_program_is_clean_under_asan_and_ubsan_on_arm() -> None:
    found = check_address_arm()
    assert found.returncode == 0, found.output
    assert "neondot" in found.isas[1]


def test_check_program_is_clean_under_tsan() -> None:
    found = check_thread()
    assert found.returncode == 0, found.output


def test_kernel_tests_are_clean_with_a_module_under_asan_and_ubsan() -> None:
    module = python("-c", "from edgeface import _native; print(_native.__file__)").output
    assert module.startswith(str(address_build() / "package")), module
    paths = shlex.join([str(address_build() / "package"), str(ROOT)])
    options = ["-q", "-x", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    tests = str(ROOT / "tests" / "kernels")
    found = python("-m", "pytest", *options, "-o", f"pythonpath={paths}", tests)
    assert found.returncode == 0, found.output
    assert " passed" in found.output


@pytest.mark.parametrize("isa", UNMASKED_ISAS)
def test_planted_read_past_the_end_is_found(isa: str) -> None:
    found = check_address(isa=isa, case="planted: a kernel reads past its row")
    assert found.returncode != 0
    assert "heap-buffer-overflow" in found.output
    assert f"dot_f32_{isa}" in found.output


@pytest.mark.parametrize("isa", ["neon", "scalar"])
def test_planted_read_past_the_end_is_found_on_arm(isa: str) -> None:
    found = check_address_arm(isa=isa, case="planted: a kernel reads past its row")
    assert found.returncode != 0
    assert "heap-buffer-overflow" in found.output


@pytest.mark.parametrize("isa", UNMASKED_ISAS)
def test_planted_read_past_the_end_is_found_in_python(isa: str) -> None:
    found = python("-c", READS_PAST_THE_END.format(isa=isa))
    assert found.returncode != 0
    assert "heap-buffer-overflow" in found.output
    assert f"dot_f32_{isa}" in found.output


def test_planted_overflow_is_found() -> None:
    found = check_address(case="planted: a sum overflows")
    assert found.returncode != 0
    assert "signed integer overflow" in found.output


def test_planted_race_is_found() -> None:
    found = check_thread(case="planted: two threads write one number")
    assert found.returncode != 0
    assert "data race" in found.output
