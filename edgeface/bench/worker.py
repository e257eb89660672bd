"""One process of a benchmark, from cold to its end; `edgeface.bench.processes` starts it.

A process of its own for each: starting cold is part of what is measured, peak memory is a
process's, and a vendor's library that crashes or prints takes nothing else with it. The answer goes
into a file, since such libraries print to standard output.
"""

from __future__ import annotations

import json
import time
from array import array
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeface.bench.stages import Stages
    from edgeface.bundle import Bundle

WARMUP = 10
LEAST = 3
"""Rounds, however little time there is."""


def main(job_file: str, result_file: str) -> int:
    """Read a job, do it, and write what came of it."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    Path(result_file).write_text(json.dumps(_outcome(job)), encoding="utf-8")
    return 0


def _outcome(job: dict[str, Any]) -> dict[str, Any]:
    # Imports are part of a cold start; what makes them slow is measured with them.
    import cv2

    from edgeface.configured import open_bundle
    from edgeface.errors import BackendUnavailableError, EdgeFaceError

    cv2.setNumThreads(job["threads"])
    clock = _Clock(job["spawned"])
    clock.lap("import")
    try:
        return _measured(open_bundle(job["bundle"], public_key=job["public_key"]), job, clock)
    except BackendUnavailableError as error:
        return {"status": "unavailable", "reason": str(error)}
    except EdgeFaceError as error:
        return {"status": "failed", "reason": str(error)}


def _measured(bundle: Bundle, job: dict[str, Any], clock: _Clock) -> dict[str, Any]:
    import numpy as np

    from edgeface.artefact import artefacts
    from edgeface.backends import open_backend
    from edgeface.bench.stages import Stages
    from edgeface.errors import BundleIntegrityError
    from edgeface.selftest import embedder_cosines, run_selftest
    from edgeface.split import open_embedder

    artefact = next(one for one in artefacts(bundle) if one.file == job["file"])
    stage, threads = bundle.stage("detector"), job["threads"]
    model = bundle.read(stage["file"])
    with ExitStack() as opened:
        enter = opened.enter_context
        detector = enter(open_backend(stage, model, threads=threads, name="detector"))
        embedder = enter(open_embedder(bundle, artefact, threads=threads))
        models = {"detector": detector, "embedder": embedder, "artefact": artefact}
        clock.lap("load")
        try:
            cosine = run_selftest(bundle, **models).embedding_cosine
        except BundleIntegrityError as error:
            found, _ = embedder_cosines(bundle, embedder=embedder, artefact=artefact)
            return {"status": "refused", "reason": str(error), "selftest_cosine": found}
        clock.lap("selftest")
        stages = Stages(bundle, np.load(job["picture"]), **models)
        stages.timed()
        clock.lap("first")
        measured = {"status": "measured", "selftest_cosine": cosine, "cold_start_ms": clock.laps}
        return {**measured, **_rounds(stages, runs=job["runs"], seconds=job["seconds"])}


def _rounds(stages: Stages, *, runs: int, seconds: float) -> dict[str, Any]:
    """Warm up, then go round until there were so many, or so much time has passed."""
    from edgeface.bench.load import Load
    from edgeface.bench.rows import peak_mb

    for _ in range(WARMUP):
        stages.timed()
    # Arrays: the times of a long run must not be what its peak memory consists of.
    samples = {stage: array("f") for stage in stages.timed()}
    at = array("d")
    load, began = Load(), time.monotonic()
    while len(at) < runs and (len(at) < LEAST or time.monotonic() - began < seconds):
        at.append(time.monotonic() - began)
        for stage, spent in stages.timed().items():
            samples[stage].append(spent * 1000)
    ended, peak = time.monotonic(), peak_mb()
    return {
        "began": began,
        "ended": ended,
        "load": load.end(),
        "peak_mb": peak,
        "at_s": [round(moment, 4) for moment in at],
        "samples_ms": {stage: [round(t, 4) for t in times] for stage, times in samples.items()},
    }


class _Clock:
    """Milliseconds of each part of a start and of all; the parent reads the same clock."""

    def __init__(self, spawned: float) -> None:
        self._spawned = self._last = spawned
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round((now - self._last) * 1000, 2)
        self.laps["total"] = round((now - self._spawned) * 1000, 2)
        self._last = now
