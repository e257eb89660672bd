"""Self-test: does this machine compute what the bundle's maker computed?

The bundle carries inputs (synthetic, no faces) and the outputs they gave when it was packed. A
wrong driver or a broken kernel shows here, before any door opens. The inputs are normalised
already: the stage's own colour, mean and std are judged when a bundle is packed, by gates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeface.artefact import Artefact
from edgeface.backends import Backend
from edgeface.bundle import Bundle
from edgeface.errors import BundleFormatError, BundleIntegrityError
from edgeface.liveness import live_scores

MIN_EMBEDDING_COSINE = 0.98
"""Least cosine between an embedding computed here and the packed one.

Sound ways of computing the default INT8 embedder (fused, and layer by layer in float) agree to
0.990; saturating 16-bit sums, the fault to find, only to 0.77 (docs/decisions/0002)."""

MAX_COLLAPSE_COSINE = 0.95
"""Two different inputs must give embeddings less alike than this, or everyone is one person."""

MAX_DETECTOR_ERROR = 0.15
"""Largest relative error of a detector output: norm of the difference over the packed norm."""

MAX_LIVENESS_ERROR = 0.05
"""Largest difference of a live score computed here from the packed one, of 0 to 1."""


@dataclass(frozen=True)
class SelfTest:
    """What was measured; an instance exists only if everything passed.

    Attributes
    ----------
    embedding_cosine
        Least cosine to the packed embeddings, at most 1.
    different_inputs_cosine
        Cosine between the embeddings of the two different inputs.
    detector_error
        Largest relative error over the detector's outputs, at least 0.
    liveness_error
        Largest difference of a live score from the packed one; None where liveness is not open.
    """

    embedding_cosine: float
    different_inputs_cosine: float
    detector_error: float
    liveness_error: float | None = None


def run_selftest(
    bundle: Bundle,
    *,
    detector: Backend,
    embedder: Backend,
    artefact: Artefact,
    liveness: Backend | None = None,
) -> SelfTest:
    """Run the bundle's self-test vectors through its models.

    `embedder` runs `artefact`. Each has embeddings of its own to meet, for the same pictures.
    `liveness` is None where that stage is not used.

    Raises
    ------
    BundleIntegrityError
        An output is not what the bundle promises; the text names which and by how much.
    BundleFormatError
        The vectors are missing or of the wrong shape.
    InferenceError
        A run failed or gave NaN.
    """
    vectors = bundle.selftest_vectors()
    cosine, collapse = _embedder_cosines(bundle, vectors, embedder, artefact)
    _require_embedder(bundle, cosine, collapse)
    error = _detector_error(bundle, vectors, detector)
    live = None if liveness is None else _liveness_error(bundle, vectors, liveness)
    return SelfTest(cosine, collapse, error, live)


def embedder_cosines(
    bundle: Bundle, *, embedder: Backend, artefact: Artefact
) -> tuple[float, float]:
    """Measure an embedder on the self-test's pictures, and judge nothing.

    Returns
    -------
    tuple
        Least cosine to the packed embeddings, and the cosine between the two different inputs'.

    Raises
    ------
    BundleFormatError, InferenceError
        As `run_selftest`.
    """
    return _embedder_cosines(bundle, bundle.selftest_vectors(), embedder, artefact)


def selftest_embeddings(bundle: Bundle, *, embedder: Backend, artefact: Artefact) -> np.ndarray:
    """Return an embedder's embeddings of the self-test's pictures, (N, D) float64 of length 1.

    Raises
    ------
    BundleFormatError, InferenceError
        As `run_selftest`.
    """
    return _embeddings(bundle, bundle.selftest_vectors(), embedder, artefact)


def _embeddings(
    bundle: Bundle, vectors: Mapping[str, np.ndarray], embedder: Backend, artefact: Artefact
) -> np.ndarray:
    given = _embedder_input(bundle, vectors)
    fed = artefact.fed(given, bundle.stage("embedder")["input"])
    found = _outputs(bundle, embedder, {artefact.input["name"]: fed}, (artefact.embedding,))
    return _unit_rows(found[artefact.embedding])


def _embedder_cosines(
    bundle: Bundle, vectors: Mapping[str, np.ndarray], embedder: Backend, artefact: Artefact
) -> tuple[float, float]:
    expected = _vector(vectors, artefact.selftest, bundle)
    found_rows = _embeddings(bundle, vectors, embedder, artefact)
    if found_rows.shape != expected.shape or len(expected) < 2:
        raise BundleFormatError(
            f"{bundle.path}: self-test embeddings have shape {expected.shape}, the model gives "
            f"{found_rows.shape}; expected two or more equal rows. Pack the bundle again"
        )
    cosine = float((found_rows * _unit_rows(expected)).sum(axis=1).min())
    return cosine, float(found_rows[0] @ found_rows[1])


def _require_embedder(bundle: Bundle, cosine: float, collapse: float) -> None:
    if not cosine >= MIN_EMBEDDING_COSINE:
        raise BundleIntegrityError(
            f"{bundle.path}: self-test failed: embedding cosine {cosine:.3f} to the bundle's own "
            f"vectors, expected at least {MIN_EMBEDDING_COSINE}; {_REMEDY}"
        )
    if not collapse < MAX_COLLAPSE_COSINE:
        raise BundleIntegrityError(
            f"{bundle.path}: self-test failed: two different inputs give embeddings of cosine "
            f"{collapse:.3f}, expected below {MAX_COLLAPSE_COSINE} (everyone would be the same "
            f"person); {_REMEDY}"
        )


def _embedder_input(bundle: Bundle, vectors: Mapping[str, np.ndarray]) -> np.ndarray:
    given = _vector(vectors, "embedder_input", bundle)
    spec = bundle.stage("embedder")["input"]
    picture = [spec["height"], spec["width"]]
    picture.insert(0 if spec["layout"] == "NCHW" else 2, 3)
    if given.dtype != np.float32 or given.ndim != 4 or list(given.shape[1:]) != picture:
        raise BundleFormatError(
            f"{bundle.path}: embedder_input of selftest.npz is {given.dtype} {given.shape}, "
            f"expected float32 (N, {', '.join(map(str, picture))}). Pack the bundle again"
        )
    return given


def _detector_error(bundle: Bundle, vectors: Mapping[str, np.ndarray], backend: Backend) -> float:
    stage = bundle.stage("detector")
    inputs = {stage["input"]["name"]: _vector(vectors, "detector_input", bundle)}
    found = _outputs(bundle, backend, inputs, stage["outputs"])
    worst = 0.0
    for output in stage["outputs"]:
        expected = _vector(vectors, f"detector_{output}", bundle)
        error = _relative_error(found[output], expected)
        if not error <= MAX_DETECTOR_ERROR:
            raise BundleIntegrityError(
                f"{bundle.path}: self-test failed: detector output {output!r} is off by "
                f"{error:.3f} of its size, expected at most {MAX_DETECTOR_ERROR}; {_REMEDY}"
            )
        worst = max(worst, error)
    return worst


def _liveness_error(bundle: Bundle, vectors: Mapping[str, np.ndarray], backend: Backend) -> float:
    """The two inputs are a drawn face and the same as an attack; scores and their order count."""
    stage = bundle.stage("liveness")
    output = stage["outputs"][0]
    names = [view["name"] for view in stage["views"]]
    inputs = {name: _vector(vectors, f"liveness_{name}", bundle) for name in names}
    found = _outputs(bundle, backend, inputs, (output,))[output]
    expected = _vector(vectors, "liveness_output", bundle)
    if found.shape != expected.shape or expected.size != 2:
        raise BundleFormatError(
            f"{bundle.path}: self-test live scores have shape {expected.shape}, the model gives "
            f"{found.shape}; expected two of each. Pack the bundle again"
        )
    scores, packed = live_scores(found), live_scores(expected)
    error = float(np.abs(scores - packed).max())
    if not error <= MAX_LIVENESS_ERROR:
        raise BundleIntegrityError(
            f"{bundle.path}: self-test failed: a live score is off by {error:.3f}, at most "
            f"{MAX_LIVENESS_ERROR} is expected; {_REMEDY}"
        )
    if not scores[0] >= stage["threshold"] > scores[1]:
        raise BundleIntegrityError(
            f"{bundle.path}: self-test failed: the live drawing scores {scores[0]:.3f} and the "
            f"attack {scores[1]:.3f} about a threshold of {stage['threshold']}; {_REMEDY}"
        )
    return error


def _outputs(
    bundle: Bundle, backend: Backend, inputs: Mapping[str, np.ndarray], names: Sequence[str]
) -> Mapping[str, np.ndarray]:
    """Run a model whose input and outputs must be named as the manifest says."""
    try:
        found = backend.run(inputs)
    except ValueError as error:
        raise BundleFormatError(
            f"{bundle.path}: a model is not what the manifest says: {error}; pack the bundle again"
        ) from error
    if not set(names) <= set(found):
        raise BundleFormatError(
            f"{bundle.path}: a model gives outputs {sorted(found)}, the manifest names "
            f"{sorted(names)}; pack the bundle again"
        )
    return found


_REMEDY = "reinstall the bundle, and the inference runtime at a version the bundle names"


def _vector(vectors: Mapping[str, np.ndarray], key: str, bundle: Bundle) -> np.ndarray:
    if key not in vectors:
        raise BundleFormatError(
            f"{bundle.path}: selftest.npz has no {key!r}, it holds {sorted(vectors)}; "
            "pack the bundle again"
        )
    if not np.isfinite(vectors[key]).all():
        raise BundleFormatError(
            f"{bundle.path}: selftest.npz has NaN or Inf in {key!r}; pack the bundle again"
        )
    return vectors[key]


def _relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("inf")
    wanted = expected.astype(np.float64)  # a float32's square may be too large for one
    return float(np.linalg.norm(found - wanted) / max(float(np.linalg.norm(wanted)), 1e-6))


def _unit_rows(vectors: np.ndarray) -> np.ndarray:
    rows = vectors.astype(np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
