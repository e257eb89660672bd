"""A DSA-Net checkpoint as float32 ONNX: opset 17 and IR 8, which every runtime in use loads.

What training needs and inference does not is folded away first: BatchNorm into the depthwise
convolution before it, the residual scale into the projection. The graph has Conv, Relu, Add and
the head's MatMul, Softmax, LayerNormalization and Gelu; the batch size is free.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from export.dsanet import Block, DsaNet

OPSET = 17
INPUT, OUTPUT, FEATURE = "image", "embedding", "feature"


def fold(net: DsaNet) -> DsaNet:
    """Return an evaluation copy with BatchNorm and residual scales folded into weights."""
    net = copy.deepcopy(net).eval()
    for part in net.backbone.segments:
        part[0], part[1] = fuse_conv_bn_eval(part[0], part[1]), nn.Identity()
        for block in (m for m in part if isinstance(m, Block)):
            block.depthwise = fuse_conv_bn_eval(block.depthwise, block.norm)
            block.norm = nn.Identity()
            scale = block.scale.detach().flatten()
            block.project.weight.data *= scale[:, None]
            block.project.bias.data *= scale
            block.scale = None
    return net


def export_float(net: DsaNet, path: Path) -> None:
    """Write the folded network; input (N, 3, 112, 112), output (N, 512), not normalised."""
    _export(fold(net), path, OUTPUT)


def export_backbone(net: DsaNet, path: Path) -> None:
    """Write the folded backbone alone; input (N, 3, 112, 112), output (N, C, 7, 7)."""
    _export(fold(net).backbone, path, FEATURE)


def _export(module: nn.Module, path: Path, output: str) -> None:
    torch.onnx.export(
        module,
        (torch.zeros(1, 3, 112, 112),),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=[output],
        dynamic_axes={INPUT: {0: "batch"}, output: {0: "batch"}},
    )
