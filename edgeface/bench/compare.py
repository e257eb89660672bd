"""The embedder's files against each other: one process, the same crops, taking turns."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from edgeface.artefact import Artefact
from edgeface.backends import Backend
from edgeface.bench.figures import BLOCK, MIN_ROUNDS, orders, percentiles, ratio
from edgeface.bench.models import open_models, rounds
from edgeface.bench.stages import run_split
from edgeface.bundle import Bundle
from edgeface.split import SplitBackend

WARMUP = 20
Feed = Mapping[str, np.ndarray]  # what a backend's run takes


def compare(
    bundle: Bundle,
    artefacts: Mapping[str, Artefact],
    *,
    runs: int,
    seconds: float,
    batch: int = 1,
    threads: int = 1,
) -> dict[str, Any]:
    """Time two files of a bundle's embedder, taking turns and each going first half the time.

    Parameters
    ----------
    bundle
        One that has both.
    artefacts
        Two of its files by the names to print; the ratio is the first's time over the second's.
    runs
        Rounds, at least `figures.MIN_ROUNDS`; fewer when `seconds` have passed.
    batch
        Crops per inference.

    Returns
    -------
    dict
        Plain JSON values: a row of percentiles per file and part, the ratio and its noise,
        which one is faster, and the least cosine between the two files' embeddings.
    """
    inputs = _inputs(bundle, artefacts, batch)
    with open_models(bundle, list(artefacts.values()), threads=threads) as (_, models):
        named = dict(zip(artefacts, models))
        cosine = min(_least_cosine(*(_outputs(named[n], x) for n, x in i.items())) for i in inputs)
        for number in range(WARMUP):
            _timed(named, inputs[number % len(inputs)])
        times, first_leads = defaultdict(list), orders(runs)
        for number in rounds(runs, seconds=seconds, least=MIN_ROUNDS):
            order = named if first_leads[number] else dict(reversed(named.items()))
            for part, spent in _timed(order, inputs[number % len(inputs)]).items():
                times[part].append(spent)
    return {
        "batch": batch,
        "warmup": WARMUP,
        "runs": len(next(iter(times.values()))),
        "rows": {part: percentiles(times[part]) for part in sorted(times)},
        **_verdict(list(artefacts), times),
        "cosine": cosine,
    }


def _verdict(variants: Sequence[str], times: Mapping[str, list]) -> dict[str, Any]:
    # The last rounds, where they make no whole block, would weigh as much as one.
    end = len(times[variants[0]]) // BLOCK * BLOCK
    first, second = (np.array(times[name][:end]) for name in variants)
    found = ratio(first, second, orders(len(first)))
    faster = None if found.faster is None else variants[found.faster]
    return {"ratio": {"of": list(variants), **asdict(found)}, "faster": faster}


def _timed(models: Mapping[str, Backend], images: Mapping[str, Feed]) -> dict[str, float]:
    """Run every model once, in order; seconds per file, and per part of a split one."""
    spent = {}
    for name, model in models.items():
        if isinstance(model, SplitBackend):
            spent.update(_timed_split(name, model, images[name]))
            continue
        start = time.perf_counter()
        model.run(images[name])
        spent[name] = time.perf_counter() - start
    return spent


def _timed_split(name: str, model: SplitBackend, image: Feed) -> dict[str, float]:
    _, backbone, head = run_split(model, image)
    return {name: backbone + head, f"{name}: backbone": backbone, f"{name}: head": head}


def _inputs(bundle: Bundle, artefacts: Mapping[str, Artefact], batch: int) -> list[dict[str, Feed]]:
    """The self-test's pictures, each as a batch of its own, as each file is fed."""
    spec = bundle.stage("embedder")["input"]
    pictures = bundle.selftest_vectors()["embedder_input"]
    batches = [np.repeat(picture[None], batch, axis=0) for picture in pictures]
    return [
        {name: {one.input["name"]: one.fed(rows, spec)} for name, one in artefacts.items()}
        for rows in batches
    ]


def _outputs(model: Backend, image: Feed) -> np.ndarray:
    rows = next(iter(model.run(image).values()))  # the embedding is the first output
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _least_cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float((first * second).sum(axis=1).min())
