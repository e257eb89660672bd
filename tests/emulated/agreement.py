"""``python -m tests.emulated.agreement``: one bundle on x86-64, A72 and A55, on real faces.

Writes docs/emulated.md: how near the embeddings are between machines, and on how many of a
thousand pairs of photos the decision differs.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeface.bundle import Bundle
from export import faces
from export.verify.machine import Machine, call, prepare
from tests.bench.report import table
from tests.check_build import ROOT
from tests.emulated.board import ISAS, MACHINE
from tests.emulated.package import installed

WORKER = Path(__file__).with_name("embed_worker.py")
PAGE = ROOT / "docs" / "emulated.md"
HERE = "x86-64"
PEOPLE, PHOTOS_EACH, PAIRS = 40, 5, 1000
HEADING = "## The same bundle on x86-64, A72 and A55"

Embeddings = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Row:
    """One embedder file on two machines."""

    file: str
    machines: str
    least_cosine: float
    median_cosine: float
    largest_change: float  # of a pair's score
    differ: int  # decisions
    farthest: float  # from the threshold, of a pair that is decided differently

    @property
    def texts(self) -> list[str]:
        """Its cells."""
        farthest = f"{self.farthest:.4f}" if self.differ else "–"
        cosines = (self.least_cosine, self.median_cosine)
        numbers = (*(f"{c:.5f}" for c in cosines), f"{self.largest_change:.4f}")
        return [self.file, self.machines, *numbers, str(self.differ), farthest]


def people(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return BGR crops (N, 112, 112, 3) of CelebA's first people, and who is on them."""
    crops, names = faces.identities(data / "celeba240" / "aligned112.tar")
    first = [n for n in np.unique(names) if (names == n).sum() >= PHOTOS_EACH][:PEOPLE]
    kept = np.concatenate([np.flatnonzero(names == name)[:PHOTOS_EACH] for name in first])
    return np.ascontiguousarray(crops[kept][..., ::-1]), names[kept]


def choose_pairs(names: np.ndarray) -> np.ndarray:
    """Return (PAIRS, 2) photos: all of one person, and as many of two as fill the list."""
    every = np.array(list(itertools.combinations(range(len(names)), 2)))
    same = names[every[:, 0]] == names[every[:, 1]]
    genuine, impostor = every[same], every[~same]
    drawn = np.random.default_rng(1).permutation(len(impostor))[: PAIRS - len(genuine)]
    return np.concatenate([genuine, impostor[drawn]])


def embed_everywhere(
    machine: Machine, package: Path, crops: np.ndarray, folder: Path
) -> dict[str, Embeddings]:
    """Return each machine's embeddings of every embedder file; the cores take turns at two."""
    feed = folder.resolve() / "crops.npy"
    np.save(feed, crops)

    def embed(place: str) -> Embeddings:
        out = feed.with_name(f"{place}.npz")
        if place == HERE:
            call([sys.executable, str(WORKER), str(feed), str(out)], environment=own)
        else:
            command = machine.command([WORKER, feed, out], core=place, packages=[package])
            call(command, folder=folder)
        return dict(np.load(out))

    own = {"PYTHONPATH": str(ROOT)}
    with ThreadPoolExecutor(2) as pool:
        places = (HERE, *ISAS)
        return dict(zip(places, pool.map(embed, places)))


def compare(found: Mapping[str, Embeddings], pairs: np.ndarray, threshold: float) -> Iterator[Row]:
    """Compare every two machines, file by file."""
    for file in found[HERE]:
        for one, other in itertools.combinations(found, 2):
            a, b = (found[place][file].astype(np.float64) for place in (one, other))
            cosines = (a * b).sum(axis=1)
            scores = [(rows[pairs[:, 0]] * rows[pairs[:, 1]]).sum(axis=1) for rows in (a, b)]
            differ = (scores[0] >= threshold) != (scores[1] >= threshold)
            distance = np.abs(np.array(scores) - threshold).max(axis=0)
            yield Row(
                file,
                f"{one}, {other.replace('cortex-a', 'A')}".replace("cortex-a", "A"),
                cosines.min(),
                np.median(cosines),
                np.abs(scores[0] - scores[1]).max(),
                int(differ.sum()),
                distance[differ].max(initial=0.0),
            )


def section(rows: Sequence[Row], photos: int, threshold: float, wheels: Sequence[str]) -> str:
    """The page's section, from its heading on."""
    header = ["file", "machines", "least cosine", "median cosine", "largest change of a score"]
    header += [f"decisions that differ, of {PAIRS:,}", "farthest from the threshold"]
    return (
        f"{HEADING}\n\n`python -m tests.emulated.agreement`: {photos} aligned photos of CelebA, "
        f"{PAIRS:,} pairs, threshold {threshold:.4f}, {', '.join(wheels)}.\n\n"
        f"{table(header, (row.texts for row in rows))}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--machine", type=Path, default=os.environ.get(MACHINE, "build/arm"))
    args = parser.parse_args(argv)
    machine = prepare(Path(args.machine))
    crops, names = people(args.data)
    threshold = Bundle.open().threshold()
    with tempfile.TemporaryDirectory() as folder:
        found = embed_everywhere(machine, installed(machine), crops, Path(folder))
    rows = list(compare(found, choose_pairs(names), threshold))
    wheels = [machine.wheel(name) for name in ("onnxruntime", "ai-edge-litert")]
    text = section(rows, len(crops), threshold, wheels)
    before = PAGE.read_text().partition(HEADING)[0]
    PAGE.write_text(before + text)
    print(text)


if __name__ == "__main__":
    main()
