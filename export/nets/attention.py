"""Attention: a gate over pixels, and the functions by which tokens look at one another.

Tokens are (N, T, D). An attention takes queries (N, Tq, D), keys (N, Tk, D) and values (N, Tk, V)
and returns (N, Tq, V): each output row is a mean of the values, weighted by a softmax over keys.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEAD_FUSIONS = ("concat", "softmax", "gated")
ATTENTIONS = ("additive", "dot", "scaled-dot")


class SpatialGate(nn.Module):
    """y = x · σ(W * [mean_c x; max_c x]): one weight in 0..1 per pixel, for occluded faces.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, equation 3, with
    ``kernel`` 7. (DSA-Net's own gate, `DsaNetConfig.spatial_gate`, is σ(w·x + b) of each pixel's
    channels, which a 1×1 convolution does on any NPU.) Keeps the shape (N, C, H, W).
    """

    def __init__(self, *, kernel: int = 7):
        super().__init__()
        self.weigh = nn.Conv2d(2, 1, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh every pixel of (N, C, H, W)."""
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * self.weigh(seen).sigmoid()


def require_tokens(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise ValueError unless the three are (N, Tq, D), (N, Tk, D) and (N, Tk, V)."""
    shapes = [tuple(x.shape) for x in (query, key, value)]
    fits = all(len(s) == 3 for s in shapes) and (
        shapes[0][::2] == shapes[1][::2] and shapes[1][:2] == shapes[2][:2]
    )
    if not fits:
        raise ValueError(
            f"query {shapes[0]}, key {shapes[1]}, value {shapes[2]}: "
            "expected (N, Tq, D), (N, Tk, D) and (N, Tk, V)"
        )


class AdditiveAttention(nn.Module):
    """out_i = Σ_j softmax_j(w · tanh(W_q q_i + W_k k_j)) v_j.

    Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and
    Translate", ICLR 2015, appendix A.1.2. `edgeface.kernels.additive_attention` is its native
    twin: ``w_q``, ``w_k`` and ``w`` there are the weights of the layers of the same names.
    """

    def __init__(self, dim: int, *, hidden: int):
        super().__init__()
        self.w_q, self.w_k = nn.Linear(dim, hidden, bias=False), nn.Linear(dim, hidden, bias=False)
        self.w = nn.Linear(hidden, 1, bias=False)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend; costs Tq·Tk·hidden hyperbolic tangents."""
        require_tokens(query, key, value)
        hidden = torch.tanh(self.w_q(query)[:, :, None] + self.w_k(key)[:, None])
        return self.w(hidden).squeeze(3).softmax(2) @ value


class DotAttention(nn.Module):
    """out_i = Σ_j softmax_j(scale · q_i·k_j) v_j, with ``scale`` 1.

    Source: Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine
    Translation", EMNLP 2015, equation 8 ("dot"). No weights.
    """

    def scale(self, dim: int) -> float:
        """Return what the products of length-``dim`` rows are multiplied with."""
        return 1.0

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend; costs Tq·Tk·(D + V) multiply-adds."""
        require_tokens(query, key, value)
        scores = (query * self.scale(query.shape[2])) @ key.transpose(1, 2)
        return scores.softmax(2) @ value


class ScaledDotAttention(DotAttention):
    """Dot attention with ``scale`` 1/√D, which keeps the scores' variance at 1.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation 1. Native twin:
    `edgeface.kernels.attention` with one head.
    """

    def scale(self, dim: int) -> float:
        """Return 1/√dim."""
        return dim**-0.5


def attention(kind: str, dim: int) -> nn.Module:
    """Return the attention that ``kind`` (one of `ATTENTIONS`) names."""
    if kind == "additive":
        return AdditiveAttention(dim, hidden=dim // 2)
    if kind == "dot":
        return DotAttention()
    if kind == "scaled-dot":
        return ScaledDotAttention()
    raise ValueError(f"attention is {kind!r}; expected one of {', '.join(ATTENTIONS)}")


class HeadFusion(nn.Module):
    """Makes one row of the heads' rows: out = Σ_h g_h · W_h·head_h + b.

    - ``concat``: g_h = 1, the linear layer over concatenated heads of Vaswani et al. 2017,
      section 3.2.2 (W_h are the columns of its matrix that head h meets).
    - ``softmax``: g_h = H · softmax(a)_h with a learned score a_h per head, after the branch
      weights of Ahmed, Keskar and Socher, "Weighted Transformer Network", 2017. All 1 at first.
    - ``gated``: g_h = 2·σ(u_h·x + c_h), per token, from the tokens x that asked; after Qiu et al.,
      "Gated Attention for Large Language Models", 2025 (head-wise gate). All 1 at first.
    """

    def __init__(self, dim: int, *, heads: int, kind: str):
        super().__init__()
        if kind not in HEAD_FUSIONS:
            raise ValueError(f"head fusion is {kind!r}; expected one of {', '.join(HEAD_FUSIONS)}")
        self.kind, self.heads = kind, heads
        self.out = nn.Linear(dim, dim)
        if kind == "softmax":
            self.score = nn.Parameter(torch.zeros(heads))
        if kind == "gated":
            self.gate = nn.Linear(dim, heads)
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)

    def forward(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Fuse head rows (N, H, T, D/H), of queries made from tokens (N, T, D), to (N, T, D)."""
        rows = rows.transpose(1, 2)
        if self.kind == "softmax":
            rows = rows * (self.heads * self.score.softmax(0))[:, None]
        if self.kind == "gated":
            rows = rows * (2 * self.gate(tokens).sigmoid())[..., None]
        return self.out(rows.flatten(2))


class MultiHeadAttention(nn.Module):
    """Scaled dot-product self-attention in ``heads`` subspaces, joined by a `HeadFusion`.

    Source: Vaswani et al. 2017, section 3.2.2. With ``concat`` it is, weight for weight, the
    attention inside `export.dsanet.AttentionBlock`; its middle part is
    `edgeface.kernels.attention`. Maps (N, T, D) to the same shape; no residual, no norm.
    """

    def __init__(self, dim: int, *, heads: int, fusion: str = "concat"):
        super().__init__()
        if dim % heads:
            raise ValueError(f"{dim} channels in {heads} heads: expected a divisor")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.fuse = HeadFusion(dim, heads=heads, kind=fusion)

    def forward(self, tokens: Tensor) -> Tensor:
        """Let every token of (N, T, D) look at all."""
        query, key, value = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).unbind(2)
        query, key, value = (x.transpose(1, 2) for x in (query, key, value))
        scores = (query * key.shape[-1] ** -0.5) @ key.transpose(2, 3)
        return self.fuse(scores.softmax(3) @ value, tokens)


class SelfAttention(nn.Module):
    """One head of the attention ``kind`` between linear layers: out(attend(q(x), k(x), v(x)))."""

    def __init__(self, dim: int, *, kind: str):
        super().__init__()
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.attend = attention(kind, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, D) to the same shape."""
        return self.out(self.attend(*self.qkv(tokens).chunk(3, 2)))
