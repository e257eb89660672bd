"""Attention of both kinds against its NumPy twin, torch, and what may be handed to it."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface import _native, _reference_head, kernels
from tests.kernels.arrays import ISAS, LAYOUTS, floats

# Values of about one, through two products and a softmax in float32.
TOLERANCE = 2e-5

# queries, keys, heads, width and value width of a head
SHAPES = [
    (0, 1, 1, 8, 8),
    (1, 1, 1, 1, 1),
    (3, 97, 2, 5, 9),
    (7, 8, 4, 8, 16),
    (49, 49, 4, 32, 32),
    (15, 33, 3, 17, 31),
    (1, 513, 1, 64, 512),
    (2, 5, 2, 0, 3),
]


def inputs(shape: tuple[int, ...], *, offset: int = 0) -> tuple[np.ndarray, ...]:
    queries, keys, heads, width, value_width = shape
    q = floats(queries, heads * width, seed=1, offset=offset)
    k = floats(keys, heads * width, seed=2, offset=offset)
    return q, k, floats(keys, heads * value_width, seed=3, offset=offset)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_attention_matches_reference(isa: str, offset: int, shape: tuple[int, ...]) -> None:
    q, k, v = inputs(shape, offset=offset)
    scale = None if shape[3] else 1.0
    found = _native.attention(q, k, v, heads=shape[2], scale=scale, isa=isa)
    expected = _reference_head.attention(q, k, v, heads=shape[2], scale=scale)
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_additive_attention_matches_reference(
    isa: str, offset: int, shape: tuple[int, ...]
) -> None:
    q, k, v = inputs(shape, offset=offset)
    hidden = 13
    weights = {
        "w_q": floats(hidden, q.shape[1], seed=4, offset=offset) / 8,
        "w_k": floats(hidden, k.shape[1], seed=5) / 8,
        "w": floats(1, hidden, seed=6)[0],
    }
    found = _native.additive_attention(q, k, v, **weights, isa=isa)
    expected = _reference_head.additive_attention(q, k, v, **weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_attention_is_what_torch_computes() -> None:
    torch = pytest.importorskip("torch")
    q, k, v = inputs((49, 33, 4, 32, 16))
    split = [torch.from_numpy(x).unflatten(1, (4, -1)).transpose(0, 1) for x in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*split).transpose(0, 1).flatten(1)
    found = kernels.attention(q, k, v, heads=4)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("isa", ISAS)
def test_a_key_far_above_the_rest_is_chosen(isa: str) -> None:
    k, v = np.eye(5, 8, dtype=np.float32), floats(5, 3)
    found = _native.attention(k * np.float32(1e4), k, v, isa=isa)
    np.testing.assert_array_equal(found, v)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same(layout: str) -> None:
    change = LAYOUTS[layout]
    q, k, v = inputs((7, 9, 2, 8, 4))
    found = kernels.attention(change(q), change(k), change(v), heads=2)
    np.testing.assert_array_equal(found, kernels.attention(q, k, v, heads=2))
    weights = {"w_q": floats(3, 16), "w_k": floats(3, 16), "w": np.ones(3, np.float32)}
    found = kernels.additive_attention(change(q), change(k), change(v), **weights)
    np.testing.assert_array_equal(found, kernels.additive_attention(q, k, v, **weights))


Q, K, V = inputs((7, 9, 2, 8, 4))
BAD_CALLS = {
    "other width": ((Q, K[:, :8].copy(), V), {}, "columns of k and of q: 8 and 16; expected"),
    "other keys": ((Q, K, V[:8]), {}, "rows of v and of k: 8 and 9; expected the same"),
    "no keys": ((Q, K[:0], V[:0]), {}, "k has no rows; expected at least one key"),
    "heads": ((Q, K, V), {"heads": 3}, "heads is 3; expected a divisor of q's 16 columns and v's"),
    "no heads": ((Q, K, V), {"heads": 0}, "heads is 0; expected a divisor"),
    "scale": ((Q, K, V), {"scale": -1.0}, "scale is -1.*expected 0 or more; negate q"),
    "NaN scale": ((Q, K, V), {"scale": float("nan")}, "scale is nan"),
    "NaN": ((Q, K * np.float32(np.nan), V), {}, "k holds NaN or infinity; expected finite values"),
    "overflow": ((Q * np.float32(1e30), K * np.float32(1e30), V), {}, "the result overflows"),
    "dtype": ((Q, K, V.astype(np.float64)), {}, r"v is float64 of shape \(9, 8\); expected"),
    "cube": ((Q[np.newaxis], K, V), {}, r"q is float32 of shape \(1, 7, 16\); expected .*\(Tq, D"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_wrong_call_is_refused_with_what_was_found(case: str) -> None:
    arrays, options, message = BAD_CALLS[case]
    with pytest.raises(ValueError, match=message):
        kernels.attention(*arrays, **options)


def test_additive_attention_refuses_weights_that_do_not_fit() -> None:
    good = {"w_q": floats(3, 16), "w_k": floats(3, 16), "w": np.ones(3, np.float32)}
    with pytest.raises(ValueError, match="columns of w_q and of q: 15 and 16"):
        kernels.additive_attention(Q, K, V, **{**good, "w_q": floats(3, 15)})
    with pytest.raises(ValueError, match="rows of w_k and elements of w: 4 and 3"):
        kernels.additive_attention(Q, K, V, **{**good, "w_k": floats(4, 16)})
    with pytest.raises(ValueError, match="w holds NaN"):
        kernels.additive_attention(Q, K, V, **{**good, "w": good["w"] * np.float32(np.nan)})
