"""The processes of a benchmark: started one after another, the configurations taking turns."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.bench.configuration import Configuration
from edgeface.bench.stages import scene
from edgeface.bundle import Bundle
from edgeface.cli_output import progress

_START_S = 120.0
"""A cold start may take so long, on a small board from a slow card, before it counts as hung."""

# A board's launcher has put its slot's packages onto sys.path: no variable tells a child of them,
# so the worker gets the parent's, before it imports anything.
_WORKER = """\
import sys
sys.path[:] = sys.argv.pop(1).split("\\n")
from edgeface.bench.worker import main
sys.exit(main(*sys.argv[1:]))
"""


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes
    ----------
    processes
        Fresh processes for each configuration, at least 1.
    runs
        Rounds of each process.
    seconds
        A process ends earlier after so long.
    """

    processes: int
    runs: int
    seconds: float


def run_all(
    bundle: Bundle,
    configurations: Sequence[Configuration],
    plan: Plan,
    *,
    public_key: str | None = None,
) -> list[list[dict[str, Any]]]:
    """Run every configuration's processes: in rounds, each round in another order.

    What changes in the meantime, such as the temperature, then meets all of them alike. A
    configuration that cannot run, or fails its self-test, is not tried again.

    Returns
    -------
    list
        For each configuration what its processes answered, as `edgeface.bench.worker` has it.
    """
    outcomes: list[list[dict[str, Any]]] = [[] for _ in configurations]
    shuffle = random.Random(0).sample  # nosec B311  # an order, no secret
    turns = [
        number
        for _ in range(plan.processes)
        for number in shuffle(range(len(configurations)), len(configurations))
    ]
    for number in progress(turns, label="bench: process"):
        if all(one["status"] == "measured" for one in outcomes[number]):
            job = _job(bundle, configurations[number], plan, public_key)
            outcomes[number].append(run_one(job, cpus=configurations[number].place.cpus))
    return outcomes


def run_one(job: dict[str, Any], *, cpus: Sequence[int] | None = None) -> dict[str, Any]:
    """Run one worker on these CPUs and return its answer, whatever became of it."""
    with tempfile.TemporaryDirectory(prefix="edgeface-bench-") as folder:
        job_file, result = Path(folder, "job.json"), Path(folder, "result.json")
        command = [*_python(), "-c", _WORKER, "\n".join(sys.path), str(job_file), str(result)]
        picture = Path(folder, "picture.npy")
        np.save(picture, scene())  # not the worker's memory, nor its first face's time
        job = {**job, "picture": str(picture)}
        with _pinned(cpus):  # a child stays where its parent was when it began
            job_file.write_text(json.dumps({**job, "spawned": time.monotonic()}), encoding="utf-8")
            worker = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        try:
            limit = _START_S + 3 * job["seconds"]
            _, errors = worker.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return _failed(f"no answer after {limit:.0f} s: it was ended")
        finally:
            worker.kill()  # harmless if it has ended
            worker.wait()
        if worker.returncode or not result.exists():
            return _failed(_how_it_ended(worker.returncode, errors.decode(errors="replace")))
        return json.loads(result.read_text(encoding="utf-8"))


def _python() -> list[str]:
    """This Python, as isolated and as free of new .pyc files as this process is."""
    isolated = ["-I"] if sys.flags.isolated else []
    return [sys.executable, *isolated, *(["-B"] if sys.flags.dont_write_bytecode else [])]


def _job(
    bundle: Bundle, configuration: Configuration, plan: Plan, public_key: str | None
) -> dict[str, Any]:
    return {
        "bundle": str(bundle.path),
        "public_key": public_key,
        "file": configuration.artefact.file,
        "threads": configuration.threads,
        "runs": plan.runs,
        "seconds": plan.seconds,
    }


@contextmanager
def _pinned(cpus: Sequence[int] | None) -> Iterator[None]:
    """Keep this thread on some CPUs for a moment."""
    before = os.sched_getaffinity(0)
    if cpus is not None:
        os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _failed(reason: str) -> dict[str, Any]:
    return {"status": "failed", "reason": f"its process failed: {reason}"}


def _how_it_ended(code: int, errors: str) -> str:
    last = (errors.strip().splitlines() or ["it said nothing"])[-1]
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return f"it ended {how}; {last}"
