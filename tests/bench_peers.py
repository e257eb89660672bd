"""A photo to a name, end to end: edgeface against face libraries that people use, in one process.

``python -m tests.bench_peers`` (``make bench-peers``): the same photos and threads for all, who
take turns; each finds the largest face, embeds it and looks for it among as many people. What each
found is compared too: nobody is quick by finding nothing. ``--page`` writes docs/peers.md.
"""

from __future__ import annotations

import argparse
import logging
import tarfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch

from edgeface.index import CosineIndex
from tests.bench import end_to_end, machine
from tests.bench.contender import Contender, interleaved
from tests.bench.end_to_end import Teachers
from tests.bench.gallery import ROOT, data_folder, unit
from tests.bench.report import fact_list, ratio, table, write_json

PAGE = ROOT / "docs" / "peers.md"
PACKAGES = ("opencv-python-headless", "ai-edge-litert", "facenet-pytorch", "insightface", "uniface")
PEOPLE = 1000
SAME_FACE_IOU = 0.4  # the boxes' conventions differ: with or without forehead and ears
HEAD = """# End to end against other libraries

`make bench-peers` measures this machine and writes this page. From a photo in memory to a name:
find the largest face, align, embed, best of 1,000 people. All contenders of a table ran in one
process on the same photos with the same number of threads, taking turns in both orders. An entry is
the median time of a photo and, after ×, how many times as long as ours (the first line) it took; in
brackets the same in forward and in backward rounds. "Finds": photos in which it found a face; "the
same face": in how many of those its largest is the one that the first line found (boxes overlap by
0.4 or more). Speed only: accuracy is in the README, and these networks' differ.
"""


def photos(data: Path | None, count: int) -> dict[str, list[np.ndarray]]:
    """Photos (H, W, 3) uint8 BGR by what they are: a camera frame, and LFW where the data is."""
    from skimage.data import astronaut

    portrait = cv2.resize(cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR), (480, 480))
    frame = cv2.copyMakeBorder(portrait, 0, 0, 80, 80, cv2.BORDER_REPLICATE)
    frames = [np.ascontiguousarray(one) for one in (frame, frame[:, ::-1])]
    return {**_lfw(data, count), "portrait in a 640×480 frame": frames}


def _lfw(data: Path | None, count: int) -> dict[str, list[np.ndarray]]:
    if data is None:
        return {}
    found = []
    with tarfile.open(data / "lfw_view1" / "dev_test_raw.tar") as tar:
        for member in tar:
            if len(found) == count:
                break
            if member.isfile():
                encoded = np.frombuffer(tar.extractfile(member).read(), np.uint8)
                found.append(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return {f"{len(found)} photos of LFW, 250×250": found}


def teachers(data: Path | None) -> Teachers | None:
    """The peers' networks, where the data folder is."""
    if data is None:
        return None
    folder = data / "teachers"
    return Teachers(folder / "yunet_n_dynamic.onnx", folder / "mobilefacenet.onnx")


class Namer:
    """A contender ready to name faces: its recogniser, and a gallery in its own dimensions."""

    def __init__(self, contender: Contender, nets: Teachers | None, photo: np.ndarray) -> None:
        self.contender = contender
        self._recogniser = contender.build(nets)
        found = self.find(photo)
        dim = 512 if found is None else len(found[1])
        rows = unit(np.random.default_rng(0).standard_normal((PEOPLE, dim)).astype(np.float32))
        self._people = CosineIndex.build(rows) if contender.ours else rows

    def find(self, photo: np.ndarray) -> end_to_end.Found | None:
        """Return box and embedding of the largest face, or None."""
        return self.contender.search(self._recogniser, photo)

    def name(self, photo: np.ndarray) -> int | None:
        """Return the gallery's likeliest person: the timed call."""
        found = self.find(photo)
        if found is None:
            return None
        probe = found[1] / np.linalg.norm(found[1])
        if self.contender.ours:
            return int(self._people.search(probe, 1)[0][0])
        return int(np.argmax(self._people @ probe))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of boxes (x, y, width, height)."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / (float(one[2] * one[3] + other[2] * other[3]) - shared)


def measure(namers: Sequence[Namer], pictures: Sequence[np.ndarray], seconds: float) -> list[dict]:
    """Time all contenders on the pictures, and compare what they find with the first one's."""
    boxes = [[one.find(picture) for picture in pictures] for one in namers]
    calls = {
        one.contender.name: [lambda o=one, p=picture: o.name(p) for picture in pictures]
        for one in namers
    }
    timings = interleaved(calls, seconds=seconds * len(calls))
    rows = []
    for one, found in zip(namers, boxes):
        both = [(a[0], b[0]) for a, b in zip(found, boxes[0]) if a is not None and b is not None]
        rows.append({
            "name": one.contender.name,
            "ours": one.contender.ours,
            "photos": len(pictures),
            "finds": sum(entry is not None for entry in found),
            "same": sum(overlap(*pair) >= SAME_FACE_IOU for pair in both),
            **asdict(timings[one.contender.name]),
        })  # fmt: skip
    return rows


def print_rows(rows: Sequence[dict]) -> None:
    """Print a table's lines."""
    for row in rows:
        found = f"finds {row['finds']}/{row['photos']}, same {row['same']}"
        print(
            f"  {row['name']:44} {row['ms']:8.2f} ms {ratio(row, rows[0]):22} {found}", flush=True
        )


def page(facts: dict, rows: Sequence[dict]) -> str:
    """docs/peers.md."""
    parts = [HEAD, fact_list(facts)]
    for pictures in dict.fromkeys(row["pictures"] for row in rows):
        cells = {t: [r for r in rows if (r["pictures"], r["threads"]) == (pictures, t)]
                 for t in dict.fromkeys(row["threads"] for row in rows)}  # fmt: skip
        first = next(iter(cells.values()))
        lines = []
        for i, row in enumerate(first):
            times = [f"{c[i]['ms']:.1f} ms {ratio(c[i], c[0])}" for c in cells.values()]
            lines.append(
                [row["name"], *times, f"{row['finds']} of {row['photos']}", str(row["same"])]
            )
        header = ["", *(f"{t} thread(s)" for t in cells), "finds", "the same face"]
        parts.append(f"## {pictures}\n\n{table(header, lines)}")
    notes = "\n".join(f"- **{name}**: {note}." for name, note in end_to_end.NOTES.items())
    return "\n".join([*parts, f"## What ran\n\n{notes}\n"])


def main(argv: list[str] | None = None) -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--photos", type=int, default=60, help="of LFW")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each contender and table")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--page", type=Path, help="write the page here")
    args = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    data, rows = data_folder(), []
    versions = {name: machine.installed(name) or "not installed" for name in PACKAGES}
    known = {**machine.facts(), **versions}
    facts = {name: value for name, value in known.items() if value != "not installed"}
    for threads in args.threads:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        sets, nets = photos(data, args.photos), teachers(data)
        entered = [*end_to_end.ours(threads), *end_to_end.peers(threads, nets)]
        namers = [Namer(one, nets, sets["portrait in a 640×480 frame"][0]) for one in entered]
        for pictures, images in sets.items():
            cell = {"pictures": pictures, "threads": threads}
            rows += [{**cell, **row} for row in measure(namers, images, args.seconds)]
            print(f"\n{pictures}, {threads} thread(s)")
            print_rows(rows[-len(namers) :])
    if args.json:
        write_json(args.json, facts, rows)
    if args.page:
        args.page.write_text(page(facts, rows))


if __name__ == "__main__":
    main()
