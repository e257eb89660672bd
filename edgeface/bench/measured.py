"""From what the processes of a configuration answered to its entry in a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from statistics import median
from typing import Any

import numpy as np

from edgeface.bench.configuration import Configuration
from edgeface.bench.figures import percentiles
from edgeface.bench.stages import TOGETHER
from edgeface.bench.timeline import Timeline

KEPT_SAMPLES = 2000
"""Times of a stage that a report keeps, evenly chosen; its figures are of all of them."""

_LEAST_S = 0.2  # the kernel counts CPU time in hundredths: less says nothing about others


def entry(
    configuration: Configuration, outcomes: Sequence[Mapping[str, Any]], timeline: Timeline
) -> dict[str, Any]:
    """Return a configuration's figures, or why there are none, as plain JSON values."""
    artefact, last = configuration.artefact, outcomes[-1]
    known = [one["selftest_cosine"] for one in outcomes if "selftest_cosine" in one]
    head = {
        "name": configuration.name,
        "runtime": artefact.runtime,
        "variant": artefact.variant,
        "precision": artefact.precision,
        "file": artefact.file,
        "threads": configuration.threads,
        "place": configuration.place.name,
        "cpus": None if configuration.place.cpus is None else list(configuration.place.cpus),
        "status": last["status"],
        "reason": last.get("reason", ""),
        "selftest_cosine": round(min(known), 5) if known else None,
    }
    return {**head, **_figures(outcomes, timeline)} if last["status"] == "measured" else head


def _figures(outcomes: Sequence[Mapping[str, Any]], timeline: Timeline) -> dict[str, Any]:
    by_stage = {
        stage: [one["samples_ms"][stage] for one in outcomes] for stage in outcomes[0]["samples_ms"]
    }
    pooled = {stage: list(chain(*parts)) for stage, parts in by_stage.items()}
    wall = sum(one["ended"] - one["began"] for one in outcomes)
    runs = len(pooled[TOGETHER])
    return {
        "processes": len(outcomes),
        "runs": runs,
        "rows": {stage: percentiles(np.array(times) / 1000) for stage, times in pooled.items()},
        "medians_ms": {
            stage: [round(median(part), 4) for part in parts] for stage, parts in by_stage.items()
        },
        "samples_ms": {stage: thinned(times) for stage, times in pooled.items()},
        "throughput_per_s": round(runs / wall, 2),
        "cold_start_ms": _medians([one["cold_start_ms"] for one in outcomes]),
        "peak_mb": max(one["peak_mb"] for one in outcomes),
        "energy_mj": _energy(outcomes, timeline, runs),
        "load": _load([one["load"] for one in outcomes if one["load"]]),
    }


def thinned(values: Sequence[float]) -> list[float]:
    """Return every so many of the values, at most `KEPT_SAMPLES`."""
    return list(values[:: -(-len(values) // KEPT_SAMPLES)])


def _medians(readings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = readings[0] if readings else ()
    return {name: round(median(one[name] for one in readings), 3) for name in names}


def _load(readings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """CPUs that others used on average, and that a hypervisor took; empty where nobody knows."""
    wall = sum(one["wall_s"] for one in readings)
    if wall < _LEAST_S:
        return {}
    others, stolen = (sum(one[key] for one in readings) for key in ("others_s", "stolen_s"))
    return {
        "others_cpus": round(max(0.0, others / wall), 3),
        "stolen_cpus": round(stolen / wall, 3),
    }


def _energy(
    outcomes: Sequence[Mapping[str, Any]], timeline: Timeline, runs: int
) -> dict[str, float]:
    """Millijoules a picture by each counter, idle parts included: what the battery pays."""
    spent: dict[str, float] = {}
    for one in outcomes:
        for name, energy in timeline.energy_uj(one["began"], one["ended"]).items():
            spent[name] = spent.get(name, 0.0) + energy
    return {name: round(energy / 1000 / runs, 4) for name, energy in spent.items()}
