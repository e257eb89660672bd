"""The layout's rules for csrc/ as tests, like tests/test_architecture.py for Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

INTRINSICS = re.compile(r"#include\s*<(\w*mmintrin|arm_\w+|x86intrin|\w*avx\w*)\.h>")
KERNEL_BANS = re.compile(r"\b(throw|new|malloc|printf|std::(cout|cerr|vector|string))\b|<iostream>")


def isas() -> set[str]:
    """ISAs that CMakeLists.txt has flags for, except scalar."""
    text = (ROOT / "CMakeLists.txt").read_text()
    return set(re.findall(r"edgeface_flags_(\w+)", text)) - {"scalar"}


def source_problems(file: Path, text: str) -> list[str]:
    """What a C++ file holds that belongs elsewhere."""
    suffix = file.stem.rpartition("_")[2]
    problems = []
    if INTRINSICS.search(text) and not (file.parent.name == "kernels" and suffix in isas()):
        problems.append("intrinsics header in a file whose suffix is no ISA")
    if "pybind11" in text and file.parent.name != "bindings":
        problems.append("Python outside bindings/")
    if file.parent.name == "kernels" and KERNEL_BANS.search(text):
        problems.append("a kernel that throws, allocates or prints")
    if re.search(r"\bthrow\b", text) and not (
        file.parent.name == "bindings" or file.name == "dispatch.cc"
    ):
        problems.append("throws outside bindings/ and dispatch.cc")
    return problems


def without_comments(text: str) -> str:
    return re.sub(r"//.*", "", text)


def cpp_files() -> list[Path]:
    return [f for f in sorted((ROOT / "csrc").rglob("*")) if f.suffix in (".h", ".cc")]


@pytest.mark.parametrize("file", cpp_files(), ids=lambda file: file.name)
def test_cpp_file_holds_only_what_belongs_there(file: Path) -> None:
    assert source_problems(file, without_comments(file.read_text())) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("csrc/match.cc", "#include <immintrin.h>"),
        ("csrc/kernels/dot_f32_scalar.cc", "#include <arm_neon.h>"),
        ("csrc/match.cc", "#include <pybind11/numpy.h>"),
        ("csrc/match.cc", 'throw std::invalid_argument("");'),
        ("csrc/kernels/dot_f32_avx2.cc", "std::vector<float> copy(count);"),
    ],
)
def test_planted_cpp_violation_is_caught(name: str, text: str) -> None:
    assert source_problems(ROOT / name, text) != []
