"""What the T527's int8 will probably cost, computed in ONNX Runtime before anyone has ACUITY.

ACUITY's "pcq" is int8 weights, symmetric, one scale per output channel, and int8 activations, one
scale and zero point per tensor: a published nbg_meta.json of a network quantised that way says
``asymmetric_affine`` of its output. The quantiser's name, perchannel_symmetric_affine, is about
weights only. This is the same rounding, layer by layer, in the form of QDQ nodes; how the chip
rounds inside a layer, and the ranges that ACUITY's own algorithms choose, it cannot know.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
from tqdm import tqdm

from export.artefact import Artefact
from export.presets import PRESETS
from export.quantise import described, quantise
from export.source import INPUT, Source
from export.to_onnx import export_backbone

BATCH = 16
PRESET = PRESETS[
    "integer"
]  # 8-bit weights; uint8 activations with a zero point are int8 ones, shifted


def write_simulation(
    source: Source, path: Path, *, variant: str, calibration: np.ndarray, percentile: float
) -> dict:
    """Write the QDQ model; returns what it does to weights and activations, as plain JSON."""
    whole = len(calibration) // BATCH * BATCH
    inputs = source.preprocessing.apply(calibration[:whole])
    with TemporaryDirectory() as folder:
        model = source.onnx
        if variant == "split":
            model = Path(folder) / "backbone.onnx"
            export_backbone(source.net, model)
        quantise(
            model,
            target=path,
            batches=(inputs[i : i + BATCH] for i in range(0, whole, BATCH)),
            preset=PRESET,
            percentile=percentile,
        )
    return {**described(PRESET), "percentile": percentile}


def run(artefact: Artefact, folder: Path, inputs: np.ndarray) -> np.ndarray:
    """Run the simulation on inputs (N, 3, S, S) float32, as Preprocessing.apply gives them.

    Returns
    -------
    ndarray
        float32: (N, dim) for "whole", (N, C, H, W) for "split".
    """
    options = onnxruntime.SessionOptions()
    # Without optimisation each layer is computed as the file says, on every CPU.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        folder / artefact.details["simulation"], options, providers=["CPUExecutionProvider"]
    )
    starts = tqdm(range(0, len(inputs), BATCH), desc="t527 simulation", delay=2, leave=False)
    return np.concatenate(
        [session.run(None, {INPUT: inputs[start : start + BATCH]})[0] for start in starts]
    )
