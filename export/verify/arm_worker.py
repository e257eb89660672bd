"""Run inside an emulated arm64 Python: one artefact on a door's own backend. No part of export.

``arm_worker.py FORMAT FILE INPUT.npz OUTPUT.npz``: INPUT holds the feed, rows first; OUTPUT gets
the outputs by name.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edgeface.backends import open_backend


def main(kind: str, file: str, feed: str, out: str) -> None:
    """Run the file row by row."""
    inputs = dict(np.load(feed))
    count = len(next(iter(inputs.values())))
    with open_backend({"format": kind}, Path(file).read_bytes(), name=file) as backend:
        rows = [
            backend.run({name: values[i : i + 1] for name, values in inputs.items()})
            for i in range(count)
        ]
    np.savez(out, **{name: np.concatenate([row[name] for row in rows]) for name in rows[0]})


if __name__ == "__main__":
    main(*sys.argv[1:])
