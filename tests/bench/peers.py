"""Other libraries' exact searches, each by the fastest call that it offers for the job.

A peer gets its gallery and its probes in its own type beforehand, and its own way of setting
threads. A library that only computes scores (simsimd, numkong, NumPy) is given `best` to rank them,
which is quicker than ``argpartition``.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from tests.bench.contender import Contender
from tests.bench.machine import installed

K = 5
CHUNK = 1 << 16
BLOCK = 128
PACKAGES = ("faiss-cpu", "usearch", "simsimd", "numkong", "numpy")


@dataclass(frozen=True)
class Gallery:
    """Unit rows (N, D) float32, and on demand the same as INT8 codes with one scale for all."""

    rows: np.ndarray

    @cached_property
    def scale(self) -> float:
        """Codes per unit: the largest element becomes 127."""
        return 127 / max(np.abs(part).max() for part in chunks(self.rows))

    @cached_property
    def codes(self) -> np.ndarray:
        """(N, D) int8."""
        codes = np.empty(self.rows.shape, np.int8)
        for target, part in zip(chunks(codes), chunks(self.rows)):
            target[:] = self.encoded(part)
        return codes

    def encoded(self, rows: np.ndarray) -> np.ndarray:
        """Rows as INT8; a probe's elements may be beyond the gallery's largest."""
        return np.clip(np.rint(rows * self.scale), -127, 127).astype(np.int8)


def chunks(rows: np.ndarray):
    """Views of some rows at a time."""
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


def best(scores: np.ndarray, k: int = K) -> np.ndarray:
    """Indices of the k highest of (N,) scores, best first, by the maxima of blocks.

    The k-th highest block maximum is a bound that the k best reach and few others do.
    """
    whole = len(scores) // BLOCK * BLOCK
    bound = -np.inf
    if whole >= k * BLOCK:
        maxima = scores[:whole].reshape(-1, BLOCK).max(axis=1)
        bound = np.partition(maxima, -k)[-k]
    candidates = np.flatnonzero(scores >= bound)
    return candidates[np.argsort(-scores[candidates], kind="stable")[:k]]


def ranked(scores: np.ndarray) -> list[np.ndarray]:
    """`best` of each row of (Q, N) scores."""
    return [best(row) for row in np.asarray(scores)]


def missing() -> list[str]:
    """Peers that are not installed."""
    return [name for name in PACKAGES if installed(name) is None]


def peers(precision: str, threads: int) -> list[Contender]:
    """Contenders of the installed peers that work in ``precision``, "int8" or "float32"."""
    makers: dict[str, Callable[..., list[Contender]]] = {
        "simsimd": _simsimd,  # first: imported after usearch it takes no array's dtype any more
        "faiss-cpu": _faiss,
        "usearch": _usearch,
        "numkong": _numkong,
        "numpy": _numpy,
    }
    absent = missing()
    return [
        contender
        for package, make in makers.items()
        if package not in absent
        for contender in make(precision, threads)
    ]


@contextlib.contextmanager
def peer_threads(threads: int):
    """Hold OpenMP (faiss) and BLAS (NumPy) to so many threads, where they are installed."""
    if installed("faiss-cpu"):
        importlib.import_module("faiss").omp_set_num_threads(threads)
    if installed("threadpoolctl") is None:
        yield
        return
    with importlib.import_module("threadpoolctl").threadpool_limits(threads):
        yield


def _in(precision: str) -> tuple[Callable, Callable]:
    """How a gallery's rows are had in a precision, and a probe."""
    if precision == "int8":
        return (lambda gallery: gallery.codes), (lambda gallery, probes: gallery.encoded(probes))
    return (lambda gallery: gallery.rows), (lambda gallery, probes: probes)


def _faiss(precision: str, threads: int) -> list[Contender]:
    faiss = importlib.import_module("faiss")
    rows_in, probes_in = _in(precision)

    def build(gallery: Gallery):
        index = _faiss_index(faiss, precision, gallery.rows.shape[1])
        for part in chunks(rows_in(gallery)):
            index.add(part.astype(np.float32))
        return index

    name = "IndexScalarQuantizer 8bit_direct_signed" if precision == "int8" else "IndexFlatIP"
    return [
        Contender(
            f"faiss {name}",
            precision,
            build,
            lambda index, probes: index.search(probes, K)[1],
            lambda gallery, probes: probes_in(gallery, probes).astype(np.float32),
        )
    ]


def _faiss_index(faiss: ModuleType, precision: str, dim: int):
    if precision == "float32":
        return faiss.IndexFlatIP(dim)
    kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
    index = faiss.IndexScalarQuantizer(dim, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(np.zeros((1, dim), np.float32))  # nothing to learn, but add() asks for it
    return index


def _usearch(precision: str, threads: int) -> list[Contender]:
    usearch = importlib.import_module("usearch.index")
    rows_in, probes_in = _in(precision)

    def search(rows: np.ndarray, probes: np.ndarray) -> np.ndarray:
        found = usearch.search(rows, probes, K, usearch.MetricKind.IP, exact=True, threads=threads)
        return np.atleast_2d(found.keys)

    return [Contender("usearch exact", precision, rows_in, search, probes_in)]


def _simsimd(precision: str, threads: int) -> list[Contender]:
    simsimd = importlib.import_module("simsimd")
    rows_in, probes_in = _in(precision)

    def search(rows: np.ndarray, probes: np.ndarray) -> list[np.ndarray]:
        return ranked(simsimd.cdist(probes, rows, "dot", threads=threads, out_dtype="float32"))

    return [Contender("simsimd cdist", precision, rows_in, search, probes_in)]


def _numkong(precision: str, threads: int) -> list[Contender]:
    numkong = importlib.import_module("numkong")
    rows_in, probes_in = _in(precision)
    packed = Contender(
        "numkong dots_packed",
        precision,
        lambda gallery: numkong.dots_pack(rows_in(gallery)),
        lambda pack, probes: ranked(numkong.dots_packed(probes, pack, threads=threads)),
        probes_in,
    )
    if precision == "float32":
        return [packed]  # its float32 cdist takes eight times as long
    plain = Contender(
        "numkong cdist",
        precision,
        rows_in,
        lambda rows, probes: ranked(numkong.cdist(probes, rows, "dot", threads=threads)),
        probes_in,
    )
    return [packed, plain]


def _numpy(precision: str, threads: int) -> list[Contender]:
    if precision == "int8":
        return []  # NumPy has no BLAS for integers
    return [
        Contender(
            "NumPy matmul",
            precision,
            lambda gallery: gallery.rows,
            lambda rows, probes: ranked(probes @ rows.T),
            lambda gallery, probes: probes,
        )
    ]
