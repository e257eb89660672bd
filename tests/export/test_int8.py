"""The shipped INT8 networks: near the float checkpoint, and the same on every CPU."""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from edgeface import _native
from edgeface.align import align
from edgeface.bundle import Bundle
from export import faces, selftest_inputs
from export.build.selftest import CANDIDATES
from export.checkpoint import load_checkpoint

CHECKPOINT = Path(__file__).parents[2] / "export" / "checkpoints" / "dsanet_s.pt"


def session(model: bytes, *, exact: bool) -> onnxruntime.InferenceSession:
    """Exact: without graph optimisation each QDQ pair is computed in float, kernel by kernel."""
    options = onnxruntime.SessionOptions()
    if _native.int8_sums_saturate():
        options.add_session_config_entry("session.x64quantprecision", "1")  # as backends/onnx.py
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
    """Nothing saturates: on x86 without VNNI, 16-bit sums would (decision 0002)."""
    inputs = {"image": faces.normalised(crops)}
    fused, exact = (
        unit(session(bundle.read("embedder.onnx"), exact=e).run(None, inputs)[0]) for e in (0, 1)
    )
    assert (fused * exact).sum(1).min() > 0.98  # 0.990 here


@pytest.mark.skipif(platform.machine() != "x86_64", reason="emulates an x86 CPU on this one")
def test_the_backbone_is_the_same_to_the_last_bit_on_x86_without_vnni(bundle, crops, tmp_path):
    if shutil.which("qemu-x86_64") is None:
        assert not os.environ.get("CI"), "missing: apt-get install qemu-user"
        pytest.skip("needs qemu-x86_64: apt-get install qemu-user")
    np.save(tmp_path / "inputs.npy", faces.normalised(crops[:2]))
    script = (
        "import numpy as np; from edgeface.bundle import Bundle\n"
        "from edgeface.backends.onnx import OnnxBackend\n"
        "model = Bundle.open().read('backbone.onnx')\n"
        "(out,) = OnnxBackend(model).run({'image': np.load('inputs.npy')}).values()\n"
        "np.save('NAME.npy', out)"
    )
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_CORETYPE": "Haswell"}
    python = os.path.realpath(sys.executable)
    for name, emulator in (("here", []), ("haswell", ["qemu-x86_64", "-cpu", "Haswell"])):
        command = [*emulator, python, "-c", script.replace("NAME", name)]
        subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=300)
    here, haswell = (np.load(tmp_path / f"{name}.npy") for name in ("here", "haswell"))
    np.testing.assert_array_equal(haswell, here)


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
