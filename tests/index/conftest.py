"""Galleries to search: random, real, and made to be hard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface import _native
from edgeface.index import CosineIndex, Matches

if TYPE_CHECKING:
    from edgeface.pipeline import Pipeline

REAL_FACES = 2200


def unit_rows(rows: int, dim: int = 512, *, seed: int = 0) -> np.ndarray:
    """Random directions."""
    matrix = np.random.default_rng(seed).standard_normal((rows, dim), dtype=np.float32)
    return unit(matrix)


def unit(matrix: np.ndarray) -> np.ndarray:
    """Rows of unit length."""
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)


def full_scan(
    rows: np.ndarray, probe: np.ndarray, k: int, threshold: float | None, isa: str | None = None
) -> Matches:
    """Every row's float32 score by the same kernel: what an index must give, bit for bit."""
    indices, scores = _native.cosine_topk(rows, probe, k, isa=isa)
    keep = scores.astype(np.float64) >= (-np.inf if threshold is None else threshold)
    return Matches(indices[keep], scores[keep])


def assert_same(found: Matches, expected: Matches) -> None:
    """Equal to the last bit, order of ties included."""
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def clustered(rows: int, *, seed: int = 0) -> np.ndarray:
    """Near-duplicates: few directions, each repeated with noise from none to one float step."""
    random = np.random.default_rng(seed)
    centres = unit_rows(20, seed=seed)
    noise = 10.0 ** random.uniform(-8, -1, (rows, 1)) * (random.random((rows, 1)) < 0.8)
    picked = centres[random.integers(20, size=rows)]
    return unit((picked + noise * unit_rows(rows, seed=seed + 1)).astype(np.float32))


@pytest.fixture(scope="session")
def real_rows(data_folder: Path, pipeline: Pipeline) -> np.ndarray:
    """Embeddings of FairFace validation crops and of their mirror images, (4400, 512)."""
    faces = pytest.importorskip("export.faces", reason="pip install -r export/requirements.txt")
    crops = faces.held_out_faces(data_folder, REAL_FACES)[..., ::-1]  # BGR
    both = np.concatenate([crops, crops[:, :, ::-1]])
    return np.concatenate([pipeline.embed_aligned(np.ascontiguousarray(c))[None] for c in both])


@pytest.fixture(scope="session")
def sketched_rows() -> np.ndarray:
    """Rows whose energy lies in few dimensions, so that a sketch is learned from them."""
    random = np.random.default_rng(5)
    values = random.standard_normal((4500, 512), dtype=np.float32)
    rotation = np.linalg.qr(random.standard_normal((512, 512)))[0].astype(np.float32)
    return unit((values * 0.98 ** np.arange(512, dtype=np.float32)) @ rotation)


@pytest.fixture(scope="session")
def sketched(sketched_rows: np.ndarray) -> CosineIndex:
    """An index of them that has a sketch."""
    index = CosineIndex.build(sketched_rows, threshold=0.4)
    assert index.sketch_dims > 0
    return index
