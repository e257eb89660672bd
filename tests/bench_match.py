"""Times the native search against NumPy in one process, both on one thread: ``make bench``.

NumPy's is matmul, argpartition and a sort of the k best: what one would write without us.
"""

from __future__ import annotations

import os

# Before NumPy is imported: the native search uses one thread, so its peer gets one.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import statistics
import time
from collections.abc import Callable

import numpy as np

from edgeface import _native

DIM = 512
TOP = 5
SECONDS_A_SIDE = 1.0


def numpy_topk(gallery: np.ndarray, probe: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Best k rows by matrix product and partial sort."""
    scores = gallery @ probe
    best = np.argpartition(-scores, k - 1)[:k]
    best = best[np.argsort(-scores[best], kind="stable")]
    return best, scores[best]


def milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def medians(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Median times of two calls run in turn, so that a busy machine slows both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    ours(), theirs()
    deadline = time.perf_counter() + 2 * SECONDS_A_SIDE
    while time.perf_counter() < deadline or len(times[0]) < 5:
        for which, call in enumerate((ours, theirs)):
            times[which].append(milliseconds(call))
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    """Print one line for each size of gallery."""
    random = np.random.default_rng(0)
    print(f"isa {_native.active_isa()}, D={DIM}, k={TOP}, one probe, one thread, median")
    print(f"{'N':>8} {'native ms':>10} {'GB/s':>6} {'numpy ms':>10} {'ratio':>6}")
    for rows in (1_000, 10_000, 100_000):
        gallery = random.standard_normal((rows, DIM), dtype=np.float32)
        gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
        probe = gallery[rows // 2].copy()
        assert (
            _native.cosine_topk(gallery, probe, TOP)[0] == numpy_topk(gallery, probe, TOP)[0]
        ).all()
        ours, theirs = medians(
            lambda g=gallery, p=probe: _native.cosine_topk(g, p, TOP),
            lambda g=gallery, p=probe: numpy_topk(g, p, TOP),
        )
        rate = gallery.nbytes / ours / 1e6
        print(f"{rows:>8} {ours:>10.3f} {rate:>6.1f} {theirs:>10.3f} {theirs / ours:>6.2f}")


if __name__ == "__main__":
    main()
