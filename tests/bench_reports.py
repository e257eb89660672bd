"""Reports for tests: made by a real run, then changed where a test needs other times."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.artefact import artefacts
from edgeface.bench.configuration import Configuration
from edgeface.bench.figures import percentiles
from edgeface.bench.processes import Plan
from edgeface.bench.run import measure
from edgeface.bundle import Bundle
from tests.bundles import npz, rebuilt

QUICK = Plan(processes=1, runs=4, seconds=1)


def measured(bundle: Bundle, *files: str, kind: str = "sweep", plan: Plan = QUICK) -> dict:
    """Really measure these files of a bundle on one thread."""
    there = {one.file: one for one in artefacts(bundle)}
    return measure(kind, bundle, [Configuration(there[name], 1) for name in files], plan)


def with_times(report: dict, number: int, medians_ms: Sequence[float], **fields: Any) -> dict:
    """Return a copy of a report whose configuration `number` took these times, a process each."""
    changed = copy.deepcopy(report)
    one = changed["configurations"][number]
    times = [float(value) for value in medians_ms]
    one["medians_ms"] = {"together": times}
    one["samples_ms"]["together"] = times
    one["rows"]["together"] = percentiles(np.array(times) / 1000)
    one["processes"] = len(times)
    one.update(fields)
    return changed


def damaged_head(bundle: Bundle, path: Path) -> Bundle:
    """Write a bundle whose native head has rows of its largest matrix changed places."""
    spec = bundle.stage("embedder")["split"]["head"]
    weights = bundle.arrays(spec["file"])
    name = max(weights, key=lambda key: weights[key].size)
    weights[name] = np.roll(weights[name], 1, axis=0)
    return Bundle.open(rebuilt(bundle, path, members={spec["file"]: npz(weights)}))
