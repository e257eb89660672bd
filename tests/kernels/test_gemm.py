"""Matrix products against their NumPy twins, on every ISA that this CPU has."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface import _native, _reference_head, kernels
from tests.kernels.arrays import ISAS, LAYOUTS, floats, misaligned

# Columns around one vector and one panel of each ISA, rows around its strips.
SHAPES = [
    (rows, depth, columns)
    for rows in (0, 1, 4, 6, 7, 8, 49)
    for depth in (0, 1, 8, 97, 513)
    for columns in (0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 97)
]
WIDE = [(1, 512, 511), (1, 1024, 512), (2, 511, 513), (7, 513, 512)]

# Rounded additions in one chain of a sum, at 2**-24 each, as a share of sum(|a * b|).
GEMM_TOLERANCE = 2.0**-24


def bytes_of(shape: tuple[int, int], seed: int, low: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, 128, shape, dtype=np.int8)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("offset", [0, 1])
def test_gemm_f32_matches_reference(isa: str, offset: int) -> None:
    for rows, depth, columns in SHAPES + WIDE:
        a = floats(rows, depth, seed=1, offset=offset)
        b = floats(depth, columns, seed=2, offset=offset)
        bound = GEMM_TOLERANCE * max(depth, 4) * _reference_head.gemm_f32(abs(a), abs(b))
        found = _native.gemm_f32(a, b, isa=isa)
        assert found.shape == (rows, columns)
        assert (abs(found - _reference_head.gemm_f32(a, b)) <= bound).all(), (rows, depth, columns)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("offset", [0, 1])
def test_gemm_i8_is_exact(isa: str, offset: int) -> None:
    for rows, depth, columns in SHAPES + WIDE:
        a = misaligned(bytes_of((rows, depth), 1, -128), offset)
        b = misaligned(bytes_of((depth, columns), 2, -127), offset)
        found = _native.gemm_i8(a, b, isa=isa)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, _reference_head.gemm_i8(a, b))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("a_value", [-128, 127])
@pytest.mark.parametrize("b_value", [-127, 127])
@pytest.mark.parametrize("depth", [1, 4, 8, 513, 131072])
def test_gemm_i8_of_worst_values_is_exact(isa: str, a_value: int, b_value: int, depth: int) -> None:
    a, b = np.full((3, depth), a_value, np.int8), np.full((depth, 17), b_value, np.int8)
    assert (_native.gemm_i8(a, b, isa=isa) == a_value * b_value * depth).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_gemm_f32_passes_on_values_that_are_not_finite(isa: str, value: float) -> None:
    a, b = floats(9, 33, seed=1), abs(floats(33, 35, seed=2)) + 1
    a[5, 20] = value
    found = _native.gemm_f32(a, b, isa=isa)
    assert (np.isnan(found[5]) if np.isnan(value) else found[5] == value).all()
    assert np.isfinite(np.delete(found, 5, axis=0)).all()


def test_gemm_i8_refuses_what_would_not_be_exact() -> None:
    a, b = np.ones((2, 3), np.int8), np.ones((3, 2), np.int8)
    with pytest.raises(ValueError, match=r"b holds -128; expected INT8 weights within \[-127, 127"):
        kernels.gemm_i8(a, np.full_like(b, -128))
    with pytest.raises(ValueError, match="K is 131073; expected at most 131072"):
        kernels.gemm_i8(np.ones((1, 131073), np.int8), np.ones((131073, 1), np.int8))
    with pytest.raises(ValueError, match=r"a is int8 of shape \(2, 3\) and b is .*same K"):
        kernels.gemm_i8(a, a)
    with pytest.raises(ValueError, match=r"a is uint8 of shape \(2, 3\); expected .* int8"):
        kernels.gemm_i8(a.astype(np.uint8), b)
    with pytest.raises(TypeError, match="b is a list; expected"):
        kernels.gemm_i8(a, b.tolist())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gemm_i8_takes_every_layout(layout: str) -> None:
    a, b = bytes_of((7, 40), 1, -128), bytes_of((40, 9), 2, -127)
    found = kernels.gemm_i8(LAYOUTS[layout](a), LAYOUTS[layout](b))
    np.testing.assert_array_equal(found, _reference_head.gemm_i8(a, b))
