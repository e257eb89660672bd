"""edgeface's own wheels: headers of the target, what a wheel holds, and what it needs.

Cross-building takes minutes at first: the tests of finished wheels read the folder EDGEFACE_WHEELS
(`make wheels-test` makes it).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from boards.errors import BoardsError
from boards.wheels import debian, headers
from boards.wheels.check import check_contents, check_verdict, check_wheel
from boards.wheels.pack import pack_wheel
from boards.wheels.target import ARCHES, Target
from tests.native.test_portable_build import NEWER, foreign_code, isa_of, newer_instructions

VARIABLE = "EDGEFACE_WHEELS"
X86_CONFIG = """\
#define HAVE_GCC_ASM_FOR_X64 1
#define HAVE_GCC_ASM_FOR_X87 1
/* #undef HAVE_USABLE_WCHAR_T */
#define SIZEOF_LONG 8
"""
ARM_CONFIG = """\
/* #undef HAVE_GCC_ASM_FOR_X64 */
/* #undef HAVE_GCC_ASM_FOR_X87 */
#define HAVE_USABLE_WCHAR_T 1
#define SIZEOF_LONG 8
"""
SHOWN = 'is consistent\nwith the following platform\ntag: "manylinux_2_{minor}_{arch}".'


@pytest.mark.parametrize("python", ["2.7", "3.8", "3.14", "3.x", "311", ""])
def test_python_that_edgeface_does_not_run_on_is_refused(python: str) -> None:
    with pytest.raises(BoardsError, match=r"expected 3\.9 to 3\.13"):
        Target(python, "aarch64")


def test_pyconfig_of_either_machine_becomes_the_others() -> None:
    assert headers.machine_config(X86_CONFIG, "aarch64") == ARM_CONFIG
    assert headers.machine_config(ARM_CONFIG, "x86_64") == X86_CONFIG
    assert headers.machine_config(ARM_CONFIG, "aarch64") == ARM_CONFIG


def python_headers(folder: Path, minor: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "Python.h").write_text("")
    (folder / "patchlevel.h").write_text(
        f"#define PY_MAJOR_VERSION\t3\n#define PY_MINOR_VERSION\t{minor}\n"
    )
    (folder / "pyconfig.h").write_text(X86_CONFIG)
    return folder


def test_given_headers_are_copied_for_the_target(tmp_path: Path) -> None:
    given = {"3.12": python_headers(tmp_path / "include", 12)}
    found = headers.find_headers(Target("3.12", "aarch64"), given=given, work=tmp_path / "work")
    assert (found / "pyconfig.h").read_text() == ARM_CONFIG
    assert (given["3.12"] / "pyconfig.h").read_text() == X86_CONFIG


def test_given_headers_of_another_version_are_refused(tmp_path: Path) -> None:
    given = {"3.12": python_headers(tmp_path / "include", 11)}
    with pytest.raises(BoardsError, match=r"headers of CPython 3\.11; expected 3\.12"):
        headers.find_headers(Target("3.12", "x86_64"), given=given, work=tmp_path)
    with pytest.raises(BoardsError, match=r"no Python\.h"):
        headers.check_headers(tmp_path, "3.12")


def test_debians_forwarding_pyconfig_is_followed(tmp_path: Path) -> None:
    include = python_headers(tmp_path / "include" / "python3.12", 12)
    own = tmp_path / "include" / "x86_64-linux-gnu" / "python3.12"
    own.mkdir(parents=True)
    (include / "pyconfig.h").rename(own / "pyconfig.h")
    (include / "pyconfig.h").write_text("#  include <x86_64-linux-gnu/python3.12/pyconfig.h>\n")
    found = headers.stage(include, Target("3.12", "aarch64"), tmp_path / "out")
    assert (found / "pyconfig.h").read_text() == ARM_CONFIG


def test_version_without_headers_says_what_to_do(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(BoardsError, match=r"no headers of CPython 3\.12.*--headers 3\.12=DIR"):
        headers.find_headers(Target("3.12", "aarch64"), given={}, work=tmp_path)
    with pytest.raises(BoardsError, match=r"no apt-get.*--headers 3\.11=DIR"):
        headers.find_headers(Target("3.11", "aarch64"), given={}, work=tmp_path)


def test_verdict_of_manylinux2014_and_older_is_taken() -> None:
    for minor in (5, 17):
        check_verdict(SHOWN.format(minor=minor, arch="aarch64"), Target("3.9", "aarch64"), "w")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (SHOWN.format(minor=34, arch="aarch64"), "says manylinux_2_34_aarch64"),
        (SHOWN.format(minor=17, arch="x86_64"), "says manylinux_2_17_x86_64"),
        ('following platform tag: "linux_aarch64"', "named no manylinux platform"),
    ],
)
def test_verdict_of_a_newer_or_another_platform_is_refused(shown: str, text: str) -> None:
    with pytest.raises(BoardsError, match=text):
        check_verdict(shown, Target("3.9", "aarch64"), "w")


def test_packed_wheel_is_whole_and_the_same_twice(host_wheel, host_parts, tmp_path: Path) -> None:
    target, tree, module = host_parts
    check_contents(host_wheel, target)
    parts = {"tree": tree, "module": module, "scratch": tmp_path / "scratch", "out": tmp_path}
    assert pack_wheel(target, **parts).read_bytes() == host_wheel.read_bytes()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tests/test_x.py", r"files too many \['tests/test_x.py'\]"),
        ("boards/errors.py", r"files too many \['boards/errors.py'\]"),
        ("edgeface/_native.cpython-39-aarch64-linux-gnu.so", "holds modules"),
    ],
)
def test_wheel_with_a_file_too_many_is_refused(name, text, host_wheel, host_parts, tmp_path):
    wheel = shutil.copy(host_wheel, tmp_path)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(name, "")
    with pytest.raises(BoardsError, match=text):
        check_contents(Path(wheel), host_parts[0])


@pytest.mark.parametrize("lost", ["edgeface/models/default.efb", "edgeface/detect.py"])
def test_wheel_with_a_file_missing_is_refused(lost, host_wheel, host_parts, tmp_path) -> None:
    wheel = tmp_path / host_wheel.name
    with zipfile.ZipFile(host_wheel) as old, zipfile.ZipFile(wheel, "w") as new:
        for name in old.namelist():
            if name != lost:
                new.writestr(name, old.read(name))
    with pytest.raises(BoardsError, match=f"missing .*{lost}"):
        check_contents(wheel, host_parts[0])


# ---- Finished wheels


@pytest.fixture(scope="module")
def finished() -> dict[Target, Path]:
    """Every wheel of EDGEFACE_WHEELS."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} names no folder of wheels: make wheels-test")
    found = {}
    for wheel in sorted(Path(folder).resolve().glob("edgeface-*.whl")):
        abi = wheel.name.split("-")[2]
        arch = "aarch64" if "aarch64" in wheel.name else "x86_64"
        found[Target(f"3.{abi[3:]}", arch)] = wheel
    return found


@pytest.mark.wheels
def test_wheels_are_there_for_every_python_and_machine(finished) -> None:
    wanted = {Target(p, a) for p in ("3.9", "3.11", "3.12", "3.13") for a in ("aarch64", "x86_64")}
    assert wanted <= set(finished)
    for target, wheel in finished.items():
        assert "manylinux_2_17" in check_wheel(wheel, target)


@pytest.mark.wheels
def test_all_wheels_hold_the_same_python_files(finished) -> None:
    contents = set()
    for wheel in finished.values():
        with zipfile.ZipFile(wheel) as archive:
            names = [n for n in archive.namelist() if not n.endswith((".so", "RECORD", "WHEEL"))]
            contents.add(tuple((name, archive.getinfo(name).CRC) for name in sorted(names)))
    assert len(contents) == 1


@pytest.mark.wheels
@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("arch", ARCHES)
def test_zig_puts_newer_instructions_into_their_own_files_only(arch, repository) -> None:
    build = repository / "build" / "wheels" / f"cmake-{arch}"
    objects = sorted(build.glob("CMakeFiles/*.dir/csrc/**/*.o"))
    assert {isa_of(file, arch) for file in objects} == set(NEWER[arch])
    for file in objects:
        isa = isa_of(file, arch)
        assert newer_instructions(file, arch, isa) == [], file
        assert isa == "scalar" or foreign_code(file, arch, isa) == [], file


@pytest.mark.wheels
@pytest.mark.parametrize("python", ["3.9", "3.11", "3.12", "3.13"])
def test_wheel_runs_on_its_python(python, finished, photos, tmp_path) -> None:
    include = headers.local_headers(python)
    program = include and include.parents[1] / "bin" / f"python{python}"
    if not program or not program.is_file():
        pytest.skip(f"no Python {python} on this machine")
    wheel = finished[Target(python, "x86_64")]
    run([program, "-m", "venv", tmp_path / "venv"])
    own = tmp_path / "venv" / "bin" / "python"
    run([own, "-m", "pip", "install", "--quiet", "--only-binary=:all:", wheel])
    run([own, "-m", "edgeface", "selftest"])
    both = (photos / "collins.png", photos / "collins_mirrored.jpg")
    assert '"same": true' in run([own, "-m", "edgeface", "verify", *both, "--json"])


@pytest.mark.wheels
@pytest.mark.usefixtures("finished")  # downloads of minutes: with make wheels-test only
@pytest.mark.parametrize("python", debian.SUITES)
def test_debians_headers_of_two_machines_differ_where_we_say(python, tmp_path) -> None:
    texts = {}
    for arch in ("aarch64", "x86_64"):
        target = Target(python, arch)
        source = debian.download_headers(target, tmp_path / "debian")
        own = source.parent / target.multiarch / source.name / "pyconfig.h"
        # Of no meaning to C code: how well python.org looks after a machine.
        lines = own.read_text().splitlines(keepends=True)
        texts[arch] = "".join(line for line in lines if "PY_SUPPORT_TIER" not in line)
    assert texts["aarch64"] != texts["x86_64"]
    for arch in texts:
        for text in texts.values():
            assert headers.machine_config(text, arch) == texts[arch]


def run(command: list[object]) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYENV_VERSION")}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(sys.prefix),
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
