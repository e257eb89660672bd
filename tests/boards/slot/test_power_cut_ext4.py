"""The power goes at any step, and with it all that the kernel had not put on the disk yet.

The machine's root is a real ext4 on a loop device. When the command is killed, the file under
that device is copied as it is: what ext4 had written by then, and not what it still held in
memory. The copy is mounted (the journal is played back, as after a power cut) and must boot. A
disk that loses what it acknowledged after a flush is not covered.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boards.slot import HOME
from boards.slot import slot as tool
from tests.boards.slot.cut import count_steps, cut
from tests.boards.slot.kits import (
    assert_done,
    environment,
    make_kit,
    run_slot,
    slot_command,
    version_of_current,
)

DISK_BYTES = 96 << 20  # what a slot is asked to leave free, twice over


@contextmanager
def mounted(disk: Path, folder: Path) -> Iterator[Path]:
    """Mount an image, and give the machine's root in it."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", disk, folder], check=True)
    try:
        yield folder / "root"
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def disk(tmp_path, kits) -> Path:
    """An ext4 with a machine on 2.0 in slot b, 1.0 in slot a."""
    if os.getuid() != 0 or not shutil.which("strace"):
        pytest.skip("needs root, for loop devices, and strace")
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    try:
        with mounted(image, tmp_path / "first") as root:
            root.mkdir()
            for version in ("1.0", "2.0"):
                assert_done(run_slot(root, "install", kits[version]))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop devices here: {error}")
    return image


def copy_sparse(source: Path, target: Path) -> Path:
    subprocess.run(["cp", "--sparse=always", source, target], check=True)
    return target


def disk_after_cut(disk: Path, tmp_path: Path, command: list, step: tuple[str, int]) -> Path:
    """Cut a command on a copy of a disk; return what the disk holds when the power is gone."""
    live = copy_sparse(disk, tmp_path / "live.img")
    with mounted(live, tmp_path / "live") as root:
        words = [root if word == "ROOT" else word for word in command]
        cut([str(word) for word in words], step, env=environment(tmp_path))
        return copy_sparse(live, tmp_path / "cut.img")


def steps_of(disk: Path, tmp_path: Path, command: list) -> list[tuple[str, int]]:
    with mounted(copy_sparse(disk, tmp_path / "live.img"), tmp_path / "live") as root:
        words = [str(root if word == "ROOT" else word) for word in command]
        return count_steps(words, env=environment(tmp_path), log=tmp_path / "log")


def test_update_cut_at_any_step_with_all_that_was_not_on_the_disk(disk, tmp_path):
    kit = make_kit(tmp_path, version="3.0")
    command = slot_command(Path("ROOT"), "install", kit)
    steps = steps_of(disk, tmp_path, command)
    versions = []
    for number, step in enumerate(steps):
        after = disk_after_cut(disk, tmp_path, command, step)
        told = f"cut before step {number}, {step}"
        with mounted(after, tmp_path / "after") as root:
            assert tool.damage(root / HOME / "current") is None, told
            assert_done(run_slot(root, "boot"))
            versions.append(version_of_current(root))
            if number % 8 == 0:
                assert_done(run_slot(root, "install", kit))
                assert version_of_current(root) == "3.0", told
    assert set(versions) == {"2.0", "3.0"} and versions == sorted(versions)


def test_without_its_flushes_a_slot_would_be_lost(disk, tmp_path):
    """What the test above would see if the new slot were not flushed before the switch."""
    kit = make_kit(tmp_path, version="3.0")
    text = Path(tool.__file__).read_text()
    flush = "    sync_tree(slot)\n"
    assert flush in text
    careless = tmp_path / "careless.py"
    careless.write_text(text.replace(flush, ""))
    command = slot_command(Path("ROOT"), "install", kit)
    command[command.index(str(tool.__file__))] = str(careless)
    last_rename = [step for step in steps_of(disk, tmp_path, command) if step[0] == "rename"][-1]
    after = disk_after_cut(disk, tmp_path, command, last_rename)
    with mounted(after, tmp_path / "after") as root:
        assert os.readlink(root / HOME / "current") == "slots/a"
        assert tool.damage(root / HOME / "current") is not None
        assert_done(run_slot(root, "boot"))  # and even then the machine comes up
        assert version_of_current(root) == "2.0"
