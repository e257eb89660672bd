"""What both benchmarks stand on: models that passed their self-test, and rounds with an end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from edgeface.backends import Backend, open_backend
from edgeface.bundle import Bundle
from edgeface.cli_output import progress
from edgeface.selftest import run_selftest
from edgeface.split import choose_variant, open_embedder


@contextmanager
def open_models(
    bundle: Bundle, variants: Sequence[str | None], *, threads: int
) -> Iterator[tuple[Backend, list[Backend]]]:
    """Load the detector and the embedder in each variant; every pair passes the self-test.

    Raises
    ------
    BundleError, BackendError
        As `edgeface.Pipeline.open`.
    """
    chosen = [choose_variant(bundle, variant) for variant in variants]
    stage = bundle.stage("detector")
    model = bundle.read(stage["file"])
    with ExitStack() as opened:
        enter = opened.enter_context
        detector = enter(open_backend(stage, model, threads=threads, name="detector"))
        embedders = [enter(open_embedder(bundle, variant=v, threads=threads)) for v in chosen]
        for variant, embedder in zip(chosen, embedders):
            run_selftest(bundle, detector=detector, embedder=embedder, variant=variant)
        yield detector, embedders


def rounds(runs: int, *, seconds: float, least: int) -> Iterator[int]:
    """Count up to `runs`; after `seconds` stop early, but not before `least` rounds."""
    end = time.monotonic() + seconds
    for number in progress(range(runs), label="bench: round"):
        yield number
        if number + 1 >= least and time.monotonic() > end:
            return
