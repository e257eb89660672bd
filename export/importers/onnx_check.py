"""Numerical checks of an imported graph, on synthetic pictures: no photo of anybody is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from export import selftest_inputs
from export.errors import ExportError
from export.faces import CROP
from export.importers.onnx_graph import RUNTIME_REFUSES, input_layout, open_session
from export.preprocessing import Preprocessing

PICTURES = 3
DIMS = (16, 4096)
TOLERANCE = 1e-3
"""Largest difference to the user's file, of the embedding's length: folding changes roundings."""
SAME = 0.99999
"""Cosine from which embeddings of different pictures count as one."""
UNIT_TOLERANCE = 1e-3


def check(
    model: onnx.ModelProto, original: onnx.ModelProto, *, preprocessing: Preprocessing, file: Path
) -> tuple[int, list[str]]:
    """Prove that an imported graph is an embedder, and the same one as the user's file.

    Returns
    -------
    dim, notes : length of the embedding, and what to know of it.

    Raises
    ------
    ExportError
        Weights with NaN, embeddings that are not finite, not one row of a sane length per picture,
        the same for all pictures, or other than the user's file gives.
    """
    refuse_broken_weights(model, file=file)
    crops = [selftest_inputs.picture(CROP, CROP, seed=seed) for seed in range(PICTURES)]
    inputs = preprocessing.apply(np.stack(crops))
    found = run(model, inputs, file=file)
    if found.ndim != 2 or len(found) != PICTURES or not DIMS[0] <= found.shape[1] <= DIMS[1]:
        raise ExportError(
            f"{file}: {PICTURES} pictures give {found.shape}, expected ({PICTURES}, dim) with dim "
            f"of {DIMS[0]} to {DIMS[1]}: choose the embedding, --output NAME, or export it so"
        )
    if not np.isfinite(found).all() or not np.abs(found).sum(1).all():
        raise ExportError(
            f"{file}: embeddings with NaN, infinity or nothing but zeros for ordinary pictures: "
            "the weights are damaged or the preprocessing is another's"
        )
    refuse_blind(found, file=file)
    notes = refuse_changed(found, one_by_one(original, inputs, file=file), file=file)
    return found.shape[1], notes


def refuse_broken_weights(model: onnx.ModelProto, *, file: Path) -> None:
    """Refuse weights with NaN; infinity may be a mask."""
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise ExportError(f"{file}: weight {tensor.name} has NaN: the file is damaged")


def refuse_blind(embeddings: np.ndarray, *, file: Path) -> None:
    """Refuse a network that gives the same whatever it sees."""
    rows = unit(embeddings)
    cosine = (rows @ rows.T)[np.triu_indices(len(rows), 1)].min()
    if cosine > SAME:
        raise ExportError(
            f"{file}: different pictures give the same embedding (cosine {cosine:.6f}): the "
            "network does not look at its input; is this output the embedding, and trained?"
        )


def refuse_changed(found: np.ndarray, wanted: np.ndarray, *, file: Path) -> list[str]:
    """Refuse a graph that no longer computes what the file did, its length apart."""
    lengths = np.linalg.norm(wanted, axis=1)
    worst = np.abs(unit(found) - unit(wanted)).max()
    if not worst < TOLERANCE:
        raise ExportError(
            f"{file}: after import it computes something else (off by {worst:.2g}). If its batch "
            "size is fixed, export it with a free one; else with opset 17"
        )
    unit_inside = np.abs(np.linalg.norm(found, axis=1) - 1).max() < UNIT_TOLERANCE
    if unit_inside and np.abs(lengths - 1).max() < UNIT_TOLERANCE:
        return ["embeddings have length 1: an L2 norm of unknown form is left inside the graph"]
    return []


def one_by_one(original: onnx.ModelProto, inputs: np.ndarray, *, file: Path) -> np.ndarray:
    """Return the user's network's (N, dim) for NCHW inputs, fed as it wants to be."""
    image = original.graph.input[0]
    if input_layout(image, size=inputs.shape[2], file=file) == "NHWC":
        inputs = inputs.transpose(0, 2, 3, 1)
    batch = image.type.tensor_type.shape.dim[0].dim_value or 1
    session = open_session(original, file=file)
    rows = [
        session.run(None, {image.name: np.ascontiguousarray(np.repeat(one[None], batch, 0))})[0][:1]
        for one in inputs
    ]
    return np.concatenate(rows).reshape(len(inputs), -1)


def run(model: onnx.ModelProto, inputs: np.ndarray, *, file: Path) -> np.ndarray:
    """Return the imported network's output for all inputs at once.

    Raises
    ------
    ExportError
        It does not take that many at once.
    """
    session = open_session(model, file=file)
    try:
        return session.run(None, {model.graph.input[0].name: inputs})[0]
    except RUNTIME_REFUSES as error:
        raise ExportError(
            f"{file}: its batch size is built into the graph and could not be freed ({error}): "
            "export it with a free batch size"
        ) from error


def unit(rows: np.ndarray) -> np.ndarray:
    """Return the rows at length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
