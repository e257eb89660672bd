"""The default bundle with TFLite files beside its ONNX ones, for tests of the runtime."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np

from edgeface.align import align
from edgeface.artefact import choose_artefact
from edgeface.bundle import write_bundle
from edgeface.pipeline import Pipeline
from edgeface.split import open_embedder
from export import tflite
from export.artefact_pack import add_artefact
from export.checkpoint import load_checkpoint
from export.preprocessing import Preprocessing
from export.source import Source

CHECKPOINT = Path(__file__).parents[1] / "export" / "checkpoints" / "dsanet_s.pt"
VARIANTS = ("whole", "split")
VIEWS = 12


def tflite_bundle(pipeline: Pipeline, portraits: list[np.ndarray], *, folder: Path) -> Path:
    """Write ``tflite.efb``: the pipeline's bundle and its embedder as TFLite, whole and split.

    The ranges come from the portraits, (H, W, 3) uint8 BGR: two people are few, and enough here.
    """
    bundle = pipeline.bundle
    net = load_checkpoint(CHECKPOINT)
    source = Source("dsanet_s", folder / "none.onnx", Preprocessing(), 512, net)
    crops = np.concatenate([views(pipeline, portrait) for portrait in portraits])
    manifest = copy.deepcopy(bundle.manifest)
    files = {name: bundle.read(name) for name in manifest["members"]}
    given = bundle.selftest_vectors()["embedder_input"]
    with open_embedder(bundle, choose_artefact(bundle, variant="split")) as split:
        for variant in VARIANTS:
            made = tflite.convert(source, variant=variant, calibration=crops, folder=folder)
            found = tflite.run(made, folder, given)
            expected = split.embed(found) if variant == "split" else found
            add_artefact(manifest, files, made, folder, expected)
    write_bundle(folder / "tflite.efb", manifest, files)
    return folder / "tflite.efb"


def views(pipeline: Pipeline, portrait: np.ndarray) -> np.ndarray:
    """Return RGB crops (12, 112, 112, 3) of a portrait's face, moved by a few pixels, mirrored."""
    rng = np.random.default_rng(0)
    landmarks = pipeline.largest_face(portrait).landmarks
    moved = landmarks + rng.normal(0, 2, (VIEWS, *landmarks.shape)).astype(np.float32)
    return np.stack([align(portrait, m)[:, :: (-1) ** i, ::-1] for i, m in enumerate(moved)])
