"""What a comparison in one process stands on: models that passed their self-test, and rounds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from edgeface.artefact import Artefact
from edgeface.backends import Backend, open_backend
from edgeface.bundle import Bundle
from edgeface.cli_output import progress
from edgeface.selftest import run_selftest
from edgeface.split import open_embedder


@contextmanager
def open_models(
    bundle: Bundle, artefacts: Sequence[Artefact], *, threads: int
) -> Iterator[tuple[Backend, list[Backend]]]:
    """Load the detector and these files of the embedder; every pair passes the self-test.

    Raises
    ------
    BundleError, BackendError
        As `edgeface.Pipeline.open`.
    """
    stage = bundle.stage("detector")
    model = bundle.read(stage["file"])
    with ExitStack() as opened:
        enter = opened.enter_context
        detector = enter(open_backend(stage, model, threads=threads, name="detector"))
        embedders = [enter(open_embedder(bundle, one, threads=threads)) for one in artefacts]
        for artefact, embedder in zip(artefacts, embedders):
            run_selftest(bundle, detector=detector, embedder=embedder, artefact=artefact)
        yield detector, embedders


def rounds(runs: int, *, seconds: float, least: int) -> Iterator[int]:
    """Count up to `runs`; after `seconds` stop early, but not before `least` rounds."""
    end = time.monotonic() + seconds
    for number in progress(range(runs), label="bench: round"):
        yield number
        if number + 1 >= least and time.monotonic() > end:
            return
