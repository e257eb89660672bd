"""The trained attention head on edgeface, PyTorch and ONNX Runtime, as contenders.

Every peer computes the embedding without its L2 normalisation, ours with it. ``build`` takes a
`HeadCase`, ``search`` a feature map batch (N, 100, 7, 7) float32.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from edgeface import _native
from export.dsanet import AttentionBlock, DsaNetConfig, Head
from export.quantise import quantise
from export.to_onnx import OPSET, OUTPUT
from tests.bench.contender import Contender

INPUT = "feature"
LEVELS = ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


@dataclass(frozen=True)
class HeadCase:
    """A head in evaluation mode, feature maps to calibrate on, and a folder for ONNX files."""

    config: DsaNetConfig
    head: Head
    calibration: np.ndarray
    folder: Path


class FusedAttention(AttentionBlock):
    """The same block by PyTorch's own fused attention."""

    def attend(self, x: Tensor) -> Tensor:
        """Self-attention of (N, T, D) tokens."""
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))


def ours() -> list[Contender]:
    """Our head in both precisions on every ISA of this CPU, the active one first."""
    isas = sorted(_native.supported_isas(), key=lambda isa: isa != _native.active_isa())

    def contender(precision: str, isa: str) -> Contender:
        def build(case: HeadCase):
            weights = {name: value.numpy() for name, value in case.head.state_dict().items()}
            return _native.AttentionHead(
                weights, heads=case.config.heads, precision=precision, isa=isa
            )

        name = f"edgeface {precision} {isa}"
        return Contender(name, precision, build, lambda head, x: head.embed(x), ours=True)

    return [contender(precision, isa) for isa in isas for precision in ("float32", "int8")]


def peers(threads: int) -> list[Contender]:
    """PyTorch and ONNX Runtime in every way that may be its best."""

    def onnx(name: str, precision: str, make: Callable, level: str = LEVELS[-1]) -> Contender:
        def build(case: HeadCase) -> onnxruntime.InferenceSession:
            return _session(make(case), level, threads)

        return Contender(
            name, precision, build, lambda session, x: session.run(None, {INPUT: x})[0]
        )

    return [
        Contender("torch Head", "float32", lambda case: case.head, _run_torch),
        Contender("torch scaled_dot_product_attention", "float32", _fused, _run_torch),
        *(onnx(f"onnxruntime {level}", "float32", float_file, level) for level in LEVELS),
        onnx("onnxruntime.transformers optimizer", "float32", optimised_file),
        onnx("onnxruntime static QDQ", "int8", static_file),
        onnx("onnxruntime dynamic", "int8", dynamic_file),
    ]


def _run_torch(head: nn.Module, features: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return head(torch.from_numpy(features)).numpy()


def _fused(case: HeadCase) -> Head:
    head = copy.deepcopy(case.head)
    for block in head.blocks:
        block.__class__ = FusedAttention  # same parameters, another way to attend
    return head


def _session(file: Path, level: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def float_file(case: HeadCase) -> Path:
    """The head as float ONNX with a free batch size."""
    file = case.folder / "head.onnx"
    if not file.exists():
        torch.onnx.export(
            case.head,
            (torch.from_numpy(case.calibration[:1]),),
            str(file),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )
    return file


def optimised_file(case: HeadCase) -> Path:
    """The float file after ONNX Runtime's transformer fusions.

    ``opt_level=0`` fuses the tanh-GELU alone; with the levels above it, which fuse LayerNorm with
    the addition before it too, the head was a fifth slower.
    """
    from onnxruntime.transformers.optimizer import optimize_model

    file = case.folder / "optimised.onnx"
    model = optimize_model(
        str(float_file(case)),
        model_type="bert",
        num_heads=case.config.heads,
        hidden_size=case.config.head_dim,
        opt_level=0,
    )
    model.save_model_to_file(str(file))
    return file


def static_file(case: HeadCase) -> Path:
    """The float file in INT8 as bundles have it: ranges measured beforehand."""
    file = case.folder / "static.onnx"
    batches = np.split(case.calibration, len(case.calibration) // 8)
    quantise(float_file(case), target=file, batches=batches)
    return file


def dynamic_file(case: HeadCase) -> Path:
    """The float file with INT8 weights and activations quantised at run time, as ours are."""
    file = case.folder / "dynamic.onnx"
    quantize_dynamic(
        str(float_file(case)), str(file), weight_type=QuantType.QInt8, per_channel=True
    )
    return file
