"""A float network as the NPU compilers want it: ONNX, batch 1, an opset that they know."""

from __future__ import annotations

from pathlib import Path

import onnx

from export.errors import ExportError
from export.source import Source
from export.to_onnx import export_backbone

NEWEST_OPSET = 19  # rknn-toolkit2 2.5 refuses more, and breaks GELU and attention into pieces
STEMS = {"split": "backbone", "whole": "embedder"}


def write_static(source: Source, path: Path, *, variant: str) -> None:
    """Write the network, or its backbone for "split", with the batch fixed at 1.

    Raises
    ------
    ValueError
        This source has no such variant.
    ExportError
        Its opset is newer than the NPU compilers take.
    """
    if variant not in source.variants:
        raise ValueError(
            f"{source.name}: variant {variant!r}, expected one of {', '.join(source.variants)}"
        )
    if variant == "split":
        export_backbone(source.net, path)
    model = onnx.load(str(path if variant == "split" else source.onnx))
    refuse_new_opset(model, name=source.name)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]
    onnx.save(model, str(path))


def refuse_new_opset(model: onnx.ModelProto, *, name: str) -> None:
    """Raise ExportError when the model's opset is beyond what the compilers take."""
    found = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if found > NEWEST_OPSET:
        raise ExportError(
            f"{name}: opset {found}, expected {NEWEST_OPSET} at most: export it again with "
            "opset_version=17 (torch.onnx.export with dynamo=False) or 18"
        )
