"""The power goes: only what was synced is certain, and that is enough."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from edgeface import gallery_database
from edgeface.errors import GalleryError
from edgeface.gallery import Gallery
from tests.gallery.conftest import pieces
from tests.gallery.life import FIRST, State, after, heard, rows_of
from tests.gallery.power import Disk, traced
from tests.gallery.test_gallery_kills import settle
from tests.gallery.test_gallery_upgrade import write_schema_1

STEPS = 25
SHARES = (0.0, 1.0, 0.5, 0.9)


@pytest.fixture(autouse=True)
def _strace() -> None:
    if not shutil.which("strace"):
        pytest.fail("no strace") if "CI" in os.environ else pytest.skip("strace is not installed")


def lives(folder: Path, *, seed: int, old: bool):
    """Live a life under strace; yield the disk after each change."""
    home = folder / "home"
    home.mkdir()
    if old:
        write_schema_1(home / "gallery.db", {})
    else:
        Gallery.open(home / "gallery.db", model_id=FIRST).close()
    command = [sys.executable, "-m", "tests.gallery.life", str(home / "gallery.db"), str(seed)]
    yield from traced([*command, str(STEPS)], home, folder / "strace.log")


def erased_pieces(told: bytes) -> list[bytes]:
    """Bytes of templates of everybody removed or erased while the gallery was not encrypted."""
    _, _, done = heard(told, State())
    gone, here, state = [], {}, State()
    for step in done:
        if step.kind in ("enroll", "add") and state.key < 0:
            rows = rows_of(step.person, step.number, state.model)
            here.setdefault(step.person, []).extend(pieces(rows))
        elif step.kind in ("remove", "erase"):
            gone += here.pop(step.person, [])
        state = after(state, step)
    return gone


def cut_everywhere(folder: Path, *, seed: int, old: bool, each: int) -> int:
    """Cut after every so many changes, in each of four ways; return how often."""
    chance = random.Random(seed)
    cuts = 0
    for i, disk in enumerate(lives(folder, seed=seed, old=old)):
        if i % each:
            continue
        for share in SHARES:
            cut(disk, folder / "after", chance, share)
            cuts += 1
    assert len(heard(disk.told, State())[2]) == STEPS
    return cuts


def cut(disk: Disk, into: Path, chance: random.Random, share: float) -> None:
    disk.lose_power(into, chance, share)
    state, under_way, _ = heard(disk.told, State())
    settle(into / "gallery.db", state, under_way)
    left = b"".join(f.read_bytes() for f in into.iterdir() if f.name.startswith("gallery.db"))
    assert not [piece for piece in erased_pieces(disk.told) if piece in left]
    if (into / "copy.db").exists():
        problem_of_copy(into / "copy.db")


def problem_of_copy(copy: Path) -> None:
    """A backup that has its name is whole: SQLite's own check, and its length."""
    with sqlite3.connect(copy) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM setting").fetchone()[0] >= 4
    db.close()


@pytest.mark.parametrize("old", [False, True])
def test_power_cut_loses_nothing_that_was_acknowledged(tmp_path, old):
    assert cut_everywhere(tmp_path, seed=3 + old, old=old, each=23) > 60


@pytest.mark.kills
@pytest.mark.parametrize("seed", range(4))
def test_power_cut_at_every_change_loses_nothing(tmp_path, seed, capsys):
    cuts = cut_everywhere(tmp_path, seed=seed, old=seed % 2 == 1, each=1)
    with capsys.disabled():
        sys.stdout.write(f"\n{STEPS} operations, power cut {cuts} times: nothing lost\n")
    assert cuts > 1000


def test_the_model_loses_what_was_not_synced(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "kept").write_bytes(b"kept")
    code = f"""
import os
handle = os.open({str(home / "new")!r}, os.O_RDWR | os.O_CREAT)
os.pwrite(handle, b"one", 0); os.fsync(handle)
os.pwrite(handle, b"two", 3)
folder = os.open({str(home)!r}, os.O_RDONLY); os.fsync(folder)
os.rename({str(home / "kept")!r}, {str(home / "moved")!r})
"""
    *_, disk = traced([sys.executable, "-c", code], home, tmp_path / "log")
    disk.lose_power(tmp_path / "after", random.Random(0), 0.0)
    found = {f.name: f.read_bytes() for f in (tmp_path / "after").iterdir()}
    assert found == {"kept": b"kept", "new": b"one"}
    disk.lose_power(tmp_path / "after", random.Random(0), 1.0)
    found = {f.name: f.read_bytes() for f in (tmp_path / "after").iterdir()}
    assert found == {"moved": b"kept", "new": b"onetwo"}


def test_the_judge_finds_a_gallery_that_does_not_sync(tmp_path):
    # With synchronous=OFF the same life must fail: else the model would prove nothing.
    assert '"synchronous=FULL"' in Path(gallery_database.__file__).read_text("utf-8")
    home = tmp_path / "home"
    home.mkdir()
    Gallery.open(home / "gallery.db", model_id=FIRST).close()
    code = f"""
from edgeface import gallery_connection
careful = gallery_connection.open_database
def careless(path):
    db = careful(path)
    db.execute("PRAGMA synchronous=OFF")
    return db
gallery_connection.open_database = careless
from tests.gallery.life import main
main([{str(home / "gallery.db")!r}, "3", "6"])
"""
    lost = 0
    for disk in traced([sys.executable, "-c", code], home, tmp_path / "log"):
        try:
            cut(disk, tmp_path / "after", random.Random(0), 0.0)
        except (AssertionError, GalleryError):  # lost, or damaged
            lost += 1
    assert lost
