"""Self-test: a machine or a bundle that computes something else does not start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeface.bundle import Bundle
from edgeface.errors import BundleFormatError, BundleIntegrityError
from edgeface.pipeline import Pipeline
from tests import bundles, networks


def _rebuilt(bundle: Bundle, path: Path, *, vectors: dict, **models: bytes) -> Path:
    """The default bundle with other self-test vectors or other models."""
    files = {bundle.stage(stage)["file"]: model for stage, model in models.items()}
    return bundles.rebuilt(bundle, path, members={"selftest.npz": bundles.npz(vectors), **files})


@pytest.fixture
def vectors(pipeline: Pipeline) -> dict[str, np.ndarray]:
    return pipeline.bundle.selftest_vectors()


def _open_whole(path: Path) -> Pipeline:
    return Pipeline.open(path, variant="whole")


def test_shipped_bundle_passes_with_room_to_spare(pipeline: Pipeline) -> None:
    assert pipeline.selftest.embedding_cosine > 0.995
    assert pipeline.selftest.different_inputs_cosine < 0.9
    assert pipeline.selftest.detector_error < 0.1


def test_drifted_embedder_is_refused(pipeline: Pipeline, vectors: dict, tmp_path: Path) -> None:
    drift = np.random.default_rng(0).standard_normal(vectors["embedder_output"].shape)
    scale = np.abs(vectors["embedder_output"]).mean()
    vectors["embedder_output"] = (vectors["embedder_output"] + scale * drift).astype(np.float32)
    with pytest.raises(BundleIntegrityError, match="embedding cosine"):
        _open_whole(_rebuilt(pipeline.bundle, tmp_path / "b.efb", vectors=vectors))


def test_drifted_detector_is_refused(pipeline: Pipeline, vectors: dict, tmp_path: Path) -> None:
    output = pipeline.bundle.stage("detector")["outputs"][-1]
    vectors[f"detector_{output}"] = vectors[f"detector_{output}"] * 1.4
    with pytest.raises(BundleIntegrityError, match=f"'{output}' is off by"):
        Pipeline.open(_rebuilt(pipeline.bundle, tmp_path / "b.efb", vectors=vectors))


def test_embedder_to_which_all_faces_are_one_is_refused(
    pipeline: Pipeline, vectors: dict, tmp_path: Path
) -> None:
    same = np.linspace(-1, 1, 512, dtype=np.float32)
    vectors["embedder_output"] = np.stack([same, same])
    collapsed = networks.constant_embedding(same)
    path = _rebuilt(pipeline.bundle, tmp_path / "b.efb", vectors=vectors, embedder=collapsed)
    with pytest.raises(BundleIntegrityError, match="everyone would be the same person"):
        _open_whole(path)


def test_split_variant_is_held_to_vectors_of_its_own(
    pipeline: Pipeline, vectors: dict, tmp_path: Path
) -> None:
    drift = np.random.default_rng(0).standard_normal(vectors["embedder_split_output"].shape)
    vectors["embedder_split_output"] += (
        np.float32(np.abs(vectors["embedder_output"]).mean()) * drift
    )
    path = _rebuilt(pipeline.bundle, tmp_path / "b.efb", vectors=vectors)
    _open_whole(path).close()
    with pytest.raises(BundleIntegrityError, match="embedding cosine"):
        Pipeline.open(path, variant="split")


@pytest.mark.parametrize("key", ["embedder_input", "embedder_output", "detector_input"])
def test_missing_vector_is_named(
    pipeline: Pipeline, vectors: dict, tmp_path: Path, key: str
) -> None:
    del vectors[key]
    with pytest.raises(BundleFormatError, match=key):
        _open_whole(_rebuilt(pipeline.bundle, tmp_path / "b.efb", vectors=vectors))


def test_single_vector_cannot_show_a_collapse(
    pipeline: Pipeline, vectors: dict, tmp_path: Path
) -> None:
    for key in ("embedder_input", "embedder_output"):
        vectors[key] = vectors[key][:1]
    with pytest.raises(BundleFormatError, match="two or more"):
        Pipeline.open(_rebuilt(pipeline.bundle, tmp_path / "b.efb", vectors=vectors))
