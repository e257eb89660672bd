"""The processes of a benchmark: what they are given, and what becomes of one that fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeface.bench import processes
from edgeface.bundle import Bundle
from tests.bench_reports import measured


def test_process_imports_from_where_this_one_does(monkeypatch, tmp_path: Path) -> None:
    """A slot's launcher puts its packages onto sys.path, where no child would look by itself."""
    bench = tmp_path / "edgeface" / "bench"
    bench.mkdir(parents=True)
    for package in (bench, bench.parent):
        (package / "__init__.py").touch()
    (bench / "worker.py").write_text(
        "import json\ndef main(job, result):\n"
        "    with open(result, 'w') as file: json.dump({'worker': __file__}, file)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert processes.run_one({"seconds": 1}) == {"worker": str(bench / "worker.py")}


def test_worker_is_given_the_picture_and_does_not_make_it(monkeypatch) -> None:
    """Made in the worker, it took most of a first face's time, and a sixth of its memory."""
    monkeypatch.setattr(processes, "scene", lambda: np.zeros((4, 4), np.float32))
    (found,) = measured(Bundle.open(), "embedder.onnx")["configurations"]
    assert found["status"] == "failed" and "has dtype float32" in found["reason"]


def test_process_that_dies_is_a_reason_and_no_crash(monkeypatch) -> None:
    monkeypatch.setattr(processes.sys, "executable", "/bin/false")
    found = processes.run_one({"seconds": 1})
    assert found["status"] == "failed" and "exit code 1" in found["reason"]


def test_process_that_hangs_is_ended(monkeypatch, tmp_path: Path) -> None:
    hang = tmp_path / "hang"
    hang.write_text("#!/bin/sh\nexec sleep 60\n")
    hang.chmod(0o755)
    monkeypatch.setattr(processes.sys, "executable", str(hang))
    monkeypatch.setattr(processes, "_START_S", 0.2)
    assert "no answer" in processes.run_one({"seconds": 0})["reason"]
