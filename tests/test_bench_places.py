"""Where a benchmark's processes run: clusters by name, CPUs by number, and never elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeface.artefact import artefacts
from edgeface.bench import configuration, processes
from edgeface.bench.configuration import (
    ANYWHERE,
    Place,
    allowed_cpus,
    place_of,
    places,
    sweep,
    thread_counts,
)
from edgeface.board import Board
from edgeface.bundle import Bundle
from edgeface.cli import main
from tests.board.trees import write_tree


@pytest.fixture
def rk3576(tmp_path: Path) -> Board:
    return Board.detect(write_tree(tmp_path, "rk3576_vendor"))


@pytest.fixture
def eight_cpus(monkeypatch) -> None:
    monkeypatch.setattr(configuration, "allowed_cpus", lambda: tuple(range(8)))


def test_each_cluster_is_a_place(rk3576: Board, eight_cpus) -> None:
    assert places(rk3576) == (
        Place("cortex-a72", (4, 5, 6, 7)), Place("cortex-a53", (0, 1, 2, 3)),
    )  # fmt: skip
    assert place_of(rk3576, (4, 5, 6, 7)).name == "cortex-a72"
    assert place_of(rk3576, (1, 4)) == Place("CPU 1,4", (1, 4))
    assert place_of(rk3576, None) == ANYWHERE


def test_cluster_that_a_container_may_not_use_is_no_place(rk3576: Board, monkeypatch) -> None:
    monkeypatch.setattr(configuration, "allowed_cpus", lambda: (4, 5))
    assert places(rk3576) == (ANYWHERE,)
    monkeypatch.setattr(configuration, "allowed_cpus", lambda: (0, 4, 5))
    assert places(rk3576) == (Place("cortex-a72", (4, 5)), Place("cortex-a53", (0,)))


def test_sweep_has_every_file_on_every_place_with_threads_that_fit(eight_cpus) -> None:
    files = artefacts(Bundle.open())
    where = (Place("big", (4, 5, 6, 7)), Place("one", (0,)))
    assert thread_counts(where) == (1, 2, 4)
    found = [c.name for c in sweep(files, threads=(1, 2, 4), places=where)]
    assert len(found) == len(set(found)) == len(files) * 4
    assert "onnx split int8, 4 threads, big" in found and "onnx split int8, 1 thread, one" in found
    assert not any("2 threads, one" in name for name in found)


def test_process_stays_on_its_cpus_and_this_one_where_it_was(tmp_path: Path, monkeypatch) -> None:
    # The interpreter's place is taken by a script that answers with the CPUs it may use.
    script = tmp_path / "python"
    script.write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        'printf \'{"cpus": "%s"}\' "$(taskset -cp $$ | sed \'s/.*: //\')" > "$last"\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(processes.sys, "executable", str(script))
    before = allowed_cpus()
    found = processes.run_one({"seconds": 1}, cpus=before[:1])
    assert found == {"cpus": str(before[0])} and allowed_cpus() == before


def test_pinned_configuration_says_where_it_ran(capsys) -> None:
    cpu = str(allowed_cpus()[0])
    assert main(["bench", "--cpus", cpu, "--runs", "4", "--processes", "1", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["configurations"]
    assert found["cpus"] == [int(cpu)] and found["place"] == f"CPU {cpu}"
    assert found["name"].endswith(f", CPU {cpu}")
