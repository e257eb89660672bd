"""The native search against its NumPy twin, on every ISA that this CPU has."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface import _native, _reference

ISAS = _native.supported_isas()
WIDTHS = {
    "scalar": (1,),
    "sse41": (4, 16),
    "avx2": (8, 32),
    "avx512vnni": (16, 64),
    "neon": (4, 16),
    "neondot": (4, 16),
}  # elements a step of each loop
COMMON_SIZES = (0, 1, 97, 511, 512, 513)

# Float error of a dot product, as a share of sum(|a * b|): 32 rounded additions in a chain of
# a 1024-element SIMD dot product, and the sum of its lanes, at 2**-24 each; with a margin.
DOT_TOLERANCE = 4e-6


def sizes(isa: str) -> list[int]:
    around = {width + step for width in WIDTHS[isa] for step in (-1, 0, 1)}
    return sorted(around | set(COMMON_SIZES))


KERNEL_CASES = [
    pytest.param(isa, size, offset, id=f"{isa}-{size}-{'misaligned' if offset else 'aligned'}")
    for isa in ISAS
    for size in sizes(isa)
    for offset in (0, 1)
]


def unit_rows(rows: int, columns: int, *, seed: int = 0, offset: int = 0) -> np.ndarray:
    """Random unit rows; ``offset`` elements past where NumPy would align them."""
    storage = np.empty(rows * columns + offset, dtype=np.float32)
    matrix = storage[offset:].reshape(rows, columns)
    matrix[:] = np.random.default_rng(seed).standard_normal((rows, columns))
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return matrix


def assert_close(found: float, a: np.ndarray, b: np.ndarray) -> None:
    products = a.astype(np.float64) * b.astype(np.float64)
    assert abs(found - products.sum()) <= DOT_TOLERANCE * np.abs(products).sum()


@pytest.mark.parametrize(("isa", "size", "offset"), KERNEL_CASES)
def test_dot_matches_reference(isa: str, size: int, offset: int) -> None:
    a = unit_rows(1, size, seed=1, offset=offset)[0]
    b = unit_rows(1, size, seed=2, offset=offset)[0]
    assert_close(_native.dot_f32(a, b, isa=isa), a, b)
    assert abs(_native.dot_f32(a, b, isa=isa) - _reference.dot_f32(a, b)) <= DOT_TOLERANCE


@pytest.mark.parametrize(("isa", "size", "offset"), KERNEL_CASES)
def test_dot_reads_every_element_once(isa: str, size: int, offset: int) -> None:
    # Small integers are exact in float32, so one lost or doubled element shows.
    storage = np.arange(size + offset, dtype=np.float32) % 251
    values = storage[offset:]
    assert _native.dot_f32(values, np.ones_like(values), isa=isa) == values.sum(dtype=np.float64)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("position", [0, 31, 96, 511])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_dot_passes_on_values_that_are_not_finite(isa: str, position: int, value: float) -> None:
    a = np.full(512, 0.5, dtype=np.float32)
    a[position] = value
    result = _native.dot_f32(a, np.ones_like(a), isa=isa)
    assert np.isnan(result) if np.isnan(value) else result == value


@pytest.mark.parametrize("isa", ISAS)
def test_dot_of_cancelling_large_values_stays_within_tolerance(isa: str) -> None:
    a = np.tile(np.array([1e15, -1e15, 1.0], dtype=np.float32), 171)
    b = np.full_like(a, 1e15)
    assert_close(_native.dot_f32(a, b, isa=isa), a, b)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("columns", [1, 97, 512])
@pytest.mark.parametrize("rows", [1, 2, 7, 300])
@pytest.mark.parametrize("offset", [0, 1])
def test_topk_matches_reference(isa: str, rows: int, columns: int, offset: int) -> None:
    gallery = unit_rows(rows, columns, seed=rows, offset=offset)
    probe = unit_rows(1, columns, seed=9, offset=offset)[0]
    for k in (1, 2, rows):
        indices, scores = _native.cosine_topk(gallery, probe, k, isa=isa)
        expected = _reference.cosine_topk(gallery, probe, k)[1]
        assert indices.dtype == np.int64 and scores.dtype == np.float32
        np.testing.assert_allclose(scores, expected, rtol=0, atol=DOT_TOLERANCE)
        # Rows whose scores differ by less than the tolerance may change places.
        np.testing.assert_allclose(gallery[indices] @ probe, expected, rtol=0, atol=DOT_TOLERANCE)
        assert len(set(indices.tolist())) == len(indices)


@pytest.mark.parametrize("isa", ISAS)
def test_batch_equals_one_probe_at_a_time(isa: str) -> None:
    gallery, probes = unit_rows(200, 512, seed=3), unit_rows(9, 512, seed=4)
    indices, scores = _native.cosine_topk_batch(gallery, probes, 5, isa=isa)
    assert indices.shape == scores.shape == (9, 5)
    for row, probe in enumerate(probes):
        one_indices, one_scores = _native.cosine_topk(gallery, probe, 5, isa=isa)
        np.testing.assert_array_equal(indices[row], one_indices)
        np.testing.assert_array_equal(scores[row], one_scores)


@pytest.mark.parametrize("isa", ISAS)
def test_equal_scores_come_by_lower_index(isa: str) -> None:
    gallery = np.repeat(unit_rows(4, 64, seed=5), 50, axis=0)
    indices, scores = _native.cosine_topk(gallery, gallery[70], 60, isa=isa)
    assert indices[:50].tolist() == list(range(50, 100))
    assert (np.diff(scores) <= 0).all() and (np.diff(indices[50:]) > 0).all()


@pytest.mark.parametrize("isa", ISAS)
def test_zero_vectors_score_zero(isa: str) -> None:
    gallery = np.zeros((3, 512), dtype=np.float32)
    indices, scores = _native.cosine_topk(gallery, unit_rows(1, 512)[0], 3, isa=isa)
    assert indices.tolist() == [0, 1, 2] and scores.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("isa", ISAS)
def test_k_above_the_number_of_rows_gives_every_row(isa: str) -> None:
    gallery = unit_rows(3, 512)
    indices, scores = _native.cosine_topk(gallery, gallery[1], 2**62, isa=isa)
    assert sorted(indices.tolist()) == [0, 1, 2] and indices[0] == 1 and scores.shape == (3,)


@pytest.mark.parametrize("isa", ISAS)
def test_empty_gallery_gives_empty_results(isa: str) -> None:
    gallery = np.zeros((0, 512), dtype=np.float32)
    indices, scores = _native.cosine_topk(gallery, unit_rows(1, 512)[0], 5, isa=isa)
    assert indices.shape == scores.shape == (0,)
    batch = _native.cosine_topk_batch(gallery, unit_rows(2, 512), 5, isa=isa)
    assert batch[0].shape == batch[1].shape == (2, 0)
    none = _native.cosine_topk_batch(unit_rows(4, 8), np.zeros((0, 8), dtype=np.float32), 2)
    assert none[0].shape == none[1].shape == (0, 2)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_row_without_a_finite_score_is_named(isa: str, value: float) -> None:
    gallery, probe = unit_rows(40, 512), unit_rows(1, 512, seed=8)[0]
    gallery[17] = value
    probe[:] = np.abs(probe)
    with pytest.raises(ValueError, match="gallery row 17 holds NaN, infinity"):
        _native.cosine_topk(gallery, probe, 3, isa=isa)


def test_probe_that_is_not_finite_is_refused_even_for_an_empty_gallery() -> None:
    probe = np.full(8, np.nan, dtype=np.float32)
    for rows in (0, 3):
        with pytest.raises(ValueError, match="probe holds NaN"):
            _native.cosine_topk(np.zeros((rows, 8), dtype=np.float32), probe, 1)


@given(data=st.data(), rows=st.integers(0, 40), columns=st.integers(0, 70), k=st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_topk_equals_reference_on_exact_numbers(data, rows: int, columns: int, k: int) -> None:
    # Small integers make every ISA exact, so that order and ties must agree to the letter.
    integers = st.lists(st.integers(-3, 3), min_size=columns, max_size=columns)
    gallery = data.draw(st.lists(integers, min_size=rows, max_size=rows))
    gallery = np.array(gallery, dtype=np.float32).reshape(rows, columns)
    probe = np.array(data.draw(integers), dtype=np.float32)
    expected = _reference.cosine_topk(gallery, probe, k)
    for isa in ISAS:
        found = _native.cosine_topk(gallery, probe, k, isa=isa)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_read_only_arrays_are_accepted() -> None:
    gallery = unit_rows(5, 32)
    gallery.flags.writeable = False
    assert _native.cosine_topk(gallery, gallery[2], 1)[0].tolist() == [2]


GOOD = unit_rows(4, 8)
BAD_GALLERIES = {
    "list": (GOOD.tolist(), TypeError, "gallery is a list; expected a C-contiguous float32"),
    "float64": (GOOD.astype(np.float64), ValueError, r"gallery is float64 of shape \(4, 8\)"),
    "int8": (GOOD.astype(np.int8), ValueError, "int8 .* numpy.ascontiguousarray"),
    "big-endian": (GOOD.astype(">f4"), ValueError, "gallery is >f4"),
    "vector": (GOOD[0], ValueError, r"shape \(8,\); expected .* shape \(N, D\)"),
    "cube": (GOOD[np.newaxis], ValueError, r"shape \(1, 4, 8\)"),
    "fortran": (np.asfortranarray(GOOD), ValueError, "not C-contiguous"),
    "strided": (unit_rows(4, 16)[:, ::2], ValueError, "not C-contiguous"),
    "odd bytes": (
        np.frombuffer(b"x" + GOOD.tobytes(), dtype=np.float32, offset=1).reshape(4, 8),
        ValueError,
        "not C-contiguous and aligned",
    ),
    "other width": (unit_rows(4, 9), ValueError, "probe has 8 elements .* rows have 9"),
}


@pytest.mark.parametrize("case", BAD_GALLERIES)
def test_wrong_gallery_is_refused_with_what_was_found(case: str) -> None:
    gallery, error, message = BAD_GALLERIES[case]
    with pytest.raises(error, match=message):
        _native.cosine_topk(gallery, GOOD[0], 1)


def test_wrong_probe_and_k_are_refused() -> None:
    with pytest.raises(ValueError, match=r"probe is float32 of shape \(1, 8\)"):
        _native.cosine_topk(GOOD, GOOD[:1], 1)
    with pytest.raises(ValueError, match="k is 0; expected at least 1"):
        _native.cosine_topk(GOOD, GOOD[0], 0)
    with pytest.raises(TypeError):
        _native.cosine_topk(GOOD, GOOD[0], 1.5)


def test_search_lets_other_threads_run() -> None:
    gallery, probes = unit_rows(20000, 512), unit_rows(16, 512, seed=1)
    started, done, ticks = threading.Event(), threading.Event(), 0

    def search() -> None:
        started.set()
        _native.cosine_topk_batch(gallery, probes, 1, isa="scalar")
        done.set()

    thread = threading.Thread(target=search)
    thread.start()
    started.wait()
    while not done.wait(0.001):
        ticks += 1
    thread.join()
    assert ticks >= 5  # holding the GIL, the search would be over at the first tick
