"""Learning the 4-bit sketch: which directions of a gallery to keep, and how many.

The directions are the eigenvectors of the gallery's second moment matrix with the largest
eigenvalues: of all bases of that size they leave the least energy out (Eckart and Young 1936), and
what is left out is what the bound on a cosine has to allow for.
"""

from __future__ import annotations

import numpy as np

from edgeface.index_arrays import Sketch, code_block_bytes, sketch_block_bytes

LEAST_ROWS = 4096
"""Fewer are read at once in INT8 sooner than a probe is turned into the sketch's basis."""

SAMPLE_ROWS = 20_000
TRIAL_ROWS, TRIAL_PROBES = 2000, 100
DIMS = (64, 96, 128, 160, 192, 256, 384, 512)

CLIP_SIGMAS = 2.4
"""Half the range of the 16 codes, in standard deviations of a dimension: the least mean error of
the values tried (2, 2.4, 2.8, 3.2) on FairFace embeddings."""

FAR_READ_COST = 7.0
"""What a byte of a row that lies alone costs, in bytes read in a row: 0.5 µs for 2 kB against 29
GB/s on an EPYC 9004, 1 M rows."""

BELOW_ONE = 1.0 - 1e-6  # keeps the largest singular value below 1 after rounding to float32


def learn_sketch(rows: np.ndarray, *, threshold: float) -> Sketch | None:
    """Choose the sketch that reads least at a threshold.

    Parameters
    ----------
    rows : (N, D) float32 ndarray
        The gallery, unit rows.
    threshold : float
        The least cosine that will be asked for.

    Returns
    -------
    Sketch or None
        None when there are too few rows, or nothing is saved over scanning INT8 codes.
    """
    dims = [d for d in DIMS if d <= rows.shape[1]]
    if len(rows) < LEAST_ROWS or not dims:
        return None
    random = np.random.default_rng(0)
    chosen = random.choice(len(rows), min(len(rows), SAMPLE_ROWS), replace=False)  # nosec B311  # no secret
    sample = rows[chosen]
    if not np.isfinite(sample).all():
        return None  # values that are not finite are named, by row, where they are encoded
    basis = _principal_directions(sample)
    trial = sample[:TRIAL_ROWS] @ basis.T
    sketches = [_sketch(basis, trial, count) for count in dims]
    costs = [_bytes_a_row(s, trial, threshold=threshold, dim=rows.shape[1]) for s in sketches]
    best = int(np.argmin(costs))
    return sketches[best] if costs[best] < code_block_bytes(rows.shape[1]) / 16 else None


def _principal_directions(sample: np.ndarray) -> np.ndarray:
    exact = sample.astype(np.float64)
    _, vectors = np.linalg.eigh(exact.T @ exact)
    return np.ascontiguousarray((vectors[:, ::-1].T * BELOW_ONE).astype(np.float32))


def _sketch(basis: np.ndarray, trial: np.ndarray, dims: int) -> Sketch:
    sigmas = np.sqrt(np.mean(trial[:, :dims] ** 2, axis=0))
    steps = np.maximum(sigmas * (CLIP_SIGMAS / 7.5), 1e-6).astype(np.float32)
    return Sketch(basis[:dims].copy(), steps)


def _bytes_a_row(sketch: Sketch, trial: np.ndarray, *, threshold: float, dim: int) -> float:
    """Expected bytes read for a row, with the trial's own rows as probes (each but itself)."""
    dims = len(sketch.steps)
    codes = np.clip(np.floor(trial[:, :dims] / sketch.steps), -8, 7) + 0.5
    decoded = codes * sketch.steps
    errors = np.linalg.norm(trial[:, :dims] - decoded, axis=1)
    left_out = np.linalg.norm(trial[:, dims:], axis=1)
    probes, probes_left_out = trial[:TRIAL_PROBES], left_out[:TRIAL_PROBES]
    bounds = probes[:, :dims] @ decoded.T + errors + probes_left_out[:, np.newaxis] * left_out
    np.fill_diagonal(bounds, -1.0)
    survivors = float((bounds >= threshold).mean())
    return sketch_block_bytes(dims) / 16 + survivors * dim * 4 * FAR_READ_COST
