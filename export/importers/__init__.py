"""Embedders that others trained: a user's file in, the `Source` that every converter takes out.

How a network must be fed cannot be read from its file, and a wrong guess costs accuracy without any
error. So preprocessing is given, or known because the kind of network was published with it.
"""

from __future__ import annotations

from pathlib import Path

from export.errors import ExportError
from export.importers import edgeface, facenet, mobilefacenet, onnx_file
from export.importers.known import licence_of
from export.preprocessing import Preprocessing
from export.source import Source

KINDS = {
    "edgeface": edgeface.write_onnx,
    "facenet": facenet.write_onnx,
    "mobilefacenet": mobilefacenet.write_onnx,
    "onnx": onnx_file.write_onnx,
}
"""kind → ``write_onnx(file, path, *, preprocessing, output)`` → `onnx_file.Imported`."""


def load(
    kind: str,
    file: Path,
    *,
    folder: Path,
    preprocessing: Preprocessing | None = None,
    output: str | None = None,
    name: str | None = None,
    licence: str | None = None,
) -> Source:
    """Bring an embedder into ``folder``: ``whole.onnx`` and ``source.json``.

    Parameters
    ----------
    kind : one of `KINDS`.
    file : the user's file: a PyTorch state dict (.pt, .safetensors) or an ONNX file.
    folder : where the source goes; made if need be.
    preprocessing : how the network is fed. Needed for kind "onnx"; for the others, instead of the
        one that the network was published with.
    output : which output is the embedding, of an ONNX file that has several.
    name : name of the model; the file's, without suffix, by default.
    licence : of the weights, an SPDX identifier; by default what is known of this very file (by
        its SHA-256), else "NOASSERTION".

    Raises
    ------
    ValueError
        No such kind.
    ExportError
        The file is missing, damaged, not of this kind, not one image in and one embedding out, not
        finite, or preprocessing is not known. The text says what to do.
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}, expected one of {', '.join(sorted(KINDS))}")
    if not file.is_file():
        raise ExportError(f"{file}: no such file, expected the trained weights of kind {kind}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "whole.onnx"
    made = KINDS[kind](file, path, preprocessing=preprocessing, output=output)
    source = Source(
        name=name or file.stem,
        onnx=path,
        preprocessing=made.preprocessing,
        dim=made.dim,
        licence=licence_of(file, licence),
        notes=made.notes,
    )
    source.save(folder)
    return source
