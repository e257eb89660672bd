"""From Python files, metadata and one native module to a wheel; the same bytes every time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from boards.errors import BoardsError
from boards.wheels.native import ROOT
from boards.wheels.target import Target

EPOCH = "315532800"
"""1980-01-01, the oldest time that a wheel's files can have; SOURCE_DATE_EPOCH overrides it."""


def python_tree(folder: Path) -> Path:
    """Collect edgeface's Python files, data and metadata as setup.py gives them; no module."""
    shutil.rmtree(folder, ignore_errors=True)
    # Else setuptools takes the list of files of an earlier build along.
    base = folder / "egg"
    base.mkdir(parents=True)
    setup = [sys.executable, "setup.py", "--quiet", "egg_info", f"--egg-base={base}"]
    tree = folder / "tree"
    _call([*setup, "build_py", f"--build-lib={tree}"], {})
    _call([*setup, "dist_info", f"--output-dir={tree}"], {})
    return tree


def pack_wheel(target: Target, *, tree: Path, module: Path, scratch: Path, out: Path) -> Path:
    """Write the wheel of one target.

    Parameters
    ----------
    tree
        What `python_tree` gave.
    scratch
        Folder to lay the wheel out in.
    out
        Folder that gets the wheel; one of the same name is replaced.

    Returns
    -------
    Path
        The wheel.

    Raises
    ------
    BoardsError
        A part is missing or ``wheel pack`` fails.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(tree, scratch)
    shutil.copyfile(module, scratch / "edgeface" / module.name)
    (scratch / "edgeface" / module.name).chmod(0o755)
    (info,) = scratch.glob("edgeface-*.dist-info")
    lines = ["Wheel-Version: 1.0", "Generator: edgeface boards wheels", "Root-Is-Purelib: false"]
    (info / "WHEEL").write_text("\n".join([*lines, *(f"Tag: {t}" for t in target.tags)]) + "\n")
    out.mkdir(parents=True, exist_ok=True)
    environment = {"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", EPOCH)}
    command = [sys.executable, "-m", "wheel", "pack", str(scratch), f"--dest-dir={out}"]
    _call(command, environment)
    return out / f"{info.name[: -len('.dist-info')]}-{wheel_tag(target)}.whl"


def wheel_tag(target: Target) -> str:
    """The tags as a wheel's file name has them: platforms in alphabetic order."""
    platforms = sorted(tag.rpartition("-")[2] for tag in target.tags)
    return f"{target.abi}-{target.abi}-{'.'.join(platforms)}"


def _call(command: Sequence[str], environment: Mapping[str, str]) -> None:
    own = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-800:]
        raise BoardsError(
            f"{' '.join(command[1:4])} failed with code {done.returncode}: {said}\n"
            "(what wheels are built with: pip install 'edgeface[wheels]')"
        )
