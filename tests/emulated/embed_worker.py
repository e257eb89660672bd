"""Run on an emulated board, or on this machine: every embedder file of the default bundle.

``embed_worker.py CROPS.npy OUT.npz``: CROPS is (N, 112, 112, 3) uint8 BGR; OUT gets (N, 512)
float32 unit rows for each file, under "runtime variant".
"""

from __future__ import annotations

import sys

import numpy as np

from edgeface.artefact import artefacts
from edgeface.bundle import Bundle
from edgeface.embed import Embedder
from edgeface.split import open_embedder


def main(crops_file: str, out: str) -> None:
    """Embed with each file, whatever this machine's kernels are."""
    crops = np.load(crops_file)
    found = {}
    bundle = Bundle.open()
    for artefact in artefacts(bundle):
        with open_embedder(bundle, artefact) as backend:
            name = f"{artefact.runtime} {artefact.variant}"
            found[name] = Embedder(artefact, backend).embed_batch(crops)
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
