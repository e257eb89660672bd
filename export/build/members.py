"""What a bundle is made of: its stages' manifest entries and their files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from edgeface.bundle import Bundle
from export import nbg, split
from export.artefact import Artefact
from export.artefact_pack import add_artefact
from export.build import selftest
from export.build.work import Work
from export.errors import ExportError
from export.verify.embed import Candidate

PRIMARY_TITLES = ("onnx whole int8", "onnx whole hybrid")
SPLIT_TITLE = "onnx split int8"
PACKED_PRECISIONS = ("int8", "hybrid")
KIT_TARGET = "t527"
DETECTOR_FILE, EMBEDDER_FILE, CALIBRATION_FILE = (
    "detector.onnx",
    "embedder.onnx",
    "calibration.json",
)


def detector(path: Path | None, files: dict) -> dict:
    """Add the detector's file and self-test vectors; returns its manifest entry.

    ``path`` is a bundle, a folder of ``quantise detector``, or None: edgeface's own bundle.
    """
    if path is not None and path.is_dir():
        stage = {**json.loads((path / "stage.json").read_text()), "file": DETECTOR_FILE}
        model = (path / f"detector_{stage['precision']}.onnx").read_bytes()
    else:
        bundle = Bundle.open(path)
        stage = dict(bundle.stage("detector"))
        model = bundle.read(stage["file"])
    files[stage["file"]] = model
    vectors = split.unpacked(files["selftest.npz"])
    files["selftest.npz"] = split.packed({**vectors, **selftest.detector_vectors(stage, model)})
    return stage


def packable(work: Work, *, with_nbg: bool) -> dict[str, tuple[Artefact, Path]]:
    """Return what a bundle may hold, by title: INT8 and hybrid artefacts.

    Of T527 there is only a kit, whose simulated figures stand for the .nb file that is to come.
    """
    whole_first = sorted(work.artefacts(), key=lambda found: found[0].variant != "whole")
    found: dict[str, tuple[Artefact, Path]] = {}
    for artefact, folder in whole_first:
        if artefact.precision in PACKED_PRECISIONS and (with_nbg or artefact.target != KIT_TARGET):
            if artefact.title in found:
                raise ExportError(
                    f"{artefact.title}: both {found[artefact.title][0].file} and {artefact.file} "
                    f"are in {folder}; remove one"
                )
            found[artefact.title] = artefact, folder
    return found


def primary_title(artefacts: dict) -> str:
    """Return the title of the bundle's model: the whole ONNX file.

    Raises
    ------
    ExportError
        There is none.
    """
    for title in PRIMARY_TITLES:
        if title in artefacts:
            return title
    raise ExportError(
        f"none of {', '.join(PRIMARY_TITLES)} is there, which is a bundle's model: run 'python -m "
        "export quantise'"
    )


def embedder(work: Work, artefacts: dict[str, tuple[Artefact, Path]]) -> tuple[dict, dict]:
    """Return the manifest's stages with the embedder, and its files."""
    artefacts = {t: found for t, found in artefacts.items() if found[0].target != KIT_TARGET}
    primary, folder = artefacts.pop(primary_title(artefacts))
    source = work.tuned()
    candidates = selftest.candidate_inputs(source.preprocessing)
    outputs = Candidate(primary, folder).run(candidates)
    pair = selftest.most_different(outputs)
    files = {
        EMBEDDER_FILE: (folder / primary.file).read_bytes(),
        CALIBRATION_FILE: calibration_list(work),
        "selftest.npz": split.packed(
            {"embedder_input": candidates[pair], "embedder_output": outputs[pair]}
        ),
    }
    stage = {
        "file": EMBEDDER_FILE,
        "format": primary.format,
        "precision": primary.precision,
        "variant": primary.variant,
        "input": primary.input,
        "outputs": primary.outputs,
        "dim": source.dim,
    }
    if SPLIT_TITLE in artefacts:
        backbone, folder = artefacts.pop(SPLIT_TITLE)
        files[split.BACKBONE_FILE] = (folder / backbone.file).read_bytes()
        files[split.HEAD_FILE] = (folder / split.HEAD_FILE).read_bytes()
        split.add_split(stage, files, source.net, split.head_precision(files[split.HEAD_FILE]))
    manifest = {"stages": {"embedder": stage}}
    for artefact, folder in artefacts.values():
        expected = expected_embeddings(artefact, folder, candidates[pair], files, source.net)
        add_artefact(manifest, files, artefact, folder, expected)
    return manifest["stages"], files


def calibration_list(work: Work) -> bytes:
    """Return which photos INT8 was calibrated with: hashes alone, as file names may name people."""
    listed = json.loads((work / "calibration" / "list.json").read_text())
    listed["photos"] = [photo["sha256"] for photo in listed["photos"]]
    return json.dumps(listed, indent=1).encode() + b"\n"


def expected_embeddings(
    artefact: Artefact, folder: Path, inputs: np.ndarray, files: dict, net
) -> np.ndarray:
    """Return what an artefact gives for the self-test's inputs; the head of split ones in PyTorch.

    Raises
    ------
    ExportError
        A split artefact without the head of the ONNX split variant.
    """
    outputs = Candidate(artefact, folder).run(inputs)
    if artefact.variant == "whole":
        return outputs
    if split.HEAD_FILE not in files:
        raise ExportError(
            f"{artefact.title}: there is no head to run it with, because '{SPLIT_TITLE}' is not "
            "packed: look at its gates, or convert for whole targets only"
        )
    return split.head_output(files[split.HEAD_FILE], net, outputs)


def add_nbg(
    stages: dict, files: dict, work: Work, artefacts: dict[str, tuple[Artefact, Path]], path: Path
) -> None:
    """Add the .nb file that ACUITY made of the T527 kit.

    Its self-test vectors are the simulation's: nothing here can run the file itself.

    Raises
    ------
    ExportError
        There is no kit, or its simulation failed a gate and was left out.
    """
    source = work.tuned()
    kit = next((found for found in artefacts.values() if found[0].target == KIT_TARGET), None)
    if kit is None:
        raise ExportError(f"--nbg {path}: no T527 kit that passed its gates; convert, and verify")
    artefact = nbg.accept(path, source, variant="split")
    inputs = split.unpacked(files["selftest.npz"])["embedder_input"]
    expected = expected_embeddings(*kit, inputs, files, source.net)
    add_artefact({"stages": stages}, files, artefact, path.parent, expected)
