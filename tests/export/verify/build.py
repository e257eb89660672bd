"""A small build to verify: the real checkpoint, INT8 ONNX files, views of two public portraits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeface.align import align
from export import faces, onnx_target
from export.checkpoint import load_checkpoint
from export.preprocessing import Preprocessing
from export.source import Source
from export.to_onnx import export_backbone, export_float
from export.verify.embed import Candidate
from export.verify.sets import FaceSet

CHECKPOINT = Path(__file__).parents[3] / "export" / "checkpoints" / "dsanet_s_int8.pt"
VIEWS = 24  # of each portrait


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


def int8_candidates(source: Source, crops: np.ndarray, folder: Path) -> list[Candidate]:
    """Whole INT8 file and backbone with the INT8 head, calibrated on RGB crops."""
    folder.mkdir(parents=True)
    return [
        Candidate(
            onnx_target.convert(source, variant=variant, calibration=crops, folder=folder),
            folder,
            head,
        )
        for variant, head in (("whole", None), ("split", "int8"))
    ]


def with_input(candidate: Candidate, **changes: object) -> Candidate:
    """The candidate with another manifest entry."""
    artefact = candidate.artefact
    return replace(candidate, artefact=replace(artefact, input={**artefact.input, **changes}))
