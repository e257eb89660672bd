"""One build runs on every CPU of its architecture: newer instructions stand in files that
dispatch guards, and nowhere else.

A file's suffix selects its compile flags, so a function of such a file must not be one that
the linker may choose for others as well: a weak symbol (std::max, an inline function of ours).
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from tests.check_build import ROOT, arm_build, host_build, run

# Lowest first: instructions that an ISA's files may hold beside those of the lower ones.
# Baselines are x86-64 (SSE2) and ARMv8.0, which has NEON.
SSE41 = (
    r"\t(lddqu|(h(add|sub)|addsub)p[sd]|mov(sh|sl|d)dup|pshufb|pabs[bwd]|palignr|ph(add|sub)\w*|"
    r"pmaddubsw|pmulhrsw|psign[bwd]|p?blend\w+|dpp[sd]|extractps|insertps|movntdqa|mpsadbw|"
    r"packusdw|pcmpeqq|p(extr|insr)[bdq]|pm(ax|in)(s[bd]|u[wd])|pmov[sz]x\w+|pmul(dq|ld)|ptest|"
    r"rounds?[sdp]\w|pcmpgtq|crc32\w*|popcnt)\b"
)
AVX2 = (
    r"\tv(?!er[rw])|%ymm|"
    r"\t(andn|bextr|blsi|blsmsk|blsr|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx)\b"
)
AVX512 = r"%zmm|%k[0-7]|%[xy]mm(1[6-9]|2\d|3[01])"
NEONDOT = (
    r"\t([su]dot|usdot|[su]mmla|bf(dot|mmla|cvtn?2?|mlal[bt])|fmlsl2?|fmlal2?|sqrdml[as]h|"
    r"ld(add|clr|eor|set|[su](max|min))\w*|cas\w*|swp\w*|ldapu?r\w*)\b|"
    r"\tf\w+\s+v\d+\.[48]h, v\d+\.[48]h|\tf\w+\s+h\d+, h\d+, h\d+"
)
NEWER = {
    "x86_64": {"scalar": "", "sse41": SSE41, "avx2": AVX2, "avx512vnni": AVX512},
    "aarch64": {"scalar": "", "neon": "", "neondot": NEONDOT},
}
BINUTILS = {"x86_64": "", "aarch64": "aarch64-linux-gnu-"}
PLANTED = {  # ISA -> a function that needs it
    "avx2": "int f(unsigned a, unsigned b) { return a & ~b; }",  # one VEX-coded BMI instruction
    "neondot": "#include <arm_neon.h>\nint32x4_t f(int32x4_t s, int8x16_t a)"
    " { return vdotq_s32(s, a, a); }",
}
FLAGS = {"avx2": ["-mbmi"], "neondot": ["-march=armv8.2-a+dotprod"]}


def objects(architecture: str) -> list[Path]:
    if architecture == "x86_64" and platform.machine() != architecture:
        pytest.skip("x86-64 is built on x86-64 only")
    folder = host_build() if architecture == "x86_64" else arm_build()
    found = sorted(folder.glob("CMakeFiles/*.dir/csrc/**/*.o"))
    # An earlier build may have left the object of a file that is gone.
    return [file for file in found if (ROOT / re.sub(r".*\.dir/|\.o$", "", str(file))).exists()]


def isa_of(file: Path, architecture: str) -> str:
    """The ISA that a kernel's object may use; scalar for everything else."""
    suffix = file.name.split(".")[0].rpartition("_")[2]
    return suffix if suffix in NEWER[architecture] and file.parent.name == "kernels" else "scalar"


def newer_instructions(file: Path, architecture: str, isa: str) -> list[str]:
    """Instructions of an object file that a CPU with no more than ``isa`` lacks."""
    order = list(NEWER[architecture])
    patterns = [NEWER[architecture][name] for name in order[order.index(isa) + 1 :]]
    forbidden = re.compile("|".join(pattern for pattern in patterns if pattern) or r"(?!)")
    listing = run(
        [f"{BINUTILS[architecture]}objdump", "--disassemble", "--no-show-raw-insn", file]
    ).stdout
    return [line for line in listing.splitlines() if forbidden.search(line)]


def exported_code(file: Path, architecture: str) -> list[tuple[str, str]]:
    """(class, demangled name) of each function that an object offers the linker: T, W if weak."""
    command = [f"{BINUTILS[architecture]}nm", "--defined-only", "--extern-only", "--demangle", file]
    symbols = [line.split(" ", 2)[1:] for line in run(command).stdout.splitlines()]
    return [(kind, name) for kind, name in symbols if kind in "TWi"]


def foreign_code(file: Path, architecture: str, isa: str) -> list[tuple[str, str]]:
    """What a kernel's object offers the linker beside its kernels."""
    own = re.compile(rf"edgeface::\w+_{isa}\(")
    code = exported_code(file, architecture)
    return [(kind, name) for kind, name in code if kind != "T" or not own.match(name)]


@pytest.fixture(params=NEWER)
def architecture(request: pytest.FixtureRequest) -> str:
    return request.param


def test_build_holds_kernels_of_every_isa(architecture: str, repository: Path) -> None:
    built = {isa_of(file, architecture) for file in objects(architecture)}
    sources = {file.stem.rpartition("_")[2] for file in (repository / "csrc/kernels").glob("*.cc")}
    assert built == sources & NEWER[architecture].keys()


def test_newer_instructions_stand_in_their_own_files_only(architecture: str) -> None:
    for file in objects(architecture):
        assert newer_instructions(file, architecture, isa_of(file, architecture)) == [], file


def test_kernel_files_export_nothing_but_their_kernels(architecture: str) -> None:
    for file in objects(architecture):
        isa = isa_of(file, architecture)
        if isa == "scalar":
            continue
        foreign = foreign_code(file, architecture, isa)
        assert foreign == [], f"{file}: the linker may give these to code without {isa}"


def test_wider_registers_are_found_where_they_stand() -> None:
    kernels = {isa_of(f, "x86_64"): f for f in objects("x86_64") if "dot_f32_" in f.name}
    for isa, lower in [("avx2", "sse41"), ("avx512vnni", "avx2"), ("sse41", "scalar")]:
        assert newer_instructions(kernels[isa], "x86_64", lower) != []


@pytest.mark.parametrize(("isa", "architecture"), [("avx2", "x86_64"), ("neondot", "aarch64")])
def test_planted_instruction_is_found(isa: str, architecture: str, tmp_path: Path) -> None:
    objects(architecture)  # skips without the compiler
    source, planted = tmp_path / "planted.cc", tmp_path / "planted.o"
    source.write_text(PLANTED[isa])
    compiler = "c++" if architecture == "x86_64" else "aarch64-linux-gnu-g++"
    result = run([compiler, "-O2", *FLAGS[isa], "-c", source, "-o", planted])
    assert result.returncode == 0, result.stdout
    assert newer_instructions(planted, architecture, "scalar") != []


def test_planted_weak_symbol_is_found(tmp_path: Path) -> None:
    objects("x86_64")
    source, planted = tmp_path / "planted.cc", tmp_path / "planted.o"
    source.write_text("inline int f() { return 1; }\nint (*g)() = f;")
    assert run(["c++", "-c", source, "-o", planted]).returncode == 0
    assert ("W", "f()") in exported_code(planted, "x86_64")
