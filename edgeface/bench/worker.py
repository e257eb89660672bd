"""``python -m edgeface.bench.worker JOB RESULT``: one process of a benchmark, from cold to its end.

A process of its own for each: starting cold is part of what is measured, peak memory is a
process's, and a vendor's library that crashes or prints takes nothing else with it. The answer goes
into a file, since such libraries print to standard output.
"""

from __future__ import annotations

import json
import sys
import time
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
    from edgeface.artefact import artefacts
    from edgeface.backends import open_backend
    from edgeface.bench.rows import peak_mb
    from edgeface.bench.stages import Stages
    from edgeface.errors import BundleIntegrityError
    from edgeface.selftest import embedder_cosines, run_selftest
    from edgeface.split import open_embedder

    artefact = next(one for one in artefacts(bundle) if one.file == job["file"])
    stage, threads = bundle.stage("detector"), job["threads"]
    detector = open_backend(stage, bundle.read(stage["file"]), threads=threads, name="detector")
    embedder = open_embedder(bundle, artefact, threads=threads)
    models = {"detector": detector, "embedder": embedder, "artefact": artefact}
    clock.lap("load")
    try:
        cosine = run_selftest(bundle, **models).embedding_cosine
    except BundleIntegrityError as error:
        found, _ = embedder_cosines(bundle, embedder=embedder, artefact=artefact)
        return {"status": "refused", "reason": str(error), "selftest_cosine": found}
    clock.lap("selftest")
    stages = Stages(bundle, **models)
    stages.timed()
    clock.lap("first")
    return {
        "status": "measured",
        "selftest_cosine": cosine,
        "cold_start_ms": {**clock.laps, "total": clock.total()},
        **_rounds(stages, runs=job["runs"], seconds=job["seconds"]),
        "peak_mb": peak_mb(),
    }


def _rounds(stages: Stages, *, runs: int, seconds: float) -> dict[str, Any]:
    """Warm up, then go round until there were so many, or so much time has passed."""
    from edgeface.bench.load import Load

    for _ in range(WARMUP):
        stages.timed()
    samples: dict[str, list[float]] = {stage: [] for stage in stages.timed()}
    at: list[float] = []
    load, began = Load(), time.monotonic()
    while len(at) < runs and (len(at) < LEAST or time.monotonic() - began < seconds):
        at.append(round(time.monotonic() - began, 4))
        for stage, spent in stages.timed().items():
            samples[stage].append(round(spent * 1000, 4))
    return {
        "began": began,
        "ended": time.monotonic(),
        "at_s": at,
        "samples_ms": samples,
        "load": load.end(),
    }


class _Clock:
    """Milliseconds of each part of a start; the kernel's clock is the parent's too."""

    def __init__(self, spawned: float) -> None:
        self._spawned = self._last = spawned
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round((now - self._last) * 1000, 2)
        self._last = now

    def total(self) -> float:
        return round((self._last - self._spawned) * 1000, 2)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
