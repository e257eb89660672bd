"""The files in which a bundle holds its embedder, and the choice among them.

There is one per runtime and variant: the stage's own ONNX file (whole), its backbone (split), and
those listed in `artefacts`. All are one model, so thresholds and templates serve every one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeface.bundle import Bundle
from edgeface.errors import BundleIncompatibleError
from edgeface.manifest import RUNTIMES, VARIANTS


@dataclass(frozen=True, eq=False)
class Artefact:
    """One file of the embedder.

    Attributes
    ----------
    runtime
        The file's format: "onnx", "tflite", "rknn" or "nbg".
    variant
        "whole" (it gives embeddings) or "split" (a feature map for the native head).
    precision
        "float32", "float16", "int8" or "hybrid".
    file
        The bundle's member.
    input
        How it is fed: the manifest's "input" of this file.
    output
        Its output's name.
    channels_last
        Whether a feature map comes as (N, H, W, C).
    embedding
        The name under which the embedder's backend returns embeddings.
    dim
        Their length.
    selftest
        The array of selftest.npz with the embeddings that it must give.
    boards
        Boards that it runs on, or ("any",).
    needs
        Oldest version of each piece of vendor software that may run it, such as
        {"rknpu": "0.9.6", "librknnrt": "2.3.0"}; empty where any will do.
    chip
        The chip id inside an .nb file, such as "0x10000016"; None for other formats.
    """

    runtime: str
    variant: str
    precision: str
    file: str
    input: Mapping[str, Any]
    output: str
    channels_last: bool
    embedding: str
    dim: int
    selftest: str
    boards: tuple[str, ...] = ("any",)
    needs: Mapping[str, str] = field(default_factory=dict)
    chip: str | None = None

    @property
    def title(self) -> str:
        """Its name for people, such as "tflite split int8"."""
        return f"{self.runtime} {self.variant} {self.precision}"

    @property
    def stage(self) -> dict[str, Any]:
        """What `edgeface.backends.open_backend` must know of it."""
        return {
            "format": self.runtime,
            "input": self.input,
            "outputs": [self.output],
            "needs": self.needs,
            "chip": self.chip,
        }

    def fed(self, inputs: np.ndarray, spec: Mapping[str, Any]) -> np.ndarray:
        """Turn input made for another file (normalised as its `spec` says) into this one's."""
        mine, keys = self.input, ("layout", "colour", "mean", "std", "dtype")
        if all(mine[key] == spec[key] for key in keys):
            return inputs
        rows = np.moveaxis(inputs, 1, 3) if spec["layout"] == "NCHW" else inputs
        pixels = rows * np.float32(spec["std"]) + np.float32(spec["mean"])
        pixels = pixels if mine["colour"] == spec["colour"] else pixels[..., ::-1]
        if mine["dtype"] == "uint8":  # mean and std are inside the file
            rows = np.rint(pixels).clip(0, 255).astype(np.uint8)
        else:
            rows = (pixels - np.float32(mine["mean"])) / np.float32(mine["std"])
        return np.ascontiguousarray(np.moveaxis(rows, 3, 1) if mine["layout"] == "NCHW" else rows)


def artefacts(bundle: Bundle) -> tuple[Artefact, ...]:
    """Return every file of a bundle's embedder, its own ONNX first."""
    stage = bundle.stage("embedder")
    found = [_artefact(stage, stage, selftest="embedder_output")]
    if "split" in stage:
        split = {**stage["split"], "variant": "split", "input": stage["input"]}
        found.append(_artefact(stage, split, selftest="embedder_split_output"))
    listed = (_artefact(stage, e, selftest=e["selftest"]) for e in stage.get("artefacts", ()))
    return (*found, *listed)


def choose_artefact(
    bundle: Bundle, *, variant: str | None = None, runtime: str | None = None
) -> Artefact:
    """Return the file to run.

    Parameters
    ----------
    bundle
        The open bundle.
    variant
        "whole", "split", or None: the bundle's default where this runtime has it, else the other.
    runtime
        One of `edgeface.manifest.RUNTIMES`, or None for the stage's own format.

    Raises
    ------
    ValueError
        There is no variant or runtime of that name.
    BundleIncompatibleError
        This bundle has no such file; the text lists those it has.
    """
    for what, name, known in (("variant", variant, VARIANTS), ("runtime", runtime, RUNTIMES)):
        if name is not None and name not in known:
            raise ValueError(f"{what} {name!r}, expected None or one of {', '.join(known)}")
    stage = bundle.stage("embedder")
    wanted = variant or stage.get("default_variant", "whole")
    there = artefacts(bundle)
    fits = [found for found in there if found.runtime == (runtime or stage["format"])]
    exact = [found for found in fits if found.variant == wanted]
    chosen = exact or ([] if variant else fits)
    if not chosen:
        listed = ", ".join(
            f"{found.runtime} {found.variant}" for found in there if found.runtime in RUNTIMES
        )
        raise BundleIncompatibleError(
            f"bundle {bundle.path} has no {wanted} embedder for {runtime or stage['format']}, it "
            f"has: {listed}; choose one of these, or build a bundle with: python -m export build"
        )
    return chosen[0]


def _artefact(stage: Mapping[str, Any], entry: Mapping[str, Any], *, selftest: str) -> Artefact:
    whole = entry["variant"] == "whole"
    return Artefact(
        runtime=entry["format"],
        variant=entry["variant"],
        precision=entry["precision"],
        file=entry["file"],
        input=entry["input"],
        output=entry["outputs"][0],
        channels_last=entry.get("output_layout", "NCHW") == "NHWC",
        embedding=entry["outputs"][0] if whole else stage["outputs"][0],
        dim=stage["dim"],
        selftest=selftest,
        boards=tuple(entry.get("boards", ("any",))),
        needs=entry.get("needs", {}),
        chip=entry.get("chip"),
    )
