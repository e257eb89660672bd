"""An index gives what a full float32 scan gives, to the last bit, and reads less."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface import _native
from edgeface.index import CosineIndex
from tests.index.conftest import assert_same, clustered, full_scan, unit, unit_rows

ISAS = _native.supported_isas()
THRESHOLDS = (None, -1.0, 0.0, 0.3, 0.3923, 0.9, 1.0)


def assert_exact(index: CosineIndex, rows: np.ndarray, probes: np.ndarray, isa=None) -> None:
    for probe in probes:
        for k in (1, 5, 700):
            for threshold in THRESHOLDS:
                expected = full_scan(rows, probe, k, threshold, isa)
                assert_same(index.search(probe, k, threshold=threshold), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize(
    ("rows", "dim"), [(1, 1), (15, 3), (16, 512), (17, 97), (700, 511), (700, 513)]
)
def test_random_rows(isa: str, precision: str, rows: int, dim: int) -> None:
    gallery = unit_rows(rows, dim, seed=rows)
    index = CosineIndex.build(gallery, precision=precision, threshold=0.3, isa=isa)
    assert_exact(index, gallery, np.concatenate([gallery[-1:], unit_rows(2, dim, seed=9)]), isa)


@pytest.mark.parametrize("isa", ISAS)
def test_rows_with_a_sketch(isa: str, sketched_rows: np.ndarray) -> None:
    index = CosineIndex.build(sketched_rows, threshold=0.4, isa=isa)
    assert index.sketch_dims > 0
    probes = unit(sketched_rows[:3] + 0.02 * unit_rows(3, seed=1))
    assert_exact(index, sketched_rows, probes, isa)


@pytest.mark.parametrize("isa", ISAS)
def test_near_duplicates_and_ties(isa: str) -> None:
    gallery = clustered(5000)
    index = CosineIndex.build(gallery, threshold=0.4, isa=isa)
    assert_exact(index, gallery, gallery[:3], isa)


@pytest.mark.parametrize("isa", ISAS)
def test_real_embeddings_at_the_default_threshold(isa: str, real_rows: np.ndarray, pipeline):
    threshold = pipeline.bundle.threshold()
    index = CosineIndex.build(real_rows, threshold=threshold, isa=isa)
    assert index.sketch_dims > 0
    for row in range(0, 300, 7):
        probe = unit(real_rows[row : row + 1] + 0.01 * unit_rows(1, seed=row))[0]
        expected = full_scan(real_rows, probe, 50, threshold, isa)
        assert_same(index.search(probe, 50, threshold=threshold), expected)


def test_sketch_reads_a_fraction_of_real_embeddings(real_rows: np.ndarray, pipeline) -> None:
    threshold = pipeline.bundle.threshold()
    index = CosineIndex.build(real_rows, threshold=threshold)
    costs = [index.cost(real_rows[i], 5, threshold=threshold).fraction for i in range(0, 600, 20)]
    assert np.mean(costs) < 0.35  # 0.22 when written


def test_threshold_that_is_a_score_keeps_that_row(sketched: CosineIndex, sketched_rows) -> None:
    probe = unit_rows(1, seed=3)[0]
    for score in full_scan(sketched_rows, probe, 20, None).scores:
        at, above = float(score), float(np.nextafter(np.float64(score), 2))
        assert sketched.search(probe, 4500, threshold=at).scores[-1] == score
        assert (sketched.search(probe, 4500, threshold=above).scores > score).all()


@given(seed=st.integers(0, 10**6), rows=st.integers(0, 90), k=st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_any_small_gallery(seed: int, rows: int, k: int) -> None:
    gallery, probe = clustered(rows, seed=seed), unit_rows(1, seed=seed)[0]
    threshold = float(np.random.default_rng(seed).uniform(-1, 1))
    for isa in ISAS:
        index = CosineIndex.build(gallery, isa=isa)
        expected = full_scan(gallery, probe, k, threshold, isa)
        assert_same(index.search(probe, k, threshold=threshold), expected)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_batch_on_any_number_of_threads_equals_single_searches(
    threads: int, sketched_rows: np.ndarray
) -> None:
    index = CosineIndex.build(sketched_rows, threshold=0.4, threads=threads)
    probes = np.ascontiguousarray(sketched_rows[::200])
    for threshold in (None, 0.4):
        answers = index.search_batch(probes, 7, threshold=threshold)
        assert len(answers) == len(probes)
        for probe, found in zip(probes, answers):
            assert_same(found, full_scan(sketched_rows, probe, 7, threshold))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("count", [7, 8, 33])
@pytest.mark.parametrize("rows", [1, 15, 17, 530])
def test_float_batch_of_any_size_equals_single_searches(isa: str, count: int, rows: int) -> None:
    gallery, probes = clustered(rows), unit_rows(count, seed=2)
    probes[0] = gallery[-1]
    index = CosineIndex.build(gallery, precision="float32", isa=isa)
    for threshold in (None, 0.05):
        for probe, found in zip(probes, index.search_batch(probes, 6, threshold=threshold)):
            assert_same(found, full_scan(gallery, probe, 6, threshold, isa))


def test_search_on_named_cpus(sketched_rows: np.ndarray) -> None:
    import os

    cpus = sorted(os.sched_getaffinity(0))
    index = CosineIndex.build(sketched_rows, threshold=0.4, cpus=cpus)
    probes = np.ascontiguousarray(sketched_rows[:64])  # few are answered by the caller's thread
    for probe, found in zip(probes, index.search_batch(probes, 5)):
        assert_same(found, full_scan(sketched_rows, probe, 5, None))
    assert sorted(os.sched_getaffinity(0)) == cpus  # the caller's own affinity is left alone


def test_bounds_hold_for_rows_unlike_those_the_sketch_was_learned_from(
    sketched_rows: np.ndarray,
) -> None:
    strange = unit_rows(800, seed=11)
    rows = np.concatenate([sketched_rows, strange])
    index = CosineIndex.build(sketched_rows, threshold=0.4)
    for row in strange:
        index.add(row)
    for probe in (strange[5], unit((strange[6] + sketched_rows[7])[None])[0]):
        assert_same(index.search(probe, 9, threshold=0.4), full_scan(rows, probe, 9, 0.4))


def test_one_axis_probes_and_zero_vectors() -> None:
    gallery = np.concatenate([np.eye(512, dtype=np.float32), np.zeros((3, 512), np.float32)])
    for precision in ("int8", "float32"):
        index = CosineIndex.build(gallery, precision=precision)
        for probe in (gallery[5], -gallery[5], gallery[-1]):
            assert_same(index.search(probe, 600), full_scan(gallery, probe, 600, None))
