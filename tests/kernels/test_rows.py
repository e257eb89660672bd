"""Row kernels against their NumPy twins, on every ISA that this CPU has."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface import _native, _reference_head, kernels
from tests.kernels.arrays import ISAS, LAYOUTS, SIZES, floats

# As csrc/kernels/rows.h states them, for values of a few units.
NORM_TOLERANCE = 2e-5
SOFTMAX_TOLERANCE = 4e-6
GELU_TOLERANCE = 1e-6  # as a share of |x|
TANH_TOLERANCE = 3e-7
UNIT_TOLERANCE = 1e-6

CASES = [
    pytest.param(isa, size, offset, id=f"{isa}-{size}-{'misaligned' if offset else 'aligned'}")
    for isa in ISAS
    for size in SIZES
    for offset in (0, 1)
]
ROWS = 5


@pytest.mark.parametrize(("isa", "size", "offset"), CASES)
def test_layer_norm_matches_reference(isa: str, size: int, offset: int) -> None:
    x = floats(ROWS, size, seed=1, offset=offset) * 3 + 1
    gamma, beta = floats(1, size, seed=2, offset=offset)[0], floats(1, size, seed=3)[0]
    found = _native.layer_norm(x, gamma, beta, isa=isa)
    if size:  # the mean of no numbers is none
        expected = _reference_head.layer_norm(x, gamma, beta)
        np.testing.assert_allclose(found, expected, rtol=0, atol=NORM_TOLERANCE)


@pytest.mark.parametrize(("isa", "size", "offset"), CASES)
def test_softmax_matches_reference(isa: str, size: int, offset: int) -> None:
    x = floats(ROWS, size, seed=1, offset=offset) * 10
    found = _native.softmax(x, isa=isa)
    if size:
        expected = _reference_head.softmax(x)
        np.testing.assert_allclose(found, expected, rtol=0, atol=SOFTMAX_TOLERANCE)


@pytest.mark.parametrize(("isa", "size", "offset"), CASES)
def test_elementwise_kernels_match_reference(isa: str, size: int, offset: int) -> None:
    x = floats(ROWS, size, seed=1, offset=offset) * 4
    error = abs(_native.gelu(x, isa=isa) - _reference_head.gelu(x))
    assert (error <= GELU_TOLERANCE * abs(x)).all()
    np.testing.assert_allclose(_native.tanh(x, isa=isa), np.tanh(x), rtol=0, atol=TANH_TOLERANCE)


@pytest.mark.parametrize(("isa", "size", "offset"), CASES)
def test_quantise_equals_reference_to_the_bit(isa: str, size: int, offset: int) -> None:
    x = floats(ROWS, size, seed=1, offset=offset)
    x[1] = 0
    x[2] *= np.float32(1e-38)
    x[3] = np.round(x[3] * 20) / 40  # ties
    q, scale = _native.quantise_rows(x, isa=isa)
    expected_q, expected_scale = _reference_head.quantise_rows(x)
    np.testing.assert_array_equal(q, expected_q)
    np.testing.assert_array_equal(scale, expected_scale)
    assert q.min(initial=0) >= -127


@pytest.mark.parametrize(("isa", "size", "offset"), CASES)
def test_l2_normalise_matches_reference(isa: str, size: int, offset: int) -> None:
    x = floats(ROWS, size, seed=1, offset=offset)
    if size == 0:
        with pytest.raises(ValueError, match="row 0 of x has a norm of 0"):
            _native.l2_normalise(x, isa=isa)
        return
    expected = _reference_head.l2_normalise(x)
    found = _native.l2_normalise(x, isa=isa)
    np.testing.assert_allclose(found, expected, rtol=0, atol=UNIT_TOLERANCE)


@pytest.mark.parametrize("isa", ISAS)
def test_softmax_of_extreme_rows_is_a_distribution(isa: str) -> None:
    x = np.zeros((4, 49), dtype=np.float32)
    x[1, 3], x[2, 48], x[3] = 3e38, -3e38, -1e30
    found = _native.softmax(x, isa=isa)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert found[1, 3] == 1 and found[2, 48] < 1e-37
    np.testing.assert_allclose(found[3], 1 / 49, rtol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_shortest_row_that_is_normalised_is_normalised_right(isa: str) -> None:
    found = _native.l2_normalise(np.full((1, 4), 6e-17, np.float32), isa=isa)
    np.testing.assert_allclose(found, 0.5, rtol=0, atol=UNIT_TOLERANCE)


@pytest.mark.parametrize("isa", ISAS)
def test_row_without_a_norm_is_named(isa: str) -> None:
    x = floats(4, 40)
    for value in (0, 1e-22, 3e38):
        x[2] = value
        with pytest.raises(ValueError, match="row 2 of x has a norm of .*; expected a finite one"):
            _native.l2_normalise(x, isa=isa)


PUBLIC = {
    "softmax": kernels.softmax,
    "gelu": kernels.gelu,
    "l2_normalise": kernels.l2_normalise,
    "quantise_rows": lambda x: kernels.quantise_rows(x)[0],
    "layer_norm": lambda x: kernels.layer_norm(x, np.ones(6, np.float32), np.zeros(6, np.float32)),
}


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same(name: str, layout: str) -> None:
    x = floats(4, 6)
    before = x.copy()
    np.testing.assert_array_equal(PUBLIC[name](LAYOUTS[layout](x)), PUBLIC[name](x))
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", PUBLIC)
def test_wrong_rows_are_refused_with_what_was_found(name: str) -> None:
    x = floats(4, 6)
    with pytest.raises(TypeError, match="x is a list; expected a C-contiguous float32"):
        PUBLIC[name](x.tolist())
    with pytest.raises(ValueError, match=r"x is float64 of shape \(4, 6\); expected .* float32"):
        PUBLIC[name](x.astype(np.float64))
    with pytest.raises(ValueError, match=r"x is float32 of shape \(6,\); expected .*\(N, D\)"):
        PUBLIC[name](x[0])
    for value in (np.nan, np.inf):
        x[1, 2] = value
        with pytest.raises(ValueError, match="x holds NaN or infinity; expected finite values"):
            PUBLIC[name](x)


def test_layer_norm_refuses_wrong_parameters() -> None:
    x, ones = floats(4, 6), np.ones(6, dtype=np.float32)
    with pytest.raises(ValueError, match=r"gamma is float32 of shape \(5,\) and x is .*per column"):
        kernels.layer_norm(x, ones[:5], ones)
    with pytest.raises(ValueError, match="beta holds NaN"):
        kernels.layer_norm(x, ones, ones * np.float32(np.nan))
    with pytest.raises(ValueError, match="epsilon is 0.*expected above 0"):
        kernels.layer_norm(x, ones, ones, epsilon=0)


@pytest.mark.parametrize("isa", ISAS)
def test_layer_norm_of_huge_rows_is_right_or_refused(isa: str) -> None:
    x, ones = floats(4, 49) * np.float32(1e30), np.ones(49, dtype=np.float32)
    try:
        found = _native.layer_norm(x, ones, ones, isa=isa)
    except ValueError as error:
        assert "the result overflows float32" in str(error)
    else:
        np.testing.assert_allclose(found, _reference_head.layer_norm(x, ones, ones), atol=1e-6)
