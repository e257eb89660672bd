"""DSA-Net: depthwise-separable convolutions, then multi-head attention, for 112×112 faces.

Tensor shapes are NCHW. The backbone is three segments (28×28, 14×14 and 7×7), each of which can be
trained on its own against a teacher's feature map; the head turns the 7×7 map into 512 numbers.
L2 normalisation stays outside the network: it is done once, in float, by the runtime.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMBEDDING_DIM = 512
GRID = 7


@dataclass(frozen=True)
class DsaNetConfig:
    """Everything that defines a network; stored in its checkpoint.

    ``pooling`` is ``attention`` (multi-query), ``gap`` or ``gdconv``: the last two are the
    ablations. ``attention_blocks=0`` removes self-attention; ``spatial_gate`` weighs each of the
    49 positions before the head (for occluded faces).
    """

    widths: tuple[int, int, int] = (32, 64, 128)
    depths: tuple[int, int, int] = (2, 5, 4)
    kernels: tuple[int, int, int] = (3, 5, 5)
    expansion: int = 3
    groups: int = 1
    feature_channels: tuple[int, int, int] = (32, 64, 100)
    head_dim: int = 128
    heads: int = 4
    mlp_ratio: int = 2
    attention_blocks: int = 2
    pooling: str = "attention"
    queries: int = 8
    spatial_gate: bool = False

    def to_dict(self) -> dict:
        """Return the fields as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict) -> DsaNetConfig:
        """Rebuild a configuration from :meth:`to_dict` (lists become tuples)."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})


CONFIGS = {
    "dsanet_xs": DsaNetConfig(widths=(24, 48, 96), depths=(2, 4, 3), attention_blocks=1),
    "dsanet_s": DsaNetConfig(),
}


class Pointwise(nn.Module):
    """1×1 convolution whose weight is a matrix (out, in), so that Muon can orthogonalise it."""

    def __init__(self, inputs: int, outputs: int, *, groups: int = 1):
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.trunc_normal_(self.weight, std=(groups / inputs) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H, W)."""
        return F.conv2d(x, self.weight[:, :, None, None], self.bias, groups=self.groups)


class Block(nn.Module):
    """Depthwise k×k → BatchNorm → 1×1 expand → ReLU → 1×1 project → scaled residual."""

    def __init__(self, channels: int, *, kernel: int, expansion: int, groups: int):
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False
        )
        self.norm = nn.BatchNorm2d(channels)
        self.expand = Pointwise(channels, channels * expansion, groups=groups)
        self.project = Pointwise(channels * expansion, channels, groups=groups)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.5))  # None once folded

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        change = self.project(F.relu(self.expand(self.norm(self.depthwise(x)))))
        return x + (change if self.scale is None else self.scale * change)


def segment(
    inputs: int, width: int, outputs: int, stride: int, depth: int, **block
) -> nn.Sequential:
    """Strided convolution, ``depth`` blocks and a 1×1 to ``outputs`` channels (never pooling)."""
    reduce = nn.Conv2d(inputs, width, stride, stride=stride)
    blocks = [Block(width, **block) for _ in range(depth)]
    return nn.Sequential(reduce, nn.BatchNorm2d(width), *blocks, Pointwise(width, outputs))


class Backbone(nn.Module):
    """Three segments: (N, 3, 112, 112) → (N, C1, 28, 28) → (N, C2, 14, 14) → (N, C3, 7, 7)."""

    def __init__(self, config: DsaNetConfig):
        super().__init__()
        inputs, strides = (3, *config.feature_channels[:2]), (4, 2, 2)
        self.segments = nn.ModuleList(
            segment(i, w, o, s, d, kernel=k, expansion=config.expansion, groups=config.groups)
            for i, w, o, s, d, k in zip(
                inputs,
                config.widths,
                config.feature_channels,
                strides,
                config.depths,
                config.kernels,
            )
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the last feature map."""
        for part in self.segments:
            image = part(image)
        return image


class AttentionBlock(nn.Module):
    """Pre-norm transformer block: softmax(QKᵀ/√d)V per head, then a tanh-GELU MLP, both residual.

    Source: Vaswani et al. 2017, in the pre-LayerNorm order of Xiong et al. 2020.
    """

    def __init__(self, dim: int, *, heads: int, mlp_ratio: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.fc1, self.fc2 = nn.Linear(dim, mlp_ratio * dim), nn.Linear(mlp_ratio * dim, dim)

    def attend(self, x: Tensor) -> Tensor:
        """Self-attention of (N, T, D) tokens."""
        split = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = split[0], split[1], split[2]
        scores = (query * key.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        return self.out((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, D) to the same shape."""
        x = x + self.attend(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)), approximate="tanh"))


class QueryPooling(nn.Module):
    """Multi-query attention pooling: each learned query takes its softmax-weighted token mean.

    Channels are shared out between the queries' heads: (N, T, D) → (N, Q·D).
    """

    def __init__(self, dim: int, *, queries: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.scores = nn.Linear(dim, queries)

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool (N, T, D) to (N, Q·D)."""
        tokens = self.norm(tokens)
        return (self.scores(tokens).softmax(1).transpose(1, 2) @ tokens).flatten(1)


class DepthwisePooling(nn.Module):
    """GDConv of MobileFaceNet: one 7×7 weight per channel, (N, 49, D) → (N, D)."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.full((GRID * GRID, dim), 1.0 / GRID**2))

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool (N, 49, D) to (N, D)."""
        return (tokens * self.weight).sum(1)


class AveragePooling(nn.Module):
    """Global average pooling, (N, T, D) → (N, D)."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool (N, T, D) to (N, D)."""
        return tokens.mean(1)


def pooling(config: DsaNetConfig) -> tuple[nn.Module, int]:
    """Return the pooling module that ``config`` names and the number of channels it gives."""
    if config.pooling == "attention":
        return QueryPooling(config.head_dim, queries=config.queries), (
            config.head_dim * config.queries
        )
    if config.pooling == "gdconv":
        return DepthwisePooling(config.head_dim), config.head_dim
    if config.pooling == "gap":
        return AveragePooling(), config.head_dim
    raise ValueError(f"pooling is {config.pooling!r}; expected attention, gdconv or gap")


class Head(nn.Module):
    """Feature map (N, C, 7, 7) → embedding (N, 512), not normalised."""

    def __init__(self, config: DsaNetConfig):
        super().__init__()
        channels = config.feature_channels[-1]
        self.gate = nn.Linear(channels, 1) if config.spatial_gate else None
        self.inlet = nn.Linear(channels, config.head_dim)
        self.position = nn.Parameter(torch.randn(GRID * GRID, config.head_dim) * 0.02)
        self.blocks = nn.Sequential(
            *(
                AttentionBlock(config.head_dim, heads=config.heads, mlp_ratio=config.mlp_ratio)
                for _ in range(config.attention_blocks)
            )
        )
        self.pool, pooled = pooling(config)
        self.project = nn.Linear(pooled, EMBEDDING_DIM)

    def forward(self, feature: Tensor) -> Tensor:
        """Embed one feature map per row."""
        tokens = feature.flatten(2).transpose(1, 2)
        if self.gate is not None:
            tokens = tokens * self.gate(tokens).sigmoid()
        return self.project(self.pool(self.blocks(self.inlet(tokens) + self.position)))


class DsaNet(nn.Module):
    """Backbone and head: normalised RGB (N, 3, 112, 112) → embedding (N, 512), not normalised."""

    def __init__(self, config: DsaNetConfig):
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.head = Head(config)

    def forward(self, image: Tensor) -> Tensor:
        """Embed a batch of aligned faces."""
        return self.head(self.backbone(image))
