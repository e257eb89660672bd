"""The small network of the ablation: every part of it can be exchanged by name."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from export.dsanet import (
    EMBEDDING_DIM,
    GRID,
    AveragePooling,
    DepthwisePooling,
    QueryPooling,
)
from export.nets.attention import HEAD_FUSIONS, MultiHeadAttention, SelfAttention, SpatialGate
from export.nets.blocks import block, reduction
from export.nets.fusion import AttentionFeatureFusion, SelfAttentionFusion, tokens_of

MULTI_HEAD = tuple(f"multi-head {fusion}" for fusion in HEAD_FUSIONS)


@dataclass(frozen=True)
class TrialConfig:
    """What the network is made of; the defaults are the ablation's base.

    ``block`` and ``reduction`` are names of `export.nets.blocks`. ``attention`` is "none", one of
    `export.nets.attention.ATTENTIONS`, or "multi-head " with a head fusion. ``pooling`` is "gap",
    "gdconv" or "query". ``fusion`` is "none", "weighted" or "self-attention".
    """

    widths: tuple[int, int, int] = (20, 40, 80)
    depths: tuple[int, int, int] = (3, 3, 3)
    block: str = "depthwise"
    reduction: str = "stride"
    gate: bool = False
    attention: str = "multi-head concat"
    pooling: str = "gap"
    fusion: str = "none"
    heads: int = 4
    queries: int = 4


def attention_of(config: TrialConfig, dim: int) -> nn.Module | None:
    """Return the self-attention over (N, T, dim) tokens, or None."""
    if config.attention == "none":
        return None
    if config.attention in MULTI_HEAD:
        fusion = config.attention.split()[1]
        return MultiHeadAttention(dim, heads=config.heads, fusion=fusion)
    return SelfAttention(dim, kind=config.attention)


def pooling_of(config: TrialConfig, dim: int) -> tuple[nn.Module, int]:
    """Return the pooling of (N, 49, dim) tokens and how many channels it gives."""
    if config.pooling == "gap":
        return AveragePooling(), dim
    if config.pooling == "gdconv":
        return DepthwisePooling(dim), dim
    if config.pooling == "query":
        return QueryPooling(dim, queries=config.queries), dim * config.queries
    raise ValueError(f"pooling is {config.pooling!r}; expected gap, gdconv or query")


def fusion_of(config: TrialConfig, dim: int) -> nn.Module | None:
    """Return the fusion of the three stages' tokens, or None: the last stage's alone."""
    if config.fusion == "none":
        return None
    if config.fusion == "weighted":
        return AttentionFeatureFusion(dim, stages=3)
    if config.fusion == "self-attention":
        return SelfAttentionFusion(dim, stages=3, heads=config.heads)
    raise ValueError(f"fusion is {config.fusion!r}; expected none, weighted or self-attention")


def stages_of(config: TrialConfig) -> nn.ModuleList:
    """Return the three stages: 112×112 to 28×28, to 14×14, to 7×7, each with its blocks."""
    stem = nn.Sequential(nn.Conv2d(3, config.widths[0], 4, stride=4, bias=False))
    stem.append(nn.BatchNorm2d(config.widths[0]))
    stages, inputs = nn.ModuleList(), None
    for width, depth in zip(config.widths, config.depths):
        enter = stem if inputs is None else reduction(config.reduction, inputs, width)
        blocks = [block(config.block, width) for _ in range(depth)]
        stages.append(nn.Sequential(enter, *blocks))
        inputs = width
    return stages


class TrialNet(nn.Module):
    """Normalised RGB (N, 3, 112, 112) → embedding (N, 512), not normalised."""

    def __init__(self, config: TrialConfig):
        super().__init__()
        self.config = config
        dim = config.widths[-1]
        self.stages = stages_of(config)
        self.gate = SpatialGate() if config.gate else None
        self.fusion = fusion_of(config, dim)
        used = config.widths if self.fusion is not None else config.widths[-1:]
        self.inlets = nn.ModuleList(nn.Linear(width, dim) for width in used)
        self.position = nn.Parameter(torch.randn(GRID * GRID, dim) * 0.02)
        self.attention = attention_of(config, dim)
        self.norm = nn.LayerNorm(dim) if self.attention is not None else None
        self.pool, pooled = pooling_of(config, dim)
        self.project = nn.Linear(pooled, EMBEDDING_DIM)

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the map of every stage; the gate weighs the last one's pixels."""
        maps = []
        for stage in self.stages:
            image = stage(image)
            maps.append(image)
        if self.gate is not None:
            maps[-1] = self.gate(maps[-1])
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """Embed a batch of aligned faces."""
        maps = self.features(image)[-len(self.inlets) :]
        stages = [inlet(tokens_of(m, (GRID, GRID))) for inlet, m in zip(self.inlets, maps)]
        tokens = stages[-1] if self.fusion is None else self.fusion(stages)
        tokens = tokens + self.position
        if self.attention is not None:
            tokens = tokens + self.attention(self.norm(tokens))
        return self.project(self.pool(tokens))
