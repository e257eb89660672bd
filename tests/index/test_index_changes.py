"""Rows come, change and go while others search."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgeface.index import CosineIndex
from tests.index.conftest import assert_same, full_scan, unit, unit_rows


@pytest.fixture(params=["float32", "int8", "sketch"])
def index(request, sketched_rows: np.ndarray, sketched: CosineIndex, tmp_path: Path):
    if request.param != "sketch":
        return CosineIndex.build(sketched_rows, precision=request.param)
    sketched.save(tmp_path / "copy")
    return CosineIndex.open(tmp_path / "copy", writable=True)


def test_removed_row_is_never_found_again(index: CosineIndex, sketched_rows) -> None:
    index.remove(40)
    assert len(index) == len(sketched_rows) - 1
    for threshold in (None, 0.4):
        assert 40 not in index.search(sketched_rows[40], 10, threshold=threshold).indices
    with pytest.raises(LookupError, match="no row is in use at index 40"):
        index.remove(40)


def test_updated_row_is_found_as_what_it_is_now(index: CosineIndex, sketched_rows) -> None:
    rows = sketched_rows.copy()
    rows[33] = unit_rows(1, seed=4)[0]
    index.update(33, rows[33])
    for probe in (rows[33], sketched_rows[33]):
        assert_same(index.search(probe, 10), full_scan(rows, probe, 10, None))


def test_added_rows_take_the_places_of_removed_ones_then_new_ones(
    index: CosineIndex, sketched_rows: np.ndarray
) -> None:
    new = unit_rows(40, seed=8)
    index.remove(5)
    places = [index.add(row) for row in new]
    assert places == [5, *range(len(sketched_rows), len(sketched_rows) + 39)]
    rows = np.concatenate([sketched_rows, new[1:]])
    rows[5] = new[0]
    for probe in (new[0], new[39], sketched_rows[9]):
        assert_same(index.search(probe, 10, threshold=0.1), full_scan(rows, probe, 10, 0.1))


def test_removed_row_leaves_nothing_in_memory(index: CosineIndex, sketched_rows) -> None:
    index.remove(64)
    arrays = index._arrays
    assert not arrays.rows[64].any()
    if arrays.codes is not None:  # row 64 is the first of its block: bytes 0 to 3 of each group
        block = arrays.codes[4 * arrays.code_block_bytes :][: 128 * 64]
        assert not block.reshape(128, 16, 4)[:, 0].any()


@pytest.mark.parametrize("bad", [-1, 10**9])
def test_change_of_a_row_that_is_not_there_is_refused(index: CosineIndex, bad: int) -> None:
    with pytest.raises(LookupError, match="no row is in use"):
        index.update(bad, unit_rows(1)[0])
    with pytest.raises(LookupError, match="no row is in use"):
        index.remove(bad)


def test_refused_change_changes_nothing(index: CosineIndex, sketched_rows) -> None:
    with pytest.raises(ValueError, match="row 0 has the length"):
        index.update(7, sketched_rows[7] * 3)
    assert index.search(sketched_rows[7], 1).indices.tolist() == [7]


def test_searches_during_changes_see_a_row_whole_or_not_at_all(sketched_rows) -> None:
    index = CosineIndex.build(sketched_rows, threshold=0.4, threads=2)
    old, new = sketched_rows[100], unit(unit_rows(1, seed=6))[0]
    stop, problems = threading.Event(), []

    def change() -> None:
        try:
            for turn in range(300):
                index.update(100, new if turn % 2 else old)
                index.remove(index.add(new))
            problems.append("changed")
        finally:
            stop.set()

    def search() -> None:
        probes = np.stack([old, new] * 8)  # so many that both threads of the index work
        while not stop.is_set():
            for found in index.search_batch(probes, 3, threshold=0.9):
                problems.extend(s for s in found.scores.tolist() if s < 0.999)
        problems.append("searched")

    threads = [threading.Thread(target=target) for target in (change, search, search)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(problems) == ["changed", "searched", "searched"]
    assert len(index) == len(sketched_rows)


def test_search_lets_other_python_threads_run() -> None:
    index = CosineIndex.build(unit_rows(20000), precision="float32", isa="scalar")
    probes, done, ticks = unit_rows(16, seed=1), threading.Event(), 0

    def search() -> None:
        index.search_batch(probes, 1)
        done.set()

    thread = threading.Thread(target=search)
    thread.start()
    while not done.wait(0.001):
        ticks += 1
    thread.join()
    assert ticks >= 5


@pytest.mark.parametrize("threads", [1, 2])
def test_child_of_a_fork_searches_and_ends(sketched_rows: np.ndarray, threads: int) -> None:
    index = CosineIndex.build(sketched_rows, threads=threads)
    probes = np.ascontiguousarray(sketched_rows[:8])
    index.search_batch(probes, 1)
    child = os.fork()
    if child == 0:
        found = index.search_batch(probes, 1)
        right = [matches.indices[0] for matches in found] == list(range(8))
        del index
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(wait_for(child)) == 0


def wait_for(child: int) -> int:
    """Wait status of a child; it is killed, which is another status, if it hangs."""
    for _ in range(500):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]
