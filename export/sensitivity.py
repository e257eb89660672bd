"""Which layers INT8 costs most: each alone in INT8, and each alone in float.

``python -m export sensitivity --checkpoint dsanet_s.pt --calibration crops.npy --out FILE.json``,
or ``--onnx FILE`` for any network. Reports cosine and signal-to-noise ratio of the embedding
against the float network's, and names the layers to keep in float so that the mean cosine reaches a
target.
Every layer is measured twice: about a minute per hundred layers and 32 faces.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from tqdm import tqdm

from export.checkpoint import load_checkpoint
from export.onnx_target import batches, run_session, session
from export.partial_int8 import PartialInt8
from export.preprocessing import COLOURS, Preprocessing
from export.presets import PRESETS, Preset
from export.quantise import prepare, quantise
from export.to_onnx import export_float

FACES = 32
TARGET = 0.99
MOST_KEPT = 12


@dataclass(frozen=True)
class Agreement:
    """Of embeddings with the float network's: mean and least cosine, signal to noise in dB."""

    cosine: float
    least: float
    sqnr_db: float


@dataclass(frozen=True)
class LayerReport:
    """One layer: ``only`` it in INT8, and all ``but`` it."""

    layer: str
    operator: str
    only: Agreement
    but: Agreement


@dataclass(frozen=True)
class Report:
    """All layers, worst first; those to keep in float (``kept``), and what that gives."""

    faces: int
    target: float
    int8: Agreement
    layers: list[LayerReport]
    kept: list[str]
    with_kept: Agreement


def agreement(found: np.ndarray, wanted: np.ndarray) -> Agreement:
    """Compare outputs (N, ...) with the float network's, row by row."""
    found, wanted = (a.reshape(len(a), -1).astype(np.float64) for a in (found, wanted))
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    cosines = (found * wanted).sum(1) / np.maximum(norms, 1e-12)
    noise = max(float(np.square(found - wanted).sum()), 1e-30)
    sqnr = 10 * np.log10(float(np.square(wanted).sum()) / noise)
    return Agreement(*(round(float(v), 5) for v in (cosines.mean(), cosines.min(), sqnr)))


class Sensitivity:
    """A float network and its INT8 twin, and the faces to compare them on.

    Parameters
    ----------
    path : float ONNX file.
    calibration, test : network inputs (N, 3, S, S) float32 for the ranges and for the comparison.
    preset : how the twin is quantised.
    """

    def __init__(self, path: Path, *, calibration: np.ndarray, test: np.ndarray, preset: Preset):
        self.test = test
        with TemporaryDirectory() as folder:
            prepared, target = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
            prepare(path, prepared)
            quantise(
                path,
                target=target,
                batches=batches(path, calibration),
                preset=preset,
                keep_relu=True,
            )
            self.partial = PartialInt8(onnx.load(str(target)), onnx.load(str(prepared)))
            self.wanted = run_session(session(prepared), test)

    def measure(self, in_float: Collection[str]) -> Agreement:
        """Return what comes out with these layers in float and the others in INT8."""
        opened = session(self.partial.with_float(in_float), exact=True)
        return agreement(run_session(opened, self.test), self.wanted)

    def layer(self, name: str) -> LayerReport:
        """Measure one layer both ways."""
        others = set(self.partial.layers) - {name}
        operator = self.partial.layers[name].operator
        return LayerReport(name, operator, self.measure(others), self.measure({name}))

    def report(self, *, target: float = TARGET) -> Report:
        """Measure every layer, then keep the costliest in float until the target is reached."""
        rows = [self.layer(name) for name in tqdm(self.partial.layers, desc="layers")]
        rows.sort(key=lambda row: row.but.cosine, reverse=True)
        int8 = reached = self.measure(())
        kept: list[str] = []
        while reached.cosine < target and len(kept) < min(MOST_KEPT, len(rows)):
            kept.append(rows[len(kept)].layer)
            reached = self.measure(kept)
        return Report(len(self.test), target, int8, rows, kept, reached)


def table(report: Report, *, rows: int = 20) -> str:
    """Return the worst layers as text."""
    lines = [
        f"all INT8: cosine {report.int8.cosine:.4f}, least {report.int8.least:.4f}, "
        f"{report.int8.sqnr_db:.1f} dB over {report.faces} faces",
        f"{'layer':48} {'operator':10} {'only it':>9} {'dB':>6} {'all but':>9} {'dB':>6}",
    ]
    for row in report.layers[:rows]:
        lines.append(
            f"{row.layer[-48:]:48} {row.operator:10} {row.only.cosine:9.5f} "
            f"{row.only.sqnr_db:6.1f} {row.but.cosine:9.5f} {row.but.sqnr_db:6.1f}"
        )
    reached = f"cosine {report.with_kept.cosine:.4f}, target {report.target}"
    lines.append(f"keep in float: {', '.join(report.kept) or 'nothing'} ({reached})")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export sensitivity``."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path, help="DSA-Net")
    source.add_argument("--onnx", type=Path, help="any float embedder")
    parser.add_argument(
        "--calibration", type=Path, required=True, help=".npy, RGB uint8 crops (N, 112, 112, 3)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="integer")
    parser.add_argument("--faces", type=int, default=FACES, help="of them to compare on")
    parser.add_argument("--target", type=float, default=TARGET, help="mean cosine to reach")
    parser.add_argument("--colour", choices=COLOURS, default="RGB", help="of --onnx's input")
    parser.add_argument("--mean", type=float, nargs=3, default=[127.5] * 3, help="likewise")
    parser.add_argument("--std", type=float, nargs=3, default=[127.5] * 3, help="likewise")


def run(args: argparse.Namespace) -> int:
    """Write the report as JSON and print it; returns the exit code."""
    crops = np.load(args.calibration)
    how = Preprocessing(colour=args.colour, mean=tuple(args.mean), std=tuple(args.std))
    with TemporaryDirectory() as folder:
        path = args.onnx or Path(folder) / "float.onnx"
        if args.checkpoint:
            export_float(load_checkpoint(args.checkpoint), path)
        job = Sensitivity(
            path,
            calibration=how.apply(crops[args.faces :]),
            test=how.apply(crops[: args.faces]),
            preset=PRESETS[args.preset],
        )
        report = job.report(target=args.target)
    args.out.write_text(json.dumps(asdict(report), indent=1) + "\n")
    print(table(report))
    return 0
