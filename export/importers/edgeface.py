"""EdgeFace (George et al. 2023, arXiv:2307.01838): an EdgeNeXt of timm with an embedding.

Its "gamma" variants replace linear layers by two of lower rank; the names in the state dict tell
which, and the shapes which size. Needs timm (export/requirements-importers.txt).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from export.errors import ExportError
from export.importers import onnx_file
from export.importers.known import PREPROCESSINGS
from export.importers.state import fill, missing, read_state
from export.preprocessing import Preprocessing

SIZES = {24: "edgenext_xx_small", 32: "edgenext_x_small", 48: "edgenext_small", 80: "edgenext_base"}
"""Channels of the stem → timm's name."""

FIRST, SECOND = ".linear1.weight", ".linear2.weight"


def write_onnx(
    file: Path, path: Path, *, preprocessing: Preprocessing | None, output: str | None
) -> onnx_file.Imported:
    """Write a checkpoint's network as ONNX; see `export.importers.load`."""
    known = preprocessing or PREPROCESSINGS["edgeface"]
    net = build(read_state(file), file=file)
    return onnx_file.from_torch(net, path, preprocessing=known)


def build(state: dict[str, Tensor], *, file: Path) -> nn.Module:
    """Return the network of a state dict, (N, 3, 112, 112) → (N, dim), in evaluation mode.

    Raises
    ------
    ExportError
        timm is not there, or these are not an EdgeFace's weights.
    """
    low_rank = {key[: -len(FIRST)] for key in state if key.endswith(FIRST)}
    fc = "head.fc" + (SECOND if "head.fc" in low_rank else ".weight")
    stem = state.get("stem.0.weight")
    if stem is None or fc not in state or len(stem) not in SIZES:
        raise ExportError(
            f"{file}: not the weights of kind edgeface: expected stem.0.weight of "
            f"{', '.join(map(str, SIZES))} channels and {fc}, found "
            f"{'no stem.0.weight' if stem is None else tuple(stem.shape)}; names begin "
            f"{', '.join(sorted(state)[:3])}"
        )
    net = create(SIZES[len(stem)], num_classes=len(state[fc]))
    for name in low_rank:
        replace(net, name, rank=len(state[name + FIRST]), bias=f"{name}.linear2.bias" in state)
    fill(net, state, file=file, kind="edgeface")
    net.eval()
    fold_layer_scales(net)
    drop_dead_attention(net)
    return net


class Constant(nn.Module):
    """Gives the same whatever it is fed."""

    def __init__(self, value: Tensor):
        super().__init__()
        self.register_buffer("value", value)

    def forward(self, x: Tensor) -> Tensor:
        return self.value


def drop_dead_attention(net: nn.Module) -> None:
    """Replace attention whose query, key and value ignore its input by what it always gives.

    Training switched off one of three in the published EdgeFace-XS. Its softmax is the same
    everywhere but for rounding, which calibration cannot put in bins.
    """
    for block in net.modules():
        xca = getattr(block, "xca", None)
        if xca is not None and not weight_of(xca.qkv).any():
            with torch.no_grad():
                block.xca = Constant(xca(torch.zeros(1, 1, xca.qkv.in_features)))


def weight_of(layer: nn.Module) -> Tensor:
    """Return the matrix that a plain or a low-rank linear layer multiplies with."""
    low_rank = isinstance(layer, LowRankLinear)
    return layer.linear2.weight @ layer.linear1.weight if low_rank else layer.weight


def fold_layer_scales(net: nn.Module) -> None:
    """Multiply the scales at the ends of blocks into the linear layers before them."""
    for block in net.modules():
        for scale, layer in (("gamma", "mlp.fc2"), ("gamma_xca", "xca.proj")):
            if getattr(block, scale, None) is None:
                continue
            last = block.get_submodule(layer)
            last = last.linear2 if isinstance(last, LowRankLinear) else last
            factor = getattr(block, scale).detach()
            last.weight.data *= factor[:, None]
            last.bias.data *= factor
            delattr(block, scale)
            setattr(block, scale, 1.0)


def declare_torchvision_operators() -> torch.library.Library:
    """Let timm import a torchvision whose CUDA operators cannot load beside a CPU torch.

    Keep what this returns for as long as timm is in use.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def create(name: str, *, num_classes: int) -> nn.Module:
    """Return timm's network of that name, random weights."""
    if not hasattr(create, "library"):
        create.library = declare_torchvision_operators()
    try:
        import timm
    except ImportError as error:
        raise missing(error, needed_for="kind edgeface") from error
    return timm.create_model(name, num_classes=num_classes)


class LowRankLinear(nn.Module):
    """A linear layer as the product of two: inputs → rank without bias, rank → outputs."""

    def __init__(self, inputs: int, outputs: int, *, rank: int, bias: bool):
        super().__init__()
        self.in_features = inputs
        self.linear1 = nn.Linear(inputs, rank, bias=False)
        self.linear2 = nn.Linear(rank, outputs, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.linear1(x))


def replace(net: nn.Module, name: str, *, rank: int, bias: bool) -> None:
    """Put a `LowRankLinear` in the place of the linear layer of that dotted name, if it is one."""
    parts = dict(net.named_modules())
    if isinstance(parts.get(name), nn.Linear):
        old, (parent, _, leaf) = parts[name], name.rpartition(".")
        new = LowRankLinear(old.in_features, old.out_features, rank=rank, bias=bias)
        setattr(parts[parent], leaf, new)
