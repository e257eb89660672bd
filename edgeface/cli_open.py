"""What most commands open: the pipeline, as their common options say."""

from __future__ import annotations

import argparse

from edgeface.bundle import Bundle
from edgeface.pipeline import Pipeline


def open_pipeline(
    args: argparse.Namespace, *, bundle: str | Bundle | None, liveness: bool = False
) -> Pipeline:
    """Open a bundle with a command's common options; errors as ``Pipeline.open`` has."""
    return Pipeline.open(
        bundle,
        threads=args.threads,
        variant=args.variant,
        runtime=args.runtime,
        public_key=args.public_key,
        liveness=liveness,
    )
