"""A small build to verify: the real checkpoint, INT8 ONNX files, views of two public portraits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

from edgeface.align import align
from export import faces
from export.artefact import Artefact
from export.checkpoint import load_checkpoint
from export.preprocessing import Preprocessing
from export.quantise import quantise
from export.source import Source
from export.split import cut_backbone
from export.to_onnx import export_backbone, export_float
from export.verify.embed import Candidate
from export.verify.sets import FaceSet

CHECKPOINT = Path(__file__).parents[3] / "export" / "checkpoints" / "dsanet_s.pt"
VIEWS = 24  # of each portrait
FLOAT_SEGMENT = ("/backbone/segments.0/",)


def portrait_crops(pipeline, *photos: np.ndarray) -> list[np.ndarray]:
    """The largest face of each BGR photo, aligned, RGB."""
    return [align(p, pipeline.largest_face(p).landmarks)[:, :, ::-1] for p in photos]


def views(crops: list[np.ndarray], *, seed: int, count: int = VIEWS) -> FaceSet:
    """Augmented views of each crop, as photos of as many people."""
    rng = np.random.default_rng(seed)
    made = np.stack([faces.view(crop, rng) for crop in crops for _ in range(count)])
    people = np.repeat(np.arange(len(crops)), count)
    return FaceSet("folder", made, f"views of {len(crops)} portraits", people=people)


def float_source(work: Path) -> Source:
    """The float network of a build, saved as export.build does."""
    folder = work / "float"
    folder.mkdir(parents=True)
    net = load_checkpoint(CHECKPOINT)
    export_float(net, folder / "whole.onnx")
    export_backbone(net, folder / "backbone.onnx")
    source = Source("dsanet_s", folder / "whole.onnx", Preprocessing(), 512, net)
    source.save(folder)
    return source


def int8_artefacts(source: Source, inputs: np.ndarray, folder: Path) -> list[Artefact]:
    """Whole and split INT8 ONNX files, calibrated on network inputs."""
    folder.mkdir(parents=True)
    batches = [inputs[i : i + 16] for i in range(0, len(inputs) // 16 * 16, 16)]
    whole = folder / "whole.onnx"
    quantise(source.onnx, target=whole, batches=batches, keep_float=FLOAT_SEGMENT, percentile=99.99)
    (folder / "backbone.onnx").write_bytes(cut_backbone(whole.read_bytes(), "image"))
    entry = source.preprocessing.manifest(name="image")
    made = [
        Artefact("onnx", "whole", "int8", "whole.onnx", "onnx", entry, ["embedding"]),
        Artefact("onnx", "split", "int8", "backbone.onnx", "onnx", entry, ["feature"]),
    ]
    for artefact in made:
        artefact.save(folder)
    return made


def run_onnx(artefact: Artefact, folder: Path, inputs: np.ndarray) -> np.ndarray:
    """Raw outputs of an ONNX artefact."""
    session = onnxruntime.InferenceSession(
        str(folder / artefact.file), providers=["CPUExecutionProvider"]
    )
    rows = [
        session.run(None, {artefact.input["name"]: inputs[i : i + 16]})[0]
        for i in range(0, len(inputs), 16)
    ]
    return np.concatenate(rows)


def with_input(candidate: Candidate, **changes: object) -> Candidate:
    """The candidate with another manifest entry."""
    artefact = candidate.artefact
    return replace(candidate, artefact=replace(artefact, input={**artefact.input, **changes}))


def as_candidates(artefacts: list[Artefact], folder: Path) -> list[Candidate]:
    """What to measure: the split one with the INT8 head."""
    heads = {"whole": None, "split": "int8"}
    return [Candidate(a, folder, heads[a.variant], run_onnx) for a in artefacts]
