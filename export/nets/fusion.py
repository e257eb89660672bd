"""Feature fusion: tokens of several stages of a network become the tokens of one.

Stage features are (N, T, D) each, of one T and D; `tokens_of` makes them from maps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.nets.attention import MultiHeadAttention

FUSIONS = ("none", "weighted", "self-attention")


def tokens_of(feature: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return a map (N, C, H, W) as tokens (N, h·w, C), averaged down to ``grid`` (h, w)."""
    if tuple(feature.shape[2:]) != tuple(grid):
        feature = F.adaptive_avg_pool2d(feature, grid)
    return feature.flatten(2).transpose(1, 2)


def require_stages(features: Sequence[Tensor], count: int) -> Tensor:
    """Return ``count`` features as (N, T, K, D), or raise ValueError."""
    shapes = [tuple(f.shape) for f in features]
    if len(shapes) != count or len(set(shapes)) != 1 or len(shapes[0]) != 3:
        raise ValueError(f"features {shapes}: expected {count} of one shape (N, T, D)")
    return torch.stack(list(features), 2)


class AttentionFeatureFusion(nn.Module):
    """y = f_K + Σ_k α_k f_k with α = softmax_k(w · tanh(W f_k)), for every token by itself.

    The score is Bahdanau's (2015) without a query, as Yang et al., "Hierarchical Attention
    Networks", NAACL 2016, equations 5 to 7, use it; the residual goes to the last stage, f_K.
    """

    def __init__(self, dim: int, *, stages: int):
        super().__init__()
        self.stages = stages
        self.hidden = nn.Linear(dim, dim // 4)
        self.score = nn.Linear(dim // 4, 1, bias=False)

    def weights(self, stacked: Tensor) -> Tensor:
        """Return α (N, T, K) of features (N, T, K, D); each row sums to 1."""
        return self.score(torch.tanh(self.hidden(stacked))).squeeze(3).softmax(2)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Fuse K features (N, T, D) to one."""
        stacked = require_stages(features, self.stages)
        fused = (self.weights(stacked)[..., None] * stacked).sum(2)
        return features[-1] + fused


class SelfAttentionFusion(nn.Module):
    """z = all tokens of all stages, each with its stage's learned offset; y = z + MHA(LN(z)).

    The result is the mean over stages of y. Every token can take from every place of every stage.
    Source: Vaswani et al. 2017 for MHA, Xiong et al. 2020 for the norm's place; tokens of several
    scales in one sequence as in Chen, Fan and Panda, "CrossViT", ICCV 2021, section 3.3 ("all
    attention").
    """

    def __init__(self, dim: int, *, stages: int, heads: int):
        super().__init__()
        self.stage = nn.Parameter(torch.randn(stages, dim) * 0.02)
        self.norm = nn.LayerNorm(dim)
        self.attend = MultiHeadAttention(dim, heads=heads)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Fuse K features (N, T, D) to one."""
        stacked = require_stages(features, len(self.stage)) + self.stage
        tokens = stacked.flatten(1, 2)
        tokens = tokens + self.attend(self.norm(tokens))
        return tokens.unflatten(1, stacked.shape[1:3]).mean(2)
