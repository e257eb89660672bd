"""The documentation's examples run as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = (
    "identify.py",
    "verify_two_photos.py",
    # tests/door/test_examples_door.py runs these
    "door.py",
    "door_own_actuator.py",
    "door_people.py",
    "door_replay.py",
    "webhook_receiver.py",
    "site_people.py",  # tests/console/test_client.py
)


def _run(repository: Path, folder: Path, *arguments: object) -> str:
    example, *rest = map(str, arguments)
    command = [sys.executable, str(repository / "docs" / "examples" / example), *rest]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_python_block_of_the_readme_runs(
    repository: Path, photos: Path, tmp_path: Path
) -> None:
    named = {"group.jpg": "both.jpg", "a.jpg": "collins_mirrored.jpg", "b.jpg": "hopper.jpg"}
    for name, photo in named.items():
        shutil.copy(photos / photo, tmp_path / name)
    blocks = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_every_example_is_run_here(repository: Path) -> None:
    found = sorted(path.name for path in (repository / "docs" / "examples").glob("*.py"))
    assert found == sorted(EXAMPLES)


def test_verify_two_photos(repository: Path, photos: Path, tmp_path: Path) -> None:
    collins = photos / "collins.png"
    mirrored, hopper = photos / "collins_mirrored.jpg", photos / "hopper.jpg"
    assert "same person" in _run(repository, tmp_path, EXAMPLES[1], collins, mirrored)
    assert "different people" in _run(repository, tmp_path, EXAMPLES[1], collins, hopper)


def test_identify(repository: Path, photos: Path, tmp_path: Path) -> None:
    enrolled = f"Eileen Collins={photos / 'collins.png'}"
    lines = _run(repository, tmp_path, EXAMPLES[0], photos / "both.jpg", enrolled).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("unknown ") and lines[0].endswith("below_threshold")
    assert lines[1].startswith("Eileen Collins ") and lines[1].endswith("match")
