"""CosineIndex: who is most alike, exactly, while reading a fraction of the gallery.

Rows are kept three times: as float32, read only where a score is computed; as INT8; and, where a
threshold is known, as a 4-bit sketch of their leading principal components. The small copies give
an upper bound of every cosine (Cauchy and Schwarz; csrc/encode.h has the derivation), and only rows
whose bound reaches the threshold and the k-th best so far are read in full. Results are those of a
full float32 scan, to the last bit.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgeface import _native
from edgeface.errors import GalleryError
from edgeface.index_arrays import IndexArrays, require_cpus, require_threshold
from edgeface.index_file import read_index_file, write_index_file
from edgeface.index_sketch import learn_sketch

PRECISIONS = ("int8", "float32")
MOST_THREADS = 256


class Matches(NamedTuple):
    """The best rows of one probe, best first; equal scores by lower index.

    indices: (m,) int64. scores: (m,) float32 cosine, each the float32 dot product.
    """

    indices: np.ndarray
    scores: np.ndarray


class ScanCost(NamedTuple):
    """What one search read, and the share of the INT8 codes' bytes that all of it makes."""

    sketch_rows: int
    code_rows: int
    float_rows: int
    fraction: float


class CosineIndex:
    """Unit vectors, searched exactly. Threads may search and change one at the same time.

    Make it with `build` or `open`. In the child of a fork it searches on one thread, and only if no
    other thread was in it at that moment: better build or open another there.
    """

    def __init__(
        self,
        arrays: IndexArrays,
        *,
        size: int,
        threads: int = 1,
        cpus: Sequence[int] | None = None,
        isa: str | None = None,
    ) -> None:
        whole = isinstance(threads, int) and not isinstance(threads, bool)
        if not whole or not 1 <= threads <= MOST_THREADS:
            raise ValueError(f"threads is {threads!r}; expected 1 to {MOST_THREADS}")
        self._workers = {"threads": threads, "cpus": require_cpus(cpus), "isa": isa}
        self._arrays = arrays
        self._lock = threading.Lock()  # of changes; searches take what they find
        self._native = self._bound(arrays, size)

    @classmethod
    def build(
        cls,
        rows: np.ndarray,
        *,
        precision: str = "int8",
        threshold: float | None = None,
        copy: bool = True,
        threads: int = 1,
        cpus: Sequence[int] | None = None,
        isa: str | None = None,
    ) -> CosineIndex:
        """Index a gallery.

        Parameters
        ----------
        rows : (N, D) float32 ndarray
            Unit L2 rows, D at most 4096. N may be 0.
        precision : str
            ``"int8"`` scans INT8 codes first; ``"float32"`` keeps none, which saves a fifth of the
            memory.
        threshold : float or None
            The least cosine that will be asked for, -1 to 1. With it the 4-bit sketch is learned
            from ``rows``, where there are enough of them and it saves reading. Searches with
            another threshold stay exact.
        copy : bool
            False searches in ``rows`` themselves, C-contiguous, which nobody else may change then;
            `update`, `add` and `remove` write to them, unless they are read-only.
        threads : int
            Threads of one search, the caller's among them.
        cpus : sequence of int, or None
            CPUs to search on, one pinned thread for each, in place of ``threads``: for instance
            the four big cores of a big.LITTLE board. What is read in less time than waking them
            takes (2 MB), and what is asked while they are busy, the calling thread does itself.
        isa : str or None
            Run this ISA's kernels in place of the active ones (for tests).

        Raises
        ------
        TypeError, ValueError
            Wrong type, shape, dtype or layout; NaN or rows longer than 1; unknown CPU or ISA.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; expected one of {PRECISIONS}")
        if not isinstance(rows, np.ndarray) or rows.dtype != np.float32 or rows.ndim != 2:
            found = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows)
            raise ValueError(f"rows are {found}; expected a float32 ndarray of shape (N, D)")
        sketch = None
        if threshold is not None:
            sketch = learn_sketch(rows, threshold=require_threshold(threshold))
        arrays = IndexArrays.around(rows, copy=copy, codes=precision == "int8", sketch=sketch)
        index = cls(arrays, size=0, threads=threads, cpus=cpus, isa=isa)
        index._native.set_rows(arrays.rows, first=0)
        return index

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        verify: bool = True,
        writable: bool = False,
        threads: int = 1,
        cpus: Sequence[int] | None = None,
        isa: str | None = None,
    ) -> CosineIndex:
        """Map a file that `save` wrote; it may be larger than memory.

        Parameters
        ----------
        path : str or Path
            The file. It must not be overwritten in place while it is open; `save` replaces it.
        verify : bool
            Compare every byte with the hash in the file first, which reads all of it once.
        writable : bool
            Allow changes. They stay in memory, in the pages they touch, until they are saved; the
            system must be able to hold a copy of the file.

        Raises
        ------
        GalleryFormatError
            Not an index, of a newer version, truncated or damaged.
        GalleryError
            The file cannot be read.
        """
        arrays, size = read_index_file(Path(path), verify=verify, writable=writable)
        return cls(arrays, size=size, threads=threads, cpus=cpus, isa=isa)

    @property
    def dim(self) -> int:
        """Length of a row."""
        return self._arrays.rows.shape[1]

    @property
    def sketch_dims(self) -> int:
        """Dimensions of the 4-bit sketch; 0 where there is none."""
        return 0 if self._arrays.steps is None else len(self._arrays.steps)

    def __len__(self) -> int:
        """Rows in use."""
        return int(self._arrays.used.sum())

    def search(self, probe: np.ndarray, k: int, *, threshold: float | None = None) -> Matches:
        """Find the best rows for one probe.

        Parameters
        ----------
        probe : (D,) float32 ndarray
            Of unit length.
        k : int
            How many rows to return at most, at least 1.
        threshold : float or None
            Return only rows with at least this cosine; None returns the best k, however low.

        Raises
        ------
        TypeError, ValueError
            Wrong type, shape, dtype or layout; NaN; k below 1; threshold outside -1 to 1.
        """
        return self._search(_one_row(probe), k, threshold)[0][0]

    def search_batch(
        self, probes: np.ndarray, k: int, *, threshold: float | None = None
    ) -> tuple[Matches, ...]:
        """Do `search` for each row of probes (Q, D) in one pass over the gallery."""
        return self._search(probes, k, threshold)[0]

    def cost(self, probe: np.ndarray, k: int, *, threshold: float | None = None) -> ScanCost:
        """Run `search` and say what it read, instead of what it found."""
        _, (sketch_blocks, code_blocks, rows) = self._search(_one_row(probe), k, threshold)
        arrays = self._arrays
        read = sketch_blocks * arrays.sketch_block_bytes + code_blocks * arrays.code_block_bytes
        whole = max(1, -(-self._native.size // 16) * arrays.code_block_bytes)
        fraction = (read + rows * self.dim * 4) / whole
        return ScanCost(16 * sketch_blocks, 16 * code_blocks, rows, fraction)

    def update(self, index: int, row: np.ndarray) -> None:
        """Replace a row in place; a search sees the old one or the new one.

        Raises ``LookupError`` when no row is in use at ``index``, ``ValueError`` as `build`, and
        ``GalleryError`` when the index was opened to read.
        """
        with self._lock:
            self._require_writable()
            self._require_used(index)
            self._native.set_rows(_one_row(row), first=index)

    def remove(self, index: int) -> None:
        """Remove a row and wipe its place; other rows keep their index.

        Raises ``LookupError`` when no row is in use at ``index``, and ``GalleryError`` when the
        index was opened to read.
        """
        with self._lock:
            self._require_writable()
            self._require_used(index)
            self._native.remove(index)

    def add(self, row: np.ndarray) -> int:
        """Add a row, (D,) float32 of unit length, and return its index.

        The places of removed rows are used first. When there is none, memory grows by half.
        """
        with self._lock:
            self._require_writable()
            place = self._free_place()
            self._native.set_rows(_one_row(row), first=place)
            return place

    def save(self, path: str | Path) -> None:
        """Write everything into one file, atomically; `GalleryError` when the disk refuses it."""
        with self._lock:
            write_index_file(Path(path), self._arrays, size=self._native.size)

    def _search(self, probes: np.ndarray, k: int, threshold: float | None) -> tuple:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"k is {k!r}; expected a whole number of at least 1")
        least = -np.inf if threshold is None else require_threshold(threshold)
        found, counts = self._native.search(probes, k=min(int(k), 1 << 62), threshold=least)
        return tuple(map(Matches._make, found)), counts

    def _bound(self, arrays: IndexArrays, size: int) -> _native.Index:
        return _native.Index(**arrays.members(), size=size, **self._workers)

    def _free_place(self) -> int:
        used = self._arrays.used
        place = int(used.argmin()) if len(used) else 0
        if place < len(used) and not used[place]:
            return place
        size = self._native.size
        self._arrays = self._arrays.grown()
        self._native = self._bound(self._arrays, size)
        return size

    def _require_writable(self) -> None:
        if not (self._arrays.used.flags.writeable and self._arrays.rows.flags.writeable):
            raise GalleryError(
                "this index can only be read: open it with writable=True, or build with copy=True"
            )

    def _require_used(self, index: int) -> None:
        used = self._arrays.used
        if not 0 <= index < len(used) or not used[index]:
            raise LookupError(f"no row is in use at index {index}; there are {int(used.sum())}")


def _one_row(vector: np.ndarray) -> np.ndarray:
    if not isinstance(vector, np.ndarray) or vector.ndim != 1:
        found = vector.shape if isinstance(vector, np.ndarray) else type(vector).__name__
        raise ValueError(f"found {found}; expected one float32 vector of shape (D,)")
    return vector[np.newaxis]
