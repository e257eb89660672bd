"""Any ONNX embedder in the form of `Source.onnx`, proved to compute what the user's file does."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from torch import nn

from export.errors import ExportError
from export.importers import onnx_check, onnx_graph, onnx_norm
from export.importers.known import required
from export.preprocessing import Preprocessing
from export.source import INPUT, OUTPUT
from export.to_onnx import OPSET


@dataclass(frozen=True)
class Imported:
    """What is known of a network after its ONNX file was written.

    Attributes
    ----------
    preprocessing : how it is fed.
    dim : length of its embedding.
    notes : what was changed on the way, and what to know of it.
    """

    preprocessing: Preprocessing
    dim: int
    notes: tuple[str, ...] = ()

    def noting(self, note: str) -> Imported:
        """The same with one note more."""
        return replace(self, notes=(*self.notes, note))


def write_onnx(
    file: Path, path: Path, *, preprocessing: Preprocessing | None, output: str | None
) -> Imported:
    """Write a user's ONNX file in the form of `Source.onnx`; see `export.importers.load`."""
    known = required(preprocessing, file=file)
    original = onnx_graph.with_one_output(read(file), output, file=file)
    model, notes = onnx_graph.normal_form(original, size=known.size, file=file)
    model, normalises = onnx_norm.without_l2_norm(model)
    if normalises:
        notes.append("the L2 norm at the end was taken off; embeddings are normalised outside")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"{file}: the graph does not check after import: {error}") from error
    dim, more = onnx_check.check(model, original, preprocessing=known, file=file)
    onnx.save(model, str(path))
    return Imported(known, dim, (*notes, *more))


def from_torch(net: nn.Module, path: Path, *, preprocessing: Preprocessing) -> Imported:
    """Write a PyTorch embedder, (N, 3, size, size) → (N, dim), as ONNX."""
    image = torch.zeros(1, 3, preprocessing.size, preprocessing.size)
    raw = path.with_suffix(".export.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of dynamo=False, which is on purpose
        torch.onnx.export(
            net,
            (image,),
            str(raw),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
        )
    try:
        return write_onnx(raw, path, preprocessing=preprocessing, output=None)
    finally:
        raw.unlink()


def read(file: Path) -> onnx.ModelProto:
    """Read an ONNX file, weights beside it included.

    Raises
    ------
    ExportError
        Not an ONNX file, damaged, or without its weights.
    """
    try:
        model = onnx.load(str(file))
    except DecodeError as error:
        raise ExportError(f"{file}: not an ONNX file, or damaged ({error})") from error
    except (OSError, onnx.checker.ValidationError) as error:
        raise ExportError(
            f"{file}: its weights are in another file that cannot be read ({error}); put it beside"
        ) from error
    if not model.graph.node or not model.opset_import:
        raise ExportError(f"{file}: not an ONNX file: it has no graph")
    onnx_graph.lower_ir(model)
    return model
