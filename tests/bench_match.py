"""Exact cosine matching against other libraries, in one process: ``python -m tests.bench_match``.

Every cell (gallery, size, threads, batch, probe) is timed with all its contenders taking turns,
after each has found what an exact float search finds: those that lose something by quantising have
their recall printed. INT8 and float32 contenders are compared among themselves.
"""

from __future__ import annotations

import os

if __name__ == "__main__":  # before NumPy is imported: where these pin old kernels, they slow it
    os.environ.pop("OPENBLAS_CORETYPE", None)
    os.environ.pop("OPENBLAS_L2_SIZE", None)

import argparse
import gc
import itertools
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgeface import _native
from edgeface.bundle import Bundle
from edgeface.index import CosineIndex
from tests.bench import gallery as galleries
from tests.bench import machine
from tests.bench.contender import Contender, interleaved
from tests.bench.peers import CHUNK, Gallery, K, missing, peer_threads, peers
from tests.bench.report import fact_list, print_row, write_json

SIZES = (1_000, 10_000, 100_000, 1_000_000)
BATCHES = (1, 32)
SINGLE_PROBES = 8
READ = "reading the codes"
FAR_BEYOND_CACHE = 1 << 28  # bytes
SAME_SCORE = 1e-5  # two rows that an exact search in float32 may return for each other


@dataclass(frozen=True)
class Cell:
    """What a row of results was measured with."""

    gallery: str
    size: int
    precision: str
    threads: int
    batch: int
    probe: str


def ours(precision: str, threads: int, threshold: float) -> list[Contender]:
    """Our searches: all rows and, in INT8, exactly those that reach the threshold."""

    def contender(name: str, least: float | None) -> Contender:
        def build(gallery: Gallery) -> CosineIndex:
            return CosineIndex.build(
                gallery.rows, precision=precision, threads=threads, threshold=least
            )

        def search(index: CosineIndex, probes: np.ndarray) -> list[np.ndarray]:
            if len(probes) == 1:
                return [index.search(probes[0], K, threshold=least).indices]
            return [found.indices for found in index.search_batch(probes, K, threshold=least)]

        return Contender(name, precision, build, search, ours=True)

    full = contender("edgeface", None)
    return [full, contender("edgeface ≥ τ", threshold)] if precision == "int8" else [full]


def exact_scores(rows: np.ndarray, probes: np.ndarray) -> np.ndarray:
    """(Q, N) float32 cosines."""
    scores = np.empty((len(probes), len(rows)), np.float32)
    for start in range(0, len(rows), CHUNK):
        scores[:, start : start + CHUNK] = probes @ rows[start : start + CHUNK].T
    return scores


def recall(found, scores: np.ndarray, least: float) -> float:
    """Share of the K best rows, of those that reach ``least``, that a contender found."""
    hits = wanted = 0
    for indices, row in zip(found, scores):
        kth = np.partition(row, -K)[-K]
        count = min(K, int((row >= max(kth, least + SAME_SCORE)).sum()))
        good = row[np.asarray(indices, np.int64)] >= max(kth, least) - SAME_SCORE
        hits, wanted = hits + min(count, int(good.sum())), wanted + count
    return hits / wanted if wanted else 1.0


def measure(cell: Cell, gallery: Gallery, contenders: list, scores: np.ndarray, args) -> list[dict]:
    """Check and time contenders, (contender, built, prepared probes) each, in one cell.

    Where the codes are far larger than the caches, reading them once takes turns too: what share of
    the memory's speed a scan reaches is measured under the same conditions.
    """
    calls, recalls, fractions = {}, {}, {}
    for contender, built, probes in contenders:
        blocks = np.split(probes, len(probes) // cell.batch)[:SINGLE_PROBES]
        found = itertools.chain(*(contender.search(built, block) for block in blocks))
        least = args.threshold if contender.name.endswith("τ") else -1.0
        recalls[contender.name] = recall(found, scores, least)
        if contender.ours and recalls[contender.name] < 1:
            raise SystemExit(f"{contender.name} is not exact in {cell}: {recalls[contender.name]}")
        if contender.name.endswith("τ"):
            costs = [built.cost(block[0], K, threshold=least) for block in blocks]
            fractions[contender.name] = float(np.median([cost.fraction for cost in costs]))
        calls[contender.name] = [
            lambda c=contender, b=built, p=block: c.search(b, p) for block in blocks
        ]
    read = cell.precision == "int8" and cell.batch == 1 and gallery.codes.nbytes >= FAR_BEYOND_CACHE
    if read:
        calls[READ] = [lambda: _native.read_seconds(gallery.codes.view(np.uint8), cell.threads)]
    timings = interleaved(calls, seconds=args.seconds)
    code_bytes = cell.size * galleries.DIM * (1 if cell.precision == "int8" else 4)
    return [
        {
            **asdict(cell),
            "name": contender.name,
            "ours": contender.ours,
            "recall": recalls[contender.name],
            "fraction_read": fractions.get(contender.name),
            **asdict(timings[contender.name]),
            "gbs": code_bytes / timings[contender.name].ms / 1e6,
            "of_bandwidth": timings[READ].ms / timings[contender.name].ms if read else None,
        }
        for contender, _, _ in contenders
    ]


def measure_all(source: galleries.Source, size: int, precisions: list[str], args) -> list[dict]:
    """Every cell of one gallery."""
    gallery, results = Gallery(source.rows(size)), []
    scores = {kind: exact_scores(gallery.rows, p) for kind, p in source.probes.items()}
    for precision, threads in itertools.product(precisions, args.threads):
        built = []
        for one in [*ours(precision, threads, args.threshold), *peers(precision, threads)]:
            built.append((one, one.build(gallery)))
        for batch, kind in itertools.product(args.batches, source.probes):
            cell = Cell(source.name, size, precision, threads, batch, kind)
            probes = source.probes[kind]
            ready = [(one, made, one.prepare(gallery, probes)) for one, made in built]
            with peer_threads(threads):
                results += measure(cell, gallery, ready, scores[kind], args)
            rows = results[-len(ready) :]
            words = f"{kind} probe, batch {batch}, {threads} thread(s)"
            print(f"\n{source.name} gallery, N={size}, {words}")
            for row in rows:
                print_row(row, rows)
        del built, ready
        gc.collect()
    return results


def main(argv: list[str] | None = None) -> None:
    """Measure, print, and write what `tests.bench.report` makes a page of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--real-sizes", type=int, nargs="*", default=SIZES[2:])
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, choices=BATCHES)
    parser.add_argument("--precisions", nargs="+", default=("int8", "float32"))
    parser.add_argument("--seconds", type=float, default=1.5, help="of each cell, at the least")
    parser.add_argument("--json", type=Path, help="write the results here")
    args = parser.parse_args(argv)
    args.threshold = Bundle.open().threshold()
    bandwidth = {str(threads): machine.read_bandwidth(threads) for threads in args.threads}
    facts = {
        **machine.facts(),
        "threshold τ": f"{args.threshold:.4f}",
        "read bandwidth": bandwidth,
    }
    print(fact_list(facts), end="")
    for name in missing():
        print(f"{name}: not installed; pip install 'edgeface[bench]'")
    results = []
    for size in args.sizes:
        results += measure_all(galleries.random_source(), size, args.precisions, args)
    data = galleries.data_folder() if args.real_sizes else None
    if data:
        source = galleries.real_source(data)
        facts["real gallery"] = source.note
        for size in args.real_sizes:
            results += measure_all(source, size, ["int8"], args)
    elif args.real_sizes:
        print("no data folder (EDGEFACE_DATA): no real embeddings, random ones only")
    if args.json:
        write_json(args.json, facts, results)


if __name__ == "__main__":
    main()
