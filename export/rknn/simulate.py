"""Run an .rknn artefact without a board, on the toolkit's simulator of the NPU.

The simulator takes only what was built in the same process, so the artefact is built again from
its ``<stem>.build`` folder. Two builds give bit-identical outputs, but not bit-identical files:
the compiler leaves uninitialised memory in them. Whether silicon agrees with it bit for bit is
not documented.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from export.artefact import Artefact
from export.errors import ExportError
from export.rknn.convert import BUILT, pixels
from export.rknn.header import read_header
from export.rknn.toolkit import run_job

INPUTS, OUTPUTS = "inputs.npy", "outputs.npy"


def run(
    artefact: Artefact, folder: Path, inputs: np.ndarray, *, environment: Path | None = None
) -> np.ndarray:
    """Simulate the artefact on inputs (N, 3, S, S) float32, as its Preprocessing.apply gives them.

    Returns
    -------
    ndarray
        float32, dequantised: (N, dim) for "whole", (N, C, H, W) for "split". Some 15 to 250 ms an
        image.

    Raises
    ------
    ValueError
        The inputs were not made with the artefact's mean and std.
    ExportError
        The build folder is missing or not the one that the artefact was built from, or the toolkit
        failed.
    """
    build = folder / artefact.details["build"]
    _check_build(artefact, build)
    job = {**artefact.details["job"], "inputs": INPUTS, "outputs": OUTPUTS}
    np.save(build / INPUTS, pixels(inputs, mean=job["mean"], std=job["std"]))
    try:
        run_job(job, folder=build, name="simulate", environment=environment)
        _check_same(folder / artefact.file, build / BUILT)
        return np.load(build / OUTPUTS)
    finally:
        for name in (INPUTS, OUTPUTS, BUILT):
            (build / name).unlink(missing_ok=True)


def _check_build(artefact: Artefact, build: Path) -> None:
    for name, digest in artefact.details["files"].items():
        path = build / name
        if not path.exists():
            raise ExportError(f"{path} is missing, and the simulator builds from it: convert again")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ExportError(
                f"{path} is not the file that {artefact.file} was built from: convert again"
            )


def _check_same(shipped: Path, rebuilt: Path) -> None:
    """Hold the rebuilt file to the shipped one: same length, same description."""
    one, other = shipped.read_bytes(), rebuilt.read_bytes()
    if len(one) != len(other) or read_header(one) != read_header(other):
        raise ExportError(
            f"{shipped}: building it again gave {len(other)} bytes, expected these {len(one)} with "
            "the same description: it was not built from this folder, or by another toolkit; "
            "convert again"
        )
