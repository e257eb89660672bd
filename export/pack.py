"""Make a bundle: both networks in one precision, thresholds, self-test, model card.

``python -m export pack --embedder dsanet_s.pt --detector DIR --data ../shared/data --out x.efb``.
Thresholds come from CelebA identities, the INT8 ranges from FairFace validation crops; LFW is
never read here. ``--measured`` takes the JSON that ``edgeface eval`` and the others printed.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime

from edgeface.bundle import write_bundle
from export import card, faces, selftest_inputs, split, threshold
from export.checkpoint import load_checkpoint
from export.quantise import quantise
from export.to_onnx import INPUT, OUTPUT, export_float

RECIPE = Path(__file__).with_name("recipes") / "bundle.json"
CALIBRATION_FACES = 128
PERCENTILE = 99.99  # of the calibration values: docs/decisions/0006
FLOAT_NODES = ("/backbone/segments.0/",)  # as fast in float, and half of the INT8 error
DETECTOR_TEST_SIZE = (160, 192)
CANDIDATES = 24  # pictures, of which the self-test keeps two
TOOLS = ("torch", "onnx", "onnxruntime", "numpy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export pack``."""
    parser.add_argument("--embedder", type=Path, required=True, help="checkpoint of train embedder")
    parser.add_argument(
        "--detector",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of detector_quantise: detector_*.onnx, stage.json",
    )
    parser.add_argument("--data", type=Path, required=True, help="fairface112 and celeba240")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.efb")
    parser.add_argument("--precision", choices=("int8", "float32"), default="int8")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="names, licences, limits")
    parser.add_argument("--measured", type=Path, help="JSON object for the manifest and the card")


def run(args: argparse.Namespace) -> int:
    """Write the bundle; returns the exit code."""
    recipe = json.loads(args.recipe.read_text())
    measured = json.loads(args.measured.read_text()) if args.measured else {}
    with TemporaryDirectory() as folder:
        embedder = build_embedder(args, Path(folder))
        thresholds, accuracy = measure(embedder, args.data, recipe)
        suffix = "int8" if args.precision == "int8" else "float"
        detector = args.detector / f"detector_{suffix}.onnx"
        stages = {"detector": detector_stage(args), "embedder": embedder_stage(args.precision)}
        files = {"detector.onnx": detector.read_bytes(), "embedder.onnx": embedder.read_bytes()}
    manifest = {
        **recipe["manifest"],
        "stages": stages,
        "thresholds": thresholds,
        "accuracy": {**accuracy, **measured.get("accuracy", {})},
        "peak_memory_mb": measured.get("peak_memory_mb", 0),
        "tools": {name: version(name) for name in TOOLS},
    }
    files["selftest.npz"] = selftest(stages, files)
    net = load_checkpoint(args.embedder)
    if net.config.pooling == split.POOLING:
        split.add_split(stages, files, net, args.precision)
    files["MODEL_CARD.md"] = card.render(manifest, files).encode()
    bundle = write_bundle(args.out, manifest, files)
    print(f"{args.out}: {args.out.stat().st_size} bytes, model {bundle.model_id}")
    return 0


def build_embedder(args: argparse.Namespace, folder: Path) -> Path:
    """Export the checkpoint, and quantise it unless float is asked for."""
    source = folder / "embedder_float.onnx"
    export_float(load_checkpoint(args.embedder), source)
    if args.precision == "float32":
        return source
    crops = faces.calibration_faces(args.data, CALIBRATION_FACES)
    target = folder / "embedder_int8.onnx"
    batches = (faces.normalised(crops[i : i + 16]) for i in range(0, len(crops) // 16 * 16, 16))
    quantise(source, target=target, batches=batches, keep_float=FLOAT_NODES, percentile=PERCENTILE)
    return target


def measure(embedder: Path, data: Path, recipe: dict) -> tuple[dict, dict]:
    """Return thresholds and accept rates on the CelebA identities."""
    crops, people = faces.identities(data / "celeba240" / "aligned112.tar")
    embeddings = threshold.embed(embedder, crops)
    source = f"CelebA, {len(set(people))} people, {len(people)} aligned photos"
    thresholds = threshold.choose(embeddings, people, source=source, margin=recipe["margin"])
    return thresholds, {"celeba240": threshold.accept_rates(embeddings, people)}


def detector_stage(args: argparse.Namespace) -> dict:
    """Return the detector's manifest entry for this precision."""
    stage = json.loads((args.detector / "stage.json").read_text())
    return {**stage, "file": "detector.onnx", "precision": args.precision}


def embedder_stage(precision: str) -> dict:
    """Return the embedder's manifest entry: RGB crops of 112 pixels, scaled to [-1, 1]."""
    spec = {
        "name": INPUT,
        "layout": "NCHW",
        "dtype": "float32",
        "colour": "RGB",
        "mean": [faces.MEAN] * 3,
        "std": [faces.STD] * 3,
        "height": 112,
        "width": 112,
    }
    return {
        "file": "embedder.onnx",
        "format": "onnx",
        "precision": precision,
        "variant": "whole",
        "input": spec,
        "outputs": [OUTPUT],
        "dim": 512,
    }


def selftest(stages: dict, files: dict) -> bytes:
    """Run both networks on synthetic pictures and return selftest.npz."""
    pictures = [selftest_inputs.picture(112, 112, seed=seed) for seed in range(CANDIDATES)]
    scene = selftest_inputs.picture(*DETECTOR_TEST_SIZE, seed=0)
    inputs = selftest_inputs.normalised(stages["embedder"], pictures)
    scene_input = selftest_inputs.normalised(stages["detector"], [scene])
    embeddings = run_stage(stages["embedder"], files, inputs)[OUTPUT]
    pair = most_different(embeddings)
    maps = run_stage(stages["detector"], files, scene_input)
    vectors = {
        "embedder_input": inputs[pair],
        "embedder_output": embeddings[pair],
        "detector_input": scene_input,
        **{f"detector_{name}": values for name, values in maps.items()},
    }
    return split.packed(vectors)


def run_stage(stage: dict, files: dict, inputs: np.ndarray) -> dict:
    """Run a stage's network and return its outputs by name."""
    session = onnxruntime.InferenceSession(files[stage["file"]], providers=["CPUExecutionProvider"])
    return dict(
        zip(stage["outputs"], session.run(stage["outputs"], {stage["input"]["name"]: inputs}))
    )


def most_different(embeddings: np.ndarray) -> list:
    """Return the two rows of lowest cosine: pictures without a face look much alike to it."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return list(np.unravel_index((unit @ unit.T).argmin(), (len(unit), len(unit))))
