"""The files in which a bundle holds its embedder, and the choice among them.

There is one per runtime and variant: the stage's own ONNX file (whole), its backbone (split), and
those listed in `artefacts`. All are one model, so thresholds and templates serve every one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeface.backends.ready import missing
from edgeface.board import Board
from edgeface.bundle import Bundle
from edgeface.bundle_check import require_board
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

    @property
    def boards_text(self) -> str:
        """Its boards for people, such as "rk3576 or rk3588"."""
        return " or ".join(self.boards)

    def runs_on(self, board: Board | None) -> bool:
        """Whether it was made for this board; None stands for every board."""
        return board is None or "any" in self.boards or board.name in self.boards

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


@dataclass(frozen=True, eq=False)
class Choice:
    """The file to run, and why.

    Attributes
    ----------
    artefact
        The file.
    because
        Why its runtime, for people.
    passed_over
        Better runtimes of this board, each with the reason why it does not run.
    """

    artefact: Artefact
    because: str
    passed_over: Mapping[str, str] = field(default_factory=dict)


def choose_artefact(
    bundle: Bundle,
    *,
    variant: str | None = None,
    runtime: str | None = None,
    board: Board | None = None,
) -> Artefact:
    """Return the file to run, as `choose` says; without a board, whatever board it is for.

    Parameters
    ----------
    bundle
        The open bundle.
    variant
        "whole", "split", or None: the bundle's default where this runtime has it, else the other.
    runtime
        One of `edgeface.manifest.RUNTIMES`, or None for the board's best, without a board for the
        stage's own format.
    board
        Where it shall run; None for tools that look or measure.

    Raises
    ------
    ValueError
        There is no variant or runtime of that name.
    BundleIncompatibleError
        This bundle has no such file, or it is for other boards; the text lists those it has.
    """
    if board is not None:
        return choose(bundle, board, variant=variant, runtime=runtime).artefact
    _require_known(variant, runtime)
    return _of_runtime(bundle, runtime or bundle.stage("embedder")["format"], variant, board)


def choose(
    bundle: Bundle, board: Board, *, variant: str | None = None, runtime: str | None = None
) -> Choice:
    """Choose the file to run on a board: of the runtime named, or of the board's best.

    The best is the first of `board.runtimes` for which the bundle has a file for this board, and
    which is here, as far as can be seen without loading it. Where none is here it is the first for
    which there is a file: its backend then says what to install.

    Raises
    ------
    ValueError, BundleIncompatibleError
        As `choose_artefact`.
    """
    _require_known(variant, runtime)
    require_board(bundle.manifest, board.name, path=bundle.path)
    if runtime is not None:
        return Choice(_of_runtime(bundle, runtime, variant, board), "asked for")
    passed_over: dict[str, str] = {}
    present: list[Artefact] = []
    for name in board.runtimes:
        fits = _fitting(bundle, name, variant, board)
        reason = missing(name) if fits else f"the bundle has no file for it on {board.name}"
        if fits and not reason:
            first = f"the best of {board.name} ({', '.join(board.runtimes)}) that runs here"
            return Choice(fits[0], first, passed_over)
        present += fits
        passed_over[name] = reason
    if present:
        return Choice(present[0], "none of this board's runtimes is here", passed_over)
    raise _none_fits(bundle, variant or "whole or split", " or ".join(board.runtimes), board)


def _require_known(variant: str | None, runtime: str | None) -> None:
    for what, name, known in (("variant", variant, VARIANTS), ("runtime", runtime, RUNTIMES)):
        if name is not None and name not in known:
            raise ValueError(f"{what} {name!r}, expected None or one of {', '.join(known)}")


def _of_runtime(bundle: Bundle, runtime: str, variant: str | None, board: Board | None) -> Artefact:
    fits = _fitting(bundle, runtime, variant, board)
    if not fits:
        wanted = variant or bundle.stage("embedder").get("default_variant", "whole")
        raise _none_fits(bundle, wanted, runtime, board)
    return fits[0]


def _fitting(
    bundle: Bundle, runtime: str, variant: str | None, board: Board | None
) -> list[Artefact]:
    """The files of a runtime that may run on a board, those of the wanted variant first."""
    wanted = variant or bundle.stage("embedder").get("default_variant", "whole")
    fits = [one for one in artefacts(bundle) if one.runtime == runtime and one.runs_on(board)]
    exact = [one for one in fits if one.variant == wanted]
    return exact if variant else exact + [one for one in fits if one.variant != wanted]


def _none_fits(
    bundle: Bundle, wanted: str, runtime: str, board: Board | None
) -> BundleIncompatibleError:
    listed = ", ".join(
        f"{one.runtime} {one.variant}" + ("" if one.runs_on(board) else f" for {one.boards_text}")
        for one in artefacts(bundle)
        if one.runtime in RUNTIMES
    )
    here = f" on {board.name}" if board is not None else ""
    return BundleIncompatibleError(
        f"bundle {bundle.path} has no {wanted} embedder for {runtime}{here}, it has: {listed}; "
        "choose one of these, or build a bundle with: python -m export build"
    )


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
