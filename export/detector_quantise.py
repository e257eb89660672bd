"""The detector's files for the bundle: float ONNX, INT8 ONNX and the manifest's stage entry."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from export.detector_data import Photos, load_photos
from export.detector_net import OUTPUT_NAMES, STRIDES, DetectorNet
from export.detector_scene import compose
from export.detector_train import PIXEL_MEAN, PIXEL_STD, load_network, normalise
from export.quantise import quantise

OPSET = 17
CALIBRATION_SEED = 20_000
CALIBRATION_SIDE = 256
PERCENTILE = 99.999  # of the calibration values
INPUT_NAME = "image"


def stage_entry(*, precision: str, score_threshold: float) -> dict:
    """The manifest's "detector" object; ``precision`` is "int8" or "float32"."""
    return {
        "file": "detector.onnx",
        "format": "onnx",
        "precision": precision,
        "input": {
            "name": INPUT_NAME,
            "layout": "NCHW",
            "dtype": "float32",
            "colour": "BGR",
            "mean": [PIXEL_MEAN] * 3,
            "std": [PIXEL_STD] * 3,
            "height": None,
            "width": None,
            "max_side": 320,
            "multiple": 32,
        },
        "outputs": list(OUTPUT_NAMES),
        "strides": list(STRIDES),
        "score_threshold": score_threshold,
        "nms_iou": 0.4,
    }


def export_float(net: DetectorNet, path) -> None:
    """Write the network as float32 ONNX with dynamic height and width, BatchNorm folded.

    Opset 17 through the TorchScript exporter: IR 8, which every runtime in use loads.
    """
    axes = {0: "batch", 2: "height", 3: "width"}
    dynamic = {INPUT_NAME: axes}
    for name in OUTPUT_NAMES:
        grid = name.rsplit("_", 1)[-1]
        dynamic[name] = {0: "batch", 2: f"rows_{grid}", 3: f"columns_{grid}"}
    torch.onnx.export(
        net.unshared().eval(),
        (torch.zeros(1, 3, 96, 128),),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=[INPUT_NAME],
        output_names=list(OUTPUT_NAMES),
        dynamic_axes=dynamic,
    )


def calibration_inputs(photos: Photos, *, count: int) -> list:
    """``count`` network inputs (1, 3, 256, 256) float32: scenes of a seed of their own."""
    rng = np.random.default_rng(CALIBRATION_SEED)
    side = CALIBRATION_SIDE
    images = [compose(photos, rng, height=side, width=side).image for _ in range(count)]
    return [normalise(torch.from_numpy(image[None])).numpy() for image in images]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m export.detector_quantise``."""
    parser.add_argument("--checkpoint", required=True, help="from export.detector_train")
    parser.add_argument("--data", required=True, help="folder with scenes.tar and scenes.csv")
    parser.add_argument("--output", required=True, help="folder for the three files")
    parser.add_argument("--images", type=int, default=96, help="calibration canvases")
    parser.add_argument("--method", default="percentile", choices=("percentile", "minmax"))
    parser.add_argument("--keep-float", nargs="*", default=[], metavar="NODE")
    parser.add_argument("--score-threshold", type=float, default=0.825)


def run(args: argparse.Namespace) -> int:
    """Write detector_float.onnx, detector_int8.onnx and stage.json."""
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    source, target = folder / "detector_float.onnx", folder / "detector_int8.onnx"
    export_float(load_network(args.checkpoint), source)
    photos = load_photos(args.data, limit=800)
    quantise(
        source,
        target=target,
        method=args.method,
        keep_float=args.keep_float,
        batches=calibration_inputs(photos, count=args.images),
        percentile=PERCENTILE,
    )
    entry = stage_entry(precision="int8", score_threshold=args.score_threshold)
    (folder / "stage.json").write_text(json.dumps(entry, indent=1) + "\n")
    for path in (source, target):
        print(f"{path.name}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(_parser)
    raise SystemExit(run(_parser.parse_args()))
