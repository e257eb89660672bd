"""A bundle's self-test vectors: synthetic pictures, and what each of its networks makes of them."""

from __future__ import annotations

import numpy as np
import onnxruntime

from export import selftest_inputs
from export.preprocessing import Preprocessing

DETECTOR_TEST_SIZE = (160, 192)
CANDIDATES = 24  # pictures, of which the self-test keeps two


def detector_vectors(stage: dict, model: bytes) -> dict[str, np.ndarray]:
    """Return the detector's input and, by ``detector_<output>``, its outputs."""
    scene = selftest_inputs.picture(*DETECTOR_TEST_SIZE, seed=0)
    inputs = selftest_inputs.normalised(stage, [scene])
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    maps = session.run(stage["outputs"], {stage["input"]["name"]: inputs})
    named = {f"detector_{name}": values for name, values in zip(stage["outputs"], maps)}
    return {"detector_input": inputs, **named}


def candidate_inputs(preprocessing: Preprocessing) -> np.ndarray:
    """Return the inputs (24, 3, S, S) float32 from which an embedder's two are chosen."""
    side = preprocessing.size
    pictures = [selftest_inputs.picture(side, side, seed=seed) for seed in range(CANDIDATES)]
    return preprocessing.apply(np.stack(pictures))


def most_different(embeddings: np.ndarray) -> list[int]:
    """Return the two rows of lowest cosine: pictures without a face look much alike to it."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return [int(i) for i in np.unravel_index((unit @ unit.T).argmin(), (len(unit), len(unit)))]
