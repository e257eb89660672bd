"""The native kernels of the attention head, for models with a head of their own.

Every function takes NumPy arrays of the dtype it names and returns a new C-contiguous array.
Strided, Fortran-ordered and misaligned input is copied first; another dtype, shape, or a value
that is NaN or infinite is refused, and so is an input whose result overflows. Arrays may be
read-only. The GIL is released while a kernel runs: do not write to its arrays meanwhile.

The ISA is the one that ``EDGEFACE_ISA`` names, else the best that the CPU has. A head whose
weights stay the same is faster as one object, with its weights packed once:
``edgeface._native.AttentionHead``.
"""

from __future__ import annotations

import numpy as np

from edgeface import _native

__all__ = [
    "additive_attention",
    "attention",
    "gelu",
    "gemm_i8",
    "l2_normalise",
    "layer_norm",
    "quantise_rows",
    "softmax",
]


def attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    heads: int = 1,
    scale: float | None = None,
) -> np.ndarray:
    """Multi-head scaled dot-product attention: ``softmax(scale · q kᵀ) v`` for each head.

    Source: Vaswani et al., "Attention Is All You Need", 2017, equation 1 and section 3.2.2,
    without the linear layers around it.

    Parameters
    ----------
    q : (Tq, D) float32
        Queries; head ``h`` has columns ``h · D/heads`` to ``(h + 1) · D/heads``.
    k : (Tk, D) float32
        Keys, at least one.
    v : (Tk, Dv) float32
        Values, shared out between the heads as the columns of ``q`` are.
    heads : int
        Divides D and Dv.
    scale : float, optional
        Of the products, 0 or more; 1 / √(D/heads) unless given.

    Returns
    -------
    (Tq, Dv) float32

    Raises
    ------
    TypeError, ValueError
        A wrong type, dtype, shape or value, named with what was expected.
    """
    return _native.attention(
        _packed(q, np.float32), _packed(k, np.float32), _packed(v, np.float32),
        heads=heads, scale=scale,
    )  # fmt: skip


def additive_attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    w_q: np.ndarray,
    w_k: np.ndarray,
    w: np.ndarray,
) -> np.ndarray:
    """Additive attention: ``out_i = Σ_j softmax_j(w · tanh(w_q q_i + w_k k_j)) v_j``.

    Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and
    Translate", 2015, appendix A.1.2 (v_a, W_a and U_a there are ``w``, ``w_q`` and ``w_k``).

    Parameters
    ----------
    q : (Tq, Dq) float32
        Queries.
    k : (Tk, Dk) float32
        Keys, at least one.
    v : (Tk, Dv) float32
        Values; pass ``k`` again for the original model.
    w_q, w_k : (A, Dq) and (A, Dk) float32
        Projections of queries and keys into A hidden units.
    w : (A,) float32
        Weight of each hidden unit.

    Returns
    -------
    (Tq, Dv) float32

    Raises
    ------
    TypeError, ValueError
        A wrong type, dtype, shape or value, named with what was expected.
    """
    inputs = (_packed(x, np.float32) for x in (q, k, v))
    weights = {"w_q": w_q, "w_k": w_k, "w": w}
    return _native.additive_attention(
        *inputs, **{name: _packed(x, np.float32) for name, x in weights.items()}
    )


def layer_norm(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, *, epsilon: float = 1e-5
) -> np.ndarray:
    """LayerNorm of each row: ``(x - mean) / √(variance + epsilon) · gamma + beta``.

    Source: Ba, Kiros and Hinton, "Layer Normalization", 2016; the variance is the biased one.

    Parameters
    ----------
    x : (N, D) float32
    gamma, beta : (D,) float32
    epsilon : float
        Above 0.

    Returns
    -------
    (N, D) float32

    Raises
    ------
    TypeError, ValueError
        A wrong type, dtype, shape or value, named with what was expected.
    """
    parameters = (_packed(gamma, np.float32), _packed(beta, np.float32))
    return _native.layer_norm(_packed(x, np.float32), *parameters, epsilon=epsilon)


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax of each row of x (N, D) float32: ``exp(x - max) / Σ exp(x - max)``.

    Raises TypeError or ValueError as :func:`layer_norm` does.
    """
    return _native.softmax(_packed(x, np.float32))


def gelu(x: np.ndarray) -> np.ndarray:
    """GELU of each element of x (N, D): ``x/2 (1 + tanh(√(2/π)(x + 0.044715 x³)))``, float32.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016, section 2. PyTorch's
    ``gelu(approximate="tanh")``. Raises TypeError or ValueError as :func:`layer_norm` does.
    """
    return _native.gelu(_packed(x, np.float32))


def l2_normalise(x: np.ndarray) -> np.ndarray:
    """Rows of x (N, D) float32 divided by their Euclidean norms.

    Raises ValueError for a row whose norm is below 1e-16 or overflows, else as
    :func:`layer_norm` does.
    """
    return _native.l2_normalise(_packed(x, np.float32))


def gemm_i8(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Exact product ``a @ b`` of INT8 matrices, in int32.

    Parameters
    ----------
    a : (M, K) int8
        Any values, -128 included. K is at most 131072, so that no sum leaves int32.
    b : (K, N) int8
        Within [-127, 127]. For a weight of shape (out, in) pass ``weight.T``.

    Returns
    -------
    (M, N) int32

    Raises
    ------
    TypeError, ValueError
        A wrong type, dtype, shape or value, named with what was expected.
    """
    return _native.gemm_i8(_packed(a, np.int8), _packed(b, np.int8))


def quantise_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric INT8 of each row: ``x ≈ q · scale[:, None]``, the activations of the INT8 head.

    Parameters
    ----------
    x : (N, D) float32

    Returns
    -------
    q : (N, D) int8
        Within [-127, 127]: ``round(x · 127 / max|x|)``, ties to even; zeros for a row whose
        largest magnitude is below 2^-120.
    scale : (N,) float32
        ``max|x| / 127`` of each row.

    Raises
    ------
    TypeError, ValueError
        A wrong type, dtype, shape or value, named with what was expected.
    """
    return _native.quantise_rows(_packed(x, np.float32))


def _packed(array: np.ndarray, dtype: type) -> np.ndarray:
    """Copy what is strided or misaligned; leave it to ``_native`` to refuse the rest by name."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        return array
    return np.require(array, requirements=["C", "A"])
