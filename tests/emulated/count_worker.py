"""Run on an emulated board under the counting plugin: each workload in a region of its own.

``count_worker.py TIMES``: a workload runs once outside, which loads what it needs, then TIMES
times inside. Pixels and gallery are noise: the kernels' work does not depend on them.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator

import numpy as np

from edgeface.artefact import choose_artefact
from edgeface.bundle import Bundle
from edgeface.embed import Embedder
from edgeface.index import CosineIndex
from edgeface.split import open_embedder

MARK = 0x4546  # as count_blocks.c has it
SIDE = 112
ROWS, DIMENSIONS = 10_000, 512
BEST = 5


def workloads() -> Iterator[Callable[[], object]]:
    """What is counted, in the order of `tests.emulated.counts.WORKLOADS`."""
    generator = np.random.default_rng(3)
    crop = generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    bundle = Bundle.open()
    for runtime in ("onnx", "tflite"):
        for variant in ("whole", "split"):
            artefact = choose_artefact(bundle, runtime=runtime, variant=variant)
            embedder = Embedder(artefact, open_embedder(bundle, artefact))
            yield lambda embedder=embedder: embedder.embed(crop)
    rows = generator.standard_normal((ROWS, DIMENSIONS), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    threshold = bundle.threshold()
    index = CosineIndex.build(rows, threshold=threshold)
    stranger = generator.standard_normal(DIMENSIONS, np.float32)
    stranger /= np.linalg.norm(stranger)
    for probe in (rows[ROWS // 2], stranger):
        yield lambda probe=probe: index.search(probe, BEST, threshold=threshold)


def main(times: str) -> None:
    """Run every workload between its marks."""
    prctl = ctypes.CDLL(None).prctl
    gc.disable()  # its turns would depend on all that came before
    for region, work in enumerate(workloads(), start=1):
        work()
        prctl(MARK, region, 0, 0, 0)
        for _ in range(int(times)):
            work()
        prctl(MARK, 0, 0, 0, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
