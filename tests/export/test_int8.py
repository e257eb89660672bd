"""The shipped INT8 networks: near the float checkpoint, and the same on every CPU."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from edgeface.align import align
from edgeface.bundle import Bundle
from export import faces, selftest_inputs
from export.build.selftest import CANDIDATES
from export.checkpoint import load_checkpoint

CHECKPOINT = Path(__file__).parents[2] / "export" / "checkpoints" / "dsanet_s.pt"


def session(model: bytes, *, exact: bool) -> onnxruntime.InferenceSession:
    """Exact: without graph optimisation each QDQ pair is computed in float, kernel by kernel."""
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_DISABLE_ALL if exact else level.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def bundle():
    return Bundle.open()


@pytest.fixture(scope="module")
def crops(pipeline, astronaut_bgr, grace_hopper_bgr):
    """Real aligned faces, RGB, each also mirrored and dark: (6, 112, 112, 3) uint8."""
    cut = [
        align(photo, pipeline.largest_face(photo).landmarks)[:, :, ::-1]
        for photo in (astronaut_bgr, grace_hopper_bgr)
    ]
    views = [(c, c[:, ::-1], (c * 0.5).astype(np.uint8)) for c in cut]
    return np.stack([view for three in views for view in three])


def test_the_embedder_agrees_with_its_float_checkpoint(bundle, crops):
    model = session(bundle.read("embedder.onnx"), exact=False)
    found = unit(model.run(None, {"image": faces.normalised(crops)})[0])
    with torch.inference_mode():
        wanted = unit(
            load_checkpoint(CHECKPOINT)(torch.from_numpy(faces.normalised(crops))).numpy()
        )
    assert (found * wanted).sum(1).min() > 0.95


def test_fused_integer_kernels_compute_what_the_file_says(bundle, crops):
    """8-bit weights fail here on x86 without VNNI: its 16-bit sums saturate (decision 0002)."""
    inputs = {"image": faces.normalised(crops)}
    fused, exact = (
        unit(session(bundle.read("embedder.onnx"), exact=e).run(None, inputs)[0]) for e in (0, 1)
    )
    assert (fused * exact).sum(1).min() > 0.98  # 0.990 here; 0.77 with 8-bit weights


def test_the_detectors_integer_kernels_compute_what_the_file_says(bundle):
    stage = bundle.stage("detector")
    scene = selftest_inputs.picture(256, 320, seed=7)
    inputs = {stage["input"]["name"]: selftest_inputs.normalised(stage, [scene])}
    fused, exact = (
        session(bundle.read("detector.onnx"), exact=e).run(stage["outputs"], inputs) for e in (0, 1)
    )
    for name, a, b in zip(stage["outputs"], fused, exact):
        error = np.linalg.norm(a - b) / np.linalg.norm(b)
        assert error < 0.1, name


def test_selftest_vectors_hold_no_photo_and_two_different_inputs(bundle):
    made = [selftest_inputs.picture(112, 112, seed=seed) for seed in range(CANDIDATES)]
    synthetic = selftest_inputs.normalised(bundle.stage("embedder"), made)
    first, second = bundle.selftest_vectors()["embedder_input"]
    assert (synthetic == first).all((1, 2, 3)).any() and (synthetic == second).all((1, 2, 3)).any()
    assert not np.array_equal(first, second)
    assert io.BytesIO(bundle.read("selftest.npz")).getbuffer().nbytes < 1_500_000
