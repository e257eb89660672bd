"""Bad input to an index is a clear error."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface.errors import GalleryError
from edgeface.index import CosineIndex
from tests.index.conftest import unit_rows

GOOD = unit_rows(20, 8)
NAN = GOOD.copy()
NAN[17, 3] = np.nan
INFINITE = GOOD.copy()
INFINITE[4, 0] = np.inf


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD.tolist(), "list.*expected a float32 ndarray"),
        (GOOD.astype(np.float64), "float64"),
        (GOOD[0], r"\(8,\)"),
        (NAN, "row 17 .*nan"),
        (INFINITE, "row 4 .*inf"),
        (np.zeros((2, 0), np.float32), "0 dimensions; expected 1 to 4096"),
        (unit_rows(1, 4097), "4097 dimensions; expected 1 to 4096"),
        (GOOD * 1.01, "row 0 has the length 1.01"),
    ],
)
def test_rows_are_refused_with_what_was_found(rows: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        CosineIndex.build(rows)


@pytest.mark.parametrize("rows", [np.asfortranarray(GOOD), np.repeat(GOOD, 2, axis=1)[:, ::2]])
def test_rows_of_another_layout_are_copied_right_or_refused(rows: np.ndarray) -> None:
    assert not rows.flags.c_contiguous
    found = CosineIndex.build(rows).search(GOOD[7], 20)
    np.testing.assert_array_equal(found.scores, CosineIndex.build(GOOD).search(GOOD[7], 20).scores)
    with pytest.raises(ValueError, match="C-contiguous"):
        CosineIndex.build(rows, copy=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int4"}, "int4.*int8.*float32"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threads": 0}, "threads is 0"),
        ({"threads": 10**6}, "threads is 1000000; expected 1 to 256"),
        ({"cpus": [9999]}, r"cpus are \[9999\]; expected some of"),
        ({"cpus": []}, "cpus are"),
        ({"isa": "mmx"}, "unknown ISA 'mmx'"),
    ],
)
def test_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CosineIndex.build(GOOD, **options)


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (GOOD[:2], r"\(2, 8\)"),
        (GOOD[0].tolist(), "list"),
        (GOOD[0].astype(np.float16), "float16"),
        (unit_rows(1, 9)[0], "9 elements .* 8"),
        (NAN[17], "probe 0 .*nan"),
        (GOOD[0] * 2, "probe 0 has the length 2"),
        (unit_rows(1, 16)[0, ::2], "C-contiguous"),
    ],
)
def test_probe_is_refused(probe: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        CosineIndex.build(GOOD).search(probe, 1)


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_k_is_refused(k: object) -> None:
    with pytest.raises(ValueError, match="k is"):
        CosineIndex.build(GOOD).search(GOOD[0], k)


def test_empty_index_answers_with_nothing_and_grows() -> None:
    index = CosineIndex.build(np.zeros((0, 8), np.float32))
    assert len(index) == 0 and len(index.search(GOOD[0], 5).indices) == 0
    assert index.search_batch(np.zeros((0, 8), np.float32), 5) == ()
    assert index.add(GOOD[3]) == 0
    assert index.search(GOOD[3], 5).indices.tolist() == [0]


def test_read_only_rows_are_accepted() -> None:
    rows = GOOD.copy()
    rows.flags.writeable = False
    assert CosineIndex.build(rows).search(rows[2], 1).indices.tolist() == [2]
    index = CosineIndex.build(rows, copy=False)
    assert index.search(rows[2], 1).indices.tolist() == [2]
    with pytest.raises(GalleryError, match="can only be read"):
        index.remove(2)


def test_k_above_the_number_of_rows_gives_every_row() -> None:
    assert len(CosineIndex.build(GOOD).search(GOOD[0], 2**62).indices) == len(GOOD)
