"""The batches of a training run in order, made beside it by other processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal

import torch

from export.detector_data import Photos
from export.detector_targets import make_batch

MIXED_PART = 0.45


def _compose_forever(make, queue, *, first: int, every: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # `terminate` ends it, whoever forked it
    os.nice(5)
    torch.set_num_threads(1)
    for step in itertools.count(first, every):
        queue.put(make(step=step))


def batches(make, *, first: int, workers: int):
    """``make(step=...)`` of steps ``first``, ``first + 1``, ... in order, by so many processes."""
    if workers == 0:
        for step in itertools.count(first):
            yield make(step=step)
    context = multiprocessing.get_context("fork")
    queues = [context.Queue(6) for _ in range(workers)]
    processes = [
        context.Process(
            target=_compose_forever,
            daemon=True,
            args=(make, queue),
            kwargs={"first": first + i, "every": workers},
        )
        for i, queue in enumerate(queues)
    ]
    for process in processes:
        process.start()
    try:
        while True:
            for queue in queues:
                yield queue.get()
    finally:
        for process in processes:
            process.terminate()


def scheduled_batch(photos: Photos, *, part: str, seed: int, size: int, steps: int, step: int):
    """The batch of a step of a run of ``steps``.

    Part "shape" sees close-ups only. Part "cells" sees scenes; after the first `MIXED_PART` they
    are clean, and every third batch is of close-ups.
    """
    late = step >= MIXED_PART * steps
    kind = ("clean", "clean", "close")[step % 3] if late else "mixed"
    return make_batch(
        photos, seed=seed, step=step, size=size, kind="close" if part == "shape" else kind
    )
