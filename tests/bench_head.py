"""The attention head against PyTorch and ONNX Runtime, in one process.

``python -m tests.bench_head``: the checkpoint's head on feature maps of real photos, batch 1 and 8,
all contenders taking turns; each one's cosine to the same head in float64. With two threads the
peers have both and ours still one.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from export import faces
from export.checkpoint import load_checkpoint
from tests.bench import heads, machine
from tests.bench.contender import Contender, interleaved
from tests.bench.gallery import ROOT, data_folder
from tests.bench.report import fact_list, print_row, write_json

CHECKPOINT = ROOT / "export" / "checkpoints" / "dsanet_s.pt"
BATCHES = (1, 8)
CALIBRATION_PHOTOS = 128
PHOTOS = 64


def feature_maps(net, crops: np.ndarray) -> np.ndarray:
    """(N, 100, 7, 7) float32 of RGB crops (N, 112, 112, 3)."""
    with torch.inference_mode():
        return net.backbone(torch.from_numpy(faces.normalised(crops))).contiguous().numpy()


def photos() -> tuple[np.ndarray, np.ndarray, str]:
    """Crops to calibrate on, crops to measure with, and what they are."""
    data = data_folder()
    if data is None:
        noise = np.random.default_rng(0).integers(
            0, 256, (CALIBRATION_PHOTOS + PHOTOS, 112, 112, 3), np.uint8
        )
        return noise[PHOTOS:], noise[:PHOTOS], "noise: no data folder (EDGEFACE_DATA)"
    calibration = faces.calibration_faces(data, CALIBRATION_PHOTOS)
    return calibration, faces.held_out_faces(data, PHOTOS), "FairFace validation photos"


def cosines(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(N,) cosines of two (N, D) arrays' rows."""
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
    return np.einsum("nd,nd->n", found, exact) / lengths


def measure(built: list[tuple[Contender, object]], features, exact, batch: int, args) -> list[dict]:
    """Check and time all contenders at one batch size."""
    blocks = np.split(features, len(features) // batch)
    rows, calls = [], {}
    for one, made in built:
        found = np.concatenate([one.search(made, block) for block in blocks]).astype(np.float64)
        cosine = float(cosines(found, exact).min())
        rows.append({"name": one.name, "precision": one.precision, "cosine": cosine})
        rows[-1]["ours"] = one.ours
        calls[one.name] = [lambda o=one, m=made, b=block: o.search(m, b) for block in blocks]
    timings = interleaved(calls, seconds=args.seconds * len(calls))
    return [{**row, **asdict(timings[row["name"]])} for row in rows]


def main(argv: list[str] | None = None) -> None:
    """Measure, print, and write what `tests.bench.report` makes a page of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2), help="the peers'")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each contender and cell")
    parser.add_argument("--json", type=Path, help="write the results here")
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore", module="torch")  # its exporter's notes on its own future
    net = load_checkpoint(CHECKPOINT)
    calibration, crops, kind = photos()
    facts = {**machine.facts(), "feature maps": kind}
    print(fact_list(facts), end="")
    features = feature_maps(net, crops)
    with torch.inference_mode():
        exact = net.double().head(torch.from_numpy(features).double()).numpy()
    net.float()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        case = heads.HeadCase(net.config, net.head, feature_maps(net, calibration), Path(folder))
        for threads in args.threads:
            torch.set_num_threads(threads)
            built = [(one, one.build(case)) for one in [*heads.ours(), *heads.peers(threads)]]
            for batch in args.batches:
                cell = {"batch": batch, "threads": threads}
                rows = measure(built, features, exact, batch, args)
                results += [{**cell, **row} for row in rows]
                print(f"\nbatch {batch}, {threads} thread(s)")
                for row in rows:
                    print_row(row, rows)
    if args.json:
        write_json(args.json, facts, results)


if __name__ == "__main__":
    main()
