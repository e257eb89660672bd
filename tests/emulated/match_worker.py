"""Run on an emulated board: exact search of a gallery against a float64 scan, as JSON.

``match_worker.py ROWS``: ROWS random unit vectors; probes near one of them, and a stranger.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from edgeface import _native
from edgeface.index import CosineIndex

DIMENSIONS = 512
BEST = 5
THRESHOLD = 0.39


def main(rows: str) -> None:
    """Search, compare, print."""
    generator = np.random.default_rng(7)
    gallery = unit(generator.standard_normal((int(rows), DIMENSIONS), np.float32))
    genuine = [int(rows) // 3, int(rows) - 1]
    probes = unit(
        np.vstack([gallery[genuine], np.zeros((1, DIMENSIONS), np.float32)])
        + 0.03 * generator.standard_normal((3, DIMENSIONS), np.float32)
    )
    index = CosineIndex.build(gallery, threshold=THRESHOLD)
    found = [index.search(probe, BEST) for probe in probes]
    scores = probes.astype(np.float64) @ gallery.astype(np.float64).T
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :BEST]
    above = [index.search(probe, BEST, threshold=THRESHOLD)[0].tolist() for probe in probes]
    report = {
        "isa": _native.active_isa(),
        "genuine": genuine,
        "found": [indices.tolist() for indices, _ in found],
        "expected": expected.tolist(),
        "above_threshold": above,
        "largest_error": max(
            float(np.abs(values - scores[i, indices]).max())
            for i, (indices, values) in enumerate(found)
        ),
    }
    print(json.dumps(report))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
