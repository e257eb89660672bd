"""Kits for the tests of slots: real folders, sums and wheels, of an app of a few lines.

The app is a package `edgeface` whose self-test does what the test wants. In place of pip's own
wheel stands one that unpacks wheels and nothing else (pip takes a second to start, and some tests
install hundreds of times); the readers that edgeface-slot takes from pip's wheel are pip's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pip

from boards import slot as slots
from boards.slot import slot as tool

ROOT = Path(__file__).resolve().parents[3]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
BOARD = "test-board"

PASS = "print('{\"ok\": true}'); return 0"
FAIL = "print('{\"ok\": false}'); print('cosine 0.5, expected 0.99', file=sys.stderr); return 1"

_CLI = """\
import os, signal, sys, time
VERSION = {version!r}
def main():
    if sys.argv[1:] == ["--version"]:
        print(VERSION); return 0
    assert sys.argv[1:] == ["selftest", "--json"], sys.argv
    with open(os.environ["EDGEFACE_BUNDLE"], "rb") as bundle:
        assert bundle.read() == b"bundle of " + VERSION.encode()
    {selftest}
"""
_UNPACKER = """\
import sys, zipfile
from pathlib import Path
from typing import Any
words = sys.argv[1:]
assert words[0] == "install" and "--no-index" in words, words
target = Path(words[words.index("--target") + 1])
for wheel in Path(words[words.index("--find-links") + 1]).glob("edgeface-*.whl"):
    zipfile.ZipFile(wheel).extractall(target)
"""


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Give a folder in memory where there is such a place: a busy disk makes flushes slow."""
    shared = Path("/dev/shm")
    usable = os.access(shared, os.W_OK) and not os.statvfs(shared).f_flag & os.ST_NOEXEC
    with tempfile.TemporaryDirectory(dir=shared if usable else None) as folder:
        yield Path(folder)


def write_wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """Write a pure wheel that pip takes."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    told = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in [*files, *told, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in {**files, **told, f"{info}/RECORD": record}.items():
            wheel.writestr(member, text)
    return path


def write_quick_pip(folder: Path, *, last: str) -> None:
    """Write the stand-in for pip's wheel, and what it does last."""
    vendored = Path(pip.__file__).parent / "_vendor"
    files = {
        "pip/__init__.py": "",
        "pip/__main__.py": _UNPACKER + last,
        "pip/_vendor/__init__.py": "",
    }
    for package in ("packaging", "tomli"):
        for file in (vendored / package).glob("*.py"):
            files[f"pip/_vendor/{package}/{file.name}"] = file.read_text(encoding="utf-8")
    write_wheel(folder, "pip", "0.1", files)


def make_kit(
    folder: Path,
    *,
    version: str,
    selftest: str = PASS,
    board: str = BOARD,
    board_toml: str = "",
    pythons: tuple[str, ...] = (PYTHON,),
    pip_ends: str = "",
) -> Path:
    """Write a kit of the little app, and return its folder."""
    kit = folder / f"edgeface-{version}-{board}"
    (kit / "wheels").mkdir(parents=True)
    cli = _CLI.format(version=version, selftest=selftest)
    files = {"edgeface/__init__.py": "", "edgeface/cli.py": cli}
    write_wheel(kit / "wheels", "edgeface", version, files)
    write_quick_pip(kit / "wheels", last=pip_ends)
    (kit / "bundle.efb").write_bytes(b"bundle of " + version.encode())
    (kit / "board.toml").write_text(
        f'name = "{board}"\narch = "{platform.machine()}"\n{board_toml}'
    )
    add_own_files(kit)
    facts = {"format": 1, "board": board, "version": version, "pythons": list(pythons)}
    (kit / "kit.json").write_text(json.dumps({**facts, "bundle": "bundle.efb"}))
    write_sums(kit)
    return kit


def add_own_files(kit: Path) -> None:
    """Copy what this repository adds to a kit."""
    shutil.copy(tool.__file__, kit / "slot.py")
    shutil.copy(ROOT / "boards/slot/install.sh", kit / "install.sh")
    (kit / "files").mkdir()
    for file in (ROOT / "boards/files").iterdir():
        shutil.copy(file, kit / "files" / file.name)


def write_sums(kit: Path) -> None:
    """Write SHA256SUMS, of what is in the kit now."""
    files = [file for file in sorted(kit.rglob("*")) if file.is_file()]
    lines = (
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(kit)}\n"
        for file in files
        if not file.name.startswith("SHA256SUMS")
    )
    (kit / "SHA256SUMS").write_text("".join(lines))


def slot_command(root: Path, *words: str | Path) -> list[str]:
    """Return the command line of edgeface-slot, as a board runs it."""
    return [sys.executable, "-I", str(tool.__file__), str(words[0]), "--root", str(root)] + [
        str(word) for word in words[1:]
    ]


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which pythonX.Y is this Python, and no shim in a shell script."""
    shims = folder / "python"
    if not shims.is_dir():
        shims.mkdir(parents=True)
        (shims / f"python{PYTHON}").symlink_to(Path(sys.executable).resolve())
    return {"PATH": f"{shims}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}


def run_slot(root: Path, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run edgeface-slot on a root in the test's folder."""
    env = {**environment(root.parent), **more}
    return subprocess.run(slot_command(root, *words), capture_output=True, text=True, env=env)


def version_of_current(root: Path) -> str:
    """Run the app by the link as a user does, self-test first, and return its version."""
    launcher = root / slots.HOME / "current/bin/edgeface"
    told = [
        subprocess.run(
            [launcher, *words], capture_output=True, text=True, env=environment(root.parent)
        )
        for words in (["selftest", "--json"], ["--version"])
    ]
    assert [done.returncode for done in told] == [0, 0], told
    return told[1].stdout.strip()


def assert_done(done: subprocess.CompletedProcess[str]) -> None:
    """Fail with what the command printed, unless it ended well."""
    assert done.returncode == 0, done.stderr + done.stdout


def status(root: Path) -> dict[str, Any]:
    """Return what edgeface-slot says of a machine."""
    return json.loads(run_slot(root, "status", "--json").stdout)


def refused(root: Path, kit: Path, text: str, *words: str | Path, **more: str) -> None:
    """Install, and expect the refusal that holds a text, with nothing changed."""
    before = status(root)
    done = run_slot(root, "install", kit, *words, **more)
    assert done.returncode == 1, done.stdout
    assert text in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert status(root) == before
    assert not list((root / slots.HOME).glob("slots/.*"))
    if before["current"]:
        version_of_current(root)
