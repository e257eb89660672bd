"""What a finished wheel must be, read from the wheel alone."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

from boards.errors import BoardsError
from boards.wheels.native import ROOT
from boards.wheels.target import GLIBC, Target

NEEDED = ("edgeface/models/default.efb", "edgeface/bundle_schema.json", "edgeface/cli.py")
ELF_MACHINES = {"aarch64": 183, "x86_64": 62}  # e_machine
_VERDICT = re.compile(r'platform tag:\s*"manylinux_(\d+)_(\d+)_(\w+)"')


def check_wheel(wheel: Path, target: Target) -> str:
    """Check contents, machine and C library of a wheel; return what auditwheel printed.

    Raises
    ------
    BoardsError
        Files are missing or too many, the module is another machine's, or it needs a newer C
        library than manylinux2014 has.
    """
    check_contents(wheel, target)
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(wheel)], capture_output=True, text=True
    )
    if done.returncode:
        raise BoardsError(f"auditwheel show {wheel.name} failed: {done.stderr.strip()[-600:]}")
    check_verdict(done.stdout, target, wheel.name)
    return done.stdout.strip()


def check_contents(wheel: Path, target: Target) -> None:
    """Compare the wheel's files with the checkout's: all of edgeface, one module, no more."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        modules = sorted(name for name in names if name.endswith(".so"))
        expected = f"edgeface/_native{target.suffix}"
        if modules != [expected]:
            raise BoardsError(f"{wheel.name} holds modules {modules}; expected {expected} alone")
        machine = int.from_bytes(archive.read(expected)[18:20], "little")
    if machine != ELF_MACHINES[target.arch]:
        raise BoardsError(
            f"{wheel.name}: {expected} is for ELF machine {machine}; expected "
            f"{ELF_MACHINES[target.arch]}, {target.arch}"
        )
    sources = {str(f.relative_to(ROOT)) for f in (ROOT / "edgeface").rglob("*.py")}
    own = {name for name in names if ".dist-info/" not in name}
    python = {name for name in own if name.endswith(".py")}
    foreign = {name for name in own if not name.startswith("edgeface/")} | (python - sources)
    missing = (sources | set(NEEDED)) - own
    if foreign or missing:
        raise BoardsError(
            f"{wheel.name}: files too many {sorted(foreign)[:5]}, missing {sorted(missing)[:5]}; "
            "expected the checkout's edgeface/ and nothing else"
        )


def check_verdict(shown: str, target: Target, name: str) -> None:
    """Judge what ``auditwheel show`` printed.

    Raises
    ------
    BoardsError
        Another machine, or a newer C library than 2.17; or no verdict.
    """
    text = " ".join(shown.split())
    found = _VERDICT.search(text)
    if not found:
        raise BoardsError(f"{name}: auditwheel named no manylinux platform: {text[-400:]}")
    glibc = (int(found[1]), int(found[2]))
    if glibc > GLIBC or found[3] != target.arch:
        raise BoardsError(
            f"{name}: auditwheel says manylinux_{found[1]}_{found[2]}_{found[3]}; expected "
            f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{target.arch} (manylinux2014) or older"
        )
