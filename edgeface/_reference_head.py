"""NumPy twins of the attention head and of the kernels it is made of, in double precision.

Same names, arguments and results as ``edgeface._native``, without its checks of types; formulas
and their sources are in :mod:`edgeface.kernels`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = [
    "additive_attention",
    "attention",
    "embed",
    "gelu",
    "gemm_f32",
    "gemm_i8",
    "l2_normalise",
    "layer_norm",
    "quantise_rows",
    "softmax",
]

Weights = Mapping[str, np.ndarray]


def gemm_f32(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a @ b`` of (M, K) and (K, N), summed in double."""
    return a.astype(np.float64) @ b.astype(np.float64)


def gemm_i8(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a @ b`` of (M, K) and (K, N) int8, exactly, in int32."""
    return a.astype(np.int32) @ b.astype(np.int32)


def layer_norm(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, *, epsilon: float = 1e-5
) -> np.ndarray:
    """LayerNorm of each row of x (N, D)."""
    x = x.astype(np.float64)
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * gamma + beta


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax of each row of x (N, D)."""
    powers = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def gelu(x: np.ndarray) -> np.ndarray:
    """GELU in its tanh form, element by element."""
    x = x.astype(np.float64)
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def quantise_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (INT8 (N, D), float32 scale (N,)) of x (N, D) float32, in float32 as kernels do."""
    highest = np.abs(x).max(axis=1, initial=0).astype(np.float32)
    usable = highest >= np.float32(2.0**-120)
    inverse = np.where(usable, np.float32(127) / np.where(usable, highest, 1), np.float32(0))
    return np.rint(x * inverse[:, np.newaxis]).astype(np.int8), highest / np.float32(127)


def l2_normalise(x: np.ndarray) -> np.ndarray:
    """Rows of x (N, D) with norm 1."""
    x = x.astype(np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, heads: int = 1, scale: float | None = None
) -> np.ndarray:
    """Multi-head scaled dot-product attention of (Tq, D), (Tk, D), (Tk, Dv)."""
    parts = [np.split(x.astype(np.float64), heads, axis=1) for x in (q, k, v)]
    factor = (q.shape[1] // heads) ** -0.5 if scale is None else scale
    return np.hstack([softmax(factor * (qh @ kh.T)) @ vh for qh, kh, vh in zip(*parts)])


def additive_attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    w_q: np.ndarray,
    w_k: np.ndarray,
    w: np.ndarray,
) -> np.ndarray:
    """Additive attention of (Tq, Dq), (Tk, Dk), (Tk, Dv)."""
    hidden = np.tanh(gemm_f32(q, w_q.T)[:, np.newaxis] + gemm_f32(k, w_k.T)[np.newaxis])
    return softmax(hidden @ w.astype(np.float64)) @ v


def embed(feature: np.ndarray, weights: Weights, *, heads: int) -> np.ndarray:
    """Embed feature maps (N, C, H, W) as ``_native.AttentionHead`` in float32 does: (N, dim)."""
    return l2_normalise(np.stack([_embed_one(one, weights, heads) for one in feature]))


def _embed_one(feature: np.ndarray, weights: Weights, heads: int) -> np.ndarray:
    tokens = feature.reshape(len(feature), -1).T.astype(np.float64)
    if "gate.weight" in weights:
        tokens = tokens / (1 + np.exp(-_linear(tokens, weights, "gate")))
    x = _linear(tokens, weights, "inlet") + weights["position"]
    for block in sorted({name.split(".")[1] for name in weights if name.startswith("blocks.")}):
        x = _block(x, weights, f"blocks.{block}.", heads)
    x = _norm(x, weights, "pool.norm")
    pooled = softmax(_linear(x, weights, "pool.scores").T) @ x
    return _linear(pooled.reshape(1, -1), weights, "project")[0]


def _block(x: np.ndarray, weights: Weights, name: str, heads: int) -> np.ndarray:
    q, k, v = np.split(_linear(_norm(x, weights, name + "norm1"), weights, name + "qkv"), 3, axis=1)
    x = x + _linear(attention(q, k, v, heads=heads), weights, name + "out")
    hidden = gelu(_linear(_norm(x, weights, name + "norm2"), weights, name + "fc1"))
    return x + _linear(hidden, weights, name + "fc2")


def _norm(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    return layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _linear(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    return gemm_f32(x, weights[f"{name}.weight"].T) + weights[f"{name}.bias"]
