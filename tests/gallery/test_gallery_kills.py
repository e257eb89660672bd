"""Killed in the middle of anything, again and again: nothing lost, nothing half done."""

from __future__ import annotations

import collections
import os
import random
import signal
import sys
import time

import numpy as np
import pytest

from edgeface.errors import GalleryKeyError, GalleryModelError
from edgeface.gallery import Gallery
from tests.faults import forked
from tests.gallery.life import FIRST, State, Step, after, heard, live, open_in, problem
from tests.gallery.test_gallery_upgrade import version, write_schema_1

KILLS_A_LIFE = 25
FULL = 500


def settle(path, state: State, under_way: Step | None) -> tuple[State, bool]:
    """Which of the two states it is in, and whether the step under way had happened."""
    told = []
    for candidate, happened in [(state, False)] + (
        [(after(state, under_way), True)] if under_way else []
    ):
        try:
            found = problem(path, candidate)
        except (GalleryKeyError, GalleryModelError) as error:
            found = str(error)
        if not found:
            return candidate, happened
        told.append(found)
    raise AssertionError(f"{under_way} left neither state: {told}")


def begin(folder, number: int) -> tuple:
    """A new gallery; every third is of schema 1, so that upgrades are interrupted too."""
    path = folder / f"gallery{number}.db"
    if number % 3 == 1:
        write_schema_1(path, {})
    else:
        Gallery.open(path, model_id=FIRST).close()
    return path, State()


def kill_in_a_loop(folder, kills: int, seed: int) -> collections.Counter:
    """Kill so often; return how often which kind of step was cut, and had happened or not."""
    moments = random.Random(seed)
    cut: collections.Counter = collections.Counter()
    path, state = begin(folder, 0)
    for kill in range(kills):
        if kill and kill % KILLS_A_LIFE == 0:
            path, state = begin(folder, kill // KILLS_A_LIFE)
        begun = state

        def act(tell, path=path, state=begun, seed=seed * 10_000 + kill) -> None:
            live(path, state, seed, tell)

        with forked(act) as child:
            told = child.read(1)
            time.sleep(moments.uniform(0, 0.06))
            os.kill(child.pid, signal.SIGKILL)
            told += child.read()
        assert os.WTERMSIG(child.status) == signal.SIGKILL
        state, under_way, done = heard(told, begun)
        state, happened = settle(path, state, under_way)
        check_backup(path)
        cut["steps done"] += len(done)
        cut[f"{under_way.kind if under_way else 'between'} {'done' if happened else 'not'}"] += 1
    return cut


def check_backup(path) -> None:
    """A backup that has its name is whole, whichever moment it is of."""
    copy = path.with_name("copy.db")
    if copy.exists():
        assert version(copy) == 2
        copy.unlink()


def test_killed_at_any_moment_nothing_is_lost_and_nothing_half_done(tmp_path):
    cut = kill_in_a_loop(tmp_path, 30, seed=1)
    assert cut["steps done"] > 30


@pytest.mark.kills
def test_killed_500_times_nothing_is_lost_and_nothing_half_done(tmp_path, capsys):
    cut = kill_in_a_loop(tmp_path, FULL, seed=int(os.environ.get("EDGEFACE_KILLS_SEED", "2")))
    with capsys.disabled():
        sys.stdout.write(f"\n{FULL} kills: {dict(sorted(cut.items()))}\n")
    kinds = {name.split()[0] for name in cut}
    assert {"enroll", "erase", "reseal", "encrypt", "migrate", "backup", "remove"} <= kinds
    assert cut["steps done"] > FULL


def test_the_judge_finds_what_is_lost(tmp_path):
    path, state = begin(tmp_path, 0)
    step = Step("enroll", "p00000", 0)
    with pytest.raises(AssertionError, match="left neither state"):
        settle(path, after(state, step), None)
    assert settle(path, state, step) == (state, False)
    with open_in(state, path) as gallery:
        gallery.enroll("p00001", np.eye(3, 512, dtype=np.float32))
    with pytest.raises(AssertionError, match="left neither state"):
        settle(path, state, step)
