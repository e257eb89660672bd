"""An inventory as a software bill of materials: CycloneDX, by cyclonedx-py."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from boards.errors import BoardsError

SPECIFICATION = "1.6"


def write_sbom(path: Path, packages: Sequence[str], *, name: str, version: str) -> None:
    """Write what something is made of as CycloneDX JSON, checked against its schema.

    Parameters
    ----------
    path
        The file; its folder is made.
    packages
        name==version of each.
    name, version
        Of what is made of them. The same packages give the same bytes.

    Raises
    ------
    BoardsError
        cyclonedx-py is not installed, or the result is not valid.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        subject = Path(folder, "pyproject.toml")
        subject.write_text(f'[project]\nname = "{name}"\nversion = "{version}"\n')
        words = [sys.executable, "-m", "cyclonedx_py", "requirements", "-", "--validate"]
        words += ["--output-reproducible", "--output-format", "JSON", "--spec-version"]
        words += [SPECIFICATION, "--pyproject", str(subject), "--output-file", str(path)]
        given = "\n".join(packages)
        done = subprocess.run(words, input=given, capture_output=True, text=True)
    if done.returncode:
        path.unlink(missing_ok=True)
        said = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise BoardsError(
            f"no SBOM of {name}: cyclonedx-py said: {said[0]}; is it installed? "
            "pip install cyclonedx-bom"
        )
    missing = set(packages) - _listed(path)  # what is no requirement is left out without a word
    if missing:
        path.unlink()
        raise BoardsError(
            f"no SBOM of {name}: it would lack {', '.join(sorted(missing))}; expected name==version"
        )


def _listed(path: Path) -> set[str]:
    parts = json.loads(path.read_text())["components"]
    return {f"{part['name']}=={part.get('version')}" for part in parts}
