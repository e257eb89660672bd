"""Artefacts on an emulated 64-bit ARM machine: a door's backends on the runtimes' ARM wheels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from export.preprocessing import Preprocessing
from export.verify.embed import Candidate
from export.verify.machine import ROOT, Machine, call

WORKER = Path(__file__).with_name("arm_worker.py")
RUNTIMES = {"onnx": "onnxruntime", "tflite": "ai-edge-litert"}


def run_artefact(
    candidate: Candidate, crops: np.ndarray, *, machine: Machine, core: str, scratch: Path
) -> np.ndarray:
    """Return an artefact's raw outputs on an emulated core, fed as its manifest entry says.

    Parameters
    ----------
    candidate : an ONNX or TFLite artefact with float32 input.
    crops : RGB uint8 (N, 112, 112, 3).
    machine : from `export.verify.machine.prepare`.
    core : a board's.
    scratch : folder for what goes in and out.

    Returns
    -------
    (N, dim) float32, or (N, C, H, W) float32 feature maps.

    Raises
    ------
    ExportError
        The emulated program failed.
    """
    entry, artefact = candidate.artefact.input, candidate.artefact
    how = Preprocessing(entry["colour"], tuple(entry["mean"]), tuple(entry["std"]), entry["height"])
    values = how.apply(crops)
    if entry["layout"] == "NHWC":
        values = np.ascontiguousarray(values.transpose(0, 2, 3, 1))
    scratch.mkdir(parents=True, exist_ok=True)
    feed, out = scratch.resolve() / "feed.npz", scratch.resolve() / "out.npz"
    np.savez(feed, **{entry["name"]: values})
    worker = [WORKER, artefact.format, candidate.file.resolve(), feed, out]
    call(machine.command(worker, core=core, packages=[ROOT]))
    found = np.load(out)[artefact.outputs[0]]
    channels_last = artefact.output_layout == "NHWC" and found.ndim == 4
    return np.moveaxis(found, -1, 1) if channels_last else found
