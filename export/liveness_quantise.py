"""The liveness network's files for the bundle: float ONNX, INT8 ONNX and the manifest's entry.

The threshold is chosen here too, on live CelebA photos scored by the INT8 file through the code
that doors run.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from edgeface.backends import open_backend
from edgeface.liveness import Liveness
from export import liveness_measure as measure
from export import liveness_sets as sets
from export.liveness_data import VIEWS, fresh, load_part
from export.liveness_train import PIXEL_MEAN, PIXEL_STD, load_network, normalise
from export.nets.liveness import LivenessNet
from export.quantise import quantise

OPSET = 17
OUTPUT = "logit"
FILE = "liveness.onnx"
FUSION = ("/fusion", "/logit")  # on vectors: no time to win, and softmax wants float
CALIBRATION_SEED = 30_000
BATCH = 16
PERCENTILE = 99.995
BPCER = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m export quantise liveness``."""
    parser.add_argument("--checkpoint", required=True, help="from train liveness")
    parser.add_argument("--data", required=True, help="folder with fairface224/ and celeba240/")
    parser.add_argument("--output", required=True, type=Path, help="folder for the three files")
    parser.add_argument("--frames", type=int, default=192, help="calibration frames")
    parser.add_argument("--bpcer", type=float, default=BPCER, help="of the threshold [0.05]")


def export_float(net: LivenessNet, path) -> None:
    """Write the network as float32 ONNX, any batch, BatchNorm folded; opset 17, IR 8."""
    names = [view["name"] for view in VIEWS]
    inputs = tuple(torch.zeros(1, 3, view["size"], view["size"]) for view in VIEWS)
    torch.onnx.export(
        net.eval(),
        inputs,
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=names,
        output_names=[OUTPUT],
        dynamic_axes={name: {0: "batch"} for name in (*names, OUTPUT)},
    )


def network_inputs(samples) -> dict[str, np.ndarray]:
    """The views of `Samples` as the network takes them, by input name."""
    return {
        view["name"]: np.ascontiguousarray(normalise(getattr(samples, view["name"])).numpy())
        for view in VIEWS
    }


def calibration_batches(folder, *, frames: int) -> list[dict]:
    """Batches of network inputs: frames of photos that were not trained on."""
    photos = load_part(f"{folder}/fairface224", "calibration")
    samples = fresh(photos, np.random.default_rng(CALIBRATION_SEED), frames=frames)
    inputs = network_inputs(samples)
    starts = range(0, len(samples) - BATCH + 1, BATCH)
    return [{name: rows[i : i + BATCH] for name, rows in inputs.items()} for i in starts]


def stage_entry(*, threshold: float, bpcer: float, source: str, precision: str = "int8") -> dict:
    """The manifest's "liveness" object."""
    return {
        "file": FILE,
        "format": "onnx",
        "precision": precision,
        "views": [dict(view) for view in VIEWS],
        "input": {
            "layout": "NCHW",
            "dtype": "float32",
            "colour": "BGR",
            "mean": [PIXEL_MEAN] * 3,
            "std": [PIXEL_STD] * 3,
        },
        "outputs": [OUTPUT],
        "threshold": threshold,
        "bpcer": bpcer,
        "source": source,
    }


def opened(stage: dict, path) -> Liveness:
    """The liveness stage of a door with the network in a file."""
    return Liveness(stage, open_backend(stage, Path(path).read_bytes(), name="liveness"))


def scored(liveness: Liveness, frames: list) -> np.ndarray:
    """Live scores (N,) of Frames, as doors compute them."""
    return np.array(
        [liveness.score(f.image, box=f.box, landmarks=f.landmarks) for f in frames], np.float64
    )


def chosen_stage(path, folder, *, bpcer: float) -> dict:
    """The stage with the threshold at which so many live CelebA photos are refused."""
    draft = stage_entry(threshold=0.5, bpcer=bpcer, source="draft")
    live = scored(opened(draft, path), sets.celeba(folder, half="threshold"))
    threshold = measure.threshold_at(live, bpcer)
    source = f"CelebA, {len(live)} live photos of one half, as they are"
    return stage_entry(threshold=round(threshold, 4), bpcer=bpcer, source=source)


def run(args: argparse.Namespace) -> int:
    """Write ``liveness_float32.onnx``, ``liveness_int8.onnx`` and ``stage.json``."""
    args.output.mkdir(parents=True, exist_ok=True)
    source = args.output / "liveness_float32.onnx"
    target = args.output / "liveness_int8.onnx"
    export_float(load_network(args.checkpoint), source)
    quantise(
        source,
        target=target,
        batches=calibration_batches(args.data, frames=args.frames),
        percentile=PERCENTILE,
        keep_float=FUSION,
    )
    stage = chosen_stage(target, args.data, bpcer=args.bpcer)
    (args.output / "stage.json").write_text(json.dumps(stage, indent=1) + "\n")
    for path in (source, target):
        print(f"{path.name}: {path.stat().st_size} bytes")
    print(f"threshold {stage['threshold']} at BPCER {args.bpcer}: {stage['source']}")
    return 0
