"""NumPy twins of the native kernels: the tests' oracle, and the place to read what they do.

Same names, arguments and results as ``edgeface._native``, without its checks of types.
"""

from __future__ import annotations

import numpy as np

__all__ = ["cosine_topk", "cosine_topk_batch", "dot_f32"]


def dot_f32(a: np.ndarray, b: np.ndarray) -> float:
    """Dot product of two (D,) float32 vectors, summed in double."""
    return float(np.float32(a.astype(np.float64) @ b.astype(np.float64)))


def cosine_topk(gallery: np.ndarray, probe: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Best k rows of a gallery for one probe.

    gallery: (N, D) float32 unit L2 rows. probe: (D,) float32 unit L2. k: at least 1.
    Returns (indices (m,) int64, scores (m,) float32 cosine), m = min(k, N), best first;
    equal scores by lower index. ValueError when a value is NaN or infinite.
    """
    indices, scores = cosine_topk_batch(gallery, probe[np.newaxis], k)
    return indices[0], scores[0]


def cosine_topk_batch(
    gallery: np.ndarray, probes: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """``cosine_topk`` for each row of probes (Q, D): (indices (Q, m), scores (Q, m))."""
    if k < 1:
        raise ValueError(f"k is {k}; expected at least 1")
    if not (np.isfinite(gallery).all() and np.isfinite(probes).all()):
        raise ValueError("NaN or infinity; expected unit L2 vectors")
    scores = (probes.astype(np.float64) @ gallery.T.astype(np.float64)).astype(np.float32)
    # A stable sort of the negated scores keeps the lower index first among equals.
    indices = np.argsort(-scores, axis=1, kind="stable")[:, : min(k, len(gallery))]
    return indices.astype(np.int64), np.take_along_axis(scores, indices, axis=1)
