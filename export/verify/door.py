"""An artefact run by a door's own code, from BGR crops: manifest entry, backend, native head."""

from __future__ import annotations

import numpy as np

from edgeface import artefact as door
from edgeface.backends import Backend, open_backend
from edgeface.embed import Embedder
from edgeface.errors import BackendUnavailableError, InferenceError
from edgeface.split import SplitBackend
from export.source import OUTPUT, Source
from export.verify.embed import Candidate, open_head, unit_rows

FORMATS = ("onnx", "tflite")
"""What edgeface runs on this machine; the others need their board."""

CROP = 112  # what a door's alignment gives


def open_door(candidate: Candidate, *, source: Source, threads: int = 1) -> Backend:
    """Load an artefact as a door does, with its head if it is split.

    Raises
    ------
    BackendError
        The runtime is not installed, or refused the file.
    """
    artefact = candidate.artefact
    model = candidate.file.read_bytes()
    stage = {"format": artefact.format}
    backend = open_backend(stage, model, threads=threads, name=candidate.title)
    if candidate.head is None:
        return backend
    return SplitBackend(
        backend,
        open_head(source, candidate.head),
        feature=artefact.outputs[0],
        embedding=OUTPUT,
        channels_last=artefact.output_layout == "NHWC",
    )


def door_embedder(candidate: Candidate, backend: Backend, *, source: Source) -> Embedder:
    """Return the door's embedder: it feeds the backend as the artefact's manifest entry says."""
    own = candidate.artefact
    entry = door.Artefact(
        runtime=own.format,
        variant=own.variant,
        precision=own.precision,
        file=own.file,
        input=own.input,
        output=own.outputs[0],
        channels_last=own.output_layout == "NHWC",
        embedding=own.outputs[0] if candidate.head is None else OUTPUT,
        dim=source.dim,
        selftest="",
    )
    return Embedder(entry, backend)


def door_agreement(
    candidate: Candidate, crops: np.ndarray, *, source: Source, found: np.ndarray
) -> float | None:
    """Return the least cosine between a door's embeddings and those that were measured.

    Parameters
    ----------
    crops : RGB uint8 (N, 112, 112, 3).
    found : (N, dim) unit embeddings of the same crops, from `export.verify.embed.embed`.

    Returns
    -------
    float or None
        NaN where the door refuses the result; None where no door of this machine runs the file.
    """
    artefact = candidate.artefact
    if artefact.format not in FORMATS or artefact.input["height"] != CROP:
        return None
    if artefact.input["dtype"] != "float32":
        return None  # edgeface feeds float32 to these two
    try:
        with open_door(candidate, source=source) as backend:
            embedder = door_embedder(candidate, backend, source=source)
            seen = embedder.embed_batch(np.ascontiguousarray(crops[..., ::-1]))
    except BackendUnavailableError:
        return None
    except InferenceError:
        return float("nan")
    return float((unit_rows(seen) * found).sum(axis=1).min())
