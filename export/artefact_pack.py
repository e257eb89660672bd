"""Add an artefact to a bundle that is being written: its file, its entry, its self-test vectors."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from export.artefact import Artefact
from export.split import packed

NEEDS = "needs"  # of an artefact's details: the oldest runtime that may run it


def add_artefact(
    manifest: dict, files: dict, artefact: Artefact, folder: Path, expected: np.ndarray
) -> None:
    """Add one artefact to a manifest's embedder and to a bundle's members; both are changed.

    Parameters
    ----------
    manifest, files : what `edgeface.bundle.write_bundle` will get; ``selftest.npz`` is among them.
    artefact : with its file in ``folder``.
    expected : (N, dim) float32, the embeddings that it gives for the self-test's inputs: a whole
        one's output, or what the bundle's head makes of a split one's.

    Raises
    ------
    ValueError
        ``expected`` is not one row for each self-test input, or the file is in the bundle already.
    """
    with np.load(io.BytesIO(files["selftest.npz"]), allow_pickle=False) as arrays:
        vectors = dict(arrays)
    stage = manifest["stages"]["embedder"]
    shape = (len(vectors["embedder_input"]), stage["dim"])
    if expected.shape != shape or expected.dtype != np.float32:
        raise ValueError(
            f"{artefact.title}: expected embeddings are {expected.dtype} {expected.shape}, "
            f"they must be float32 {shape}: one for each of the self-test's inputs"
        )
    if artefact.file in files:
        raise ValueError(f"{artefact.title}: {artefact.file} is in the bundle already")
    name = f"embedder_{artefact.title.replace(' ', '_')}_output"
    files["selftest.npz"] = packed({**vectors, name: expected})
    files[artefact.file] = (folder / artefact.file).read_bytes()
    stage.setdefault("artefacts", []).append(_entry(artefact, selftest=name))


def _entry(artefact: Artefact, *, selftest: str) -> dict:
    """Return the manifest's entry."""
    entry = {
        "file": artefact.file,
        "format": artefact.format,
        "precision": artefact.precision,
        "variant": artefact.variant,
        "input": artefact.input,
        "outputs": artefact.outputs,
        "boards": artefact.boards,
        "selftest": selftest,
        "built_with": artefact.built_with,
    }
    if artefact.variant == "split":
        entry["output_layout"] = artefact.output_layout
    for key in ("chip", NEEDS):
        if key in artefact.details:
            entry[key] = artefact.details[key]
    return entry
