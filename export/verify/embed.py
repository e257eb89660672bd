"""Embeddings of a set by an artefact or by the float network, kept on disk by content.

A row is a unit embedding, or all NaN where the network gave NaN, Inf or a vector without length:
such rows are counted and fail a gate; they are never normalised into something that looks right.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import onnxruntime
from tqdm import tqdm

from edgeface import _native
from export.artefact import Artefact, file_hash
from export.preprocessing import Preprocessing
from export.presets import USUAL
from export.source import INPUT, Source
from export.split import head_weights
from export.verify.sets import FaceSet

Runner = Callable[[Artefact, Path, np.ndarray], np.ndarray]
Apply = Callable[[np.ndarray], np.ndarray]

RUNNERS = {
    "onnx": "export.onnx_target",
    "tflite": "export.tflite",
    "rk3576": "export.rknn",
    "t527": "export.nbg",
}
"""Target → the module whose ``run`` runs its artefacts."""

PIXEL_FORMATS = ("tflite", "rknn", "nbg")
HEADS = ("int8", "float32")
RUNTIMES = ("onnxruntime", "ai-edge-litert", "tflite-runtime")  # another one rounds otherwise
BATCH = 16
CHUNK = 2048  # rows per call of a runner: its input is 0.3 GB


@dataclass(frozen=True)
class Candidate:
    """One thing to measure: an artefact, and for a split one the precision of its head.

    Attributes
    ----------
    artefact : the converted network.
    folder : where its file lies.
    head : "float32" or "int8" of a split artefact's native head; None for a whole one.
    runner : runs the artefact; the target's own module when None.
    """

    artefact: Artefact
    folder: Path
    head: str | None = None
    runner: Runner | None = None

    @property
    def title(self) -> str:
        """Its name in reports, such as "tflite split int8, int8 head".

        A preset other than the usual one is named too: a build may hold a network twice.
        """
        preset = self.artefact.details.get("preset", USUAL)
        parts = [
            self.artefact.title,
            *([f"{preset} preset"] if preset != USUAL else []),
            *(["simulated"] if self.simulated else []),
            *([f"{self.head} head"] if self.head else []),
        ]
        return ", ".join(parts)

    @property
    def simulated(self) -> bool:
        """Whether only a prediction of the artefact can run: the T527's kit, without its tool."""
        return bool(self.artefact.details.get("simulated"))

    @property
    def file(self) -> Path:
        """The converted file."""
        return self.folder / self.artefact.file

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Return the artefact's raw float32 outputs for float32 NCHW inputs."""
        module = RUNNERS[self.artefact.target]
        run = self.runner or importlib.import_module(module).run
        return run(self.artefact, self.folder, inputs)


def candidates(artefacts: Sequence[Artefact], work: Path) -> list[Candidate]:
    """Return what to measure of a build: every split artefact once with each kind of head.

    A float32 one runs with the float32 head alone: it is the reference of its runtime.
    """
    return [
        Candidate(artefact, work / artefact.target, head)
        for artefact in artefacts
        for head in heads_of(artefact)
    ]


def heads_of(artefact: Artefact) -> tuple[str | None, ...]:
    """Return the precisions of the heads that an artefact is measured with; None: it needs none."""
    if artefact.variant == "whole":
        return (None,)
    return ("float32",) if artefact.precision == "float32" else HEADS


def door_inputs(artefact: Artefact, crops: np.ndarray, *, source: Source) -> np.ndarray:
    """Return network inputs as a door would make them: from the artefact's manifest entry.

    An artefact that takes pixels (`PIXEL_FORMATS`, mean 0 and std 1) normalises inside; its runner
    undoes the source's normalisation, so that only the colour order is the entry's.
    """
    entry, own = artefact.input, source.preprocessing
    pixels = not any(entry["mean"]) and set(entry["std"]) == {1}
    inside = pixels and artefact.format in PIXEL_FORMATS
    return Preprocessing(
        colour=entry["colour"],
        mean=own.mean if inside else tuple(entry["mean"]),
        std=own.std if inside else tuple(entry["std"]),
        size=entry["height"],
    ).apply(crops)


def embed_float(
    source: Source, faces: FaceSet, *, cache: Path, apply: Apply | None = None
) -> np.ndarray:
    """Return the float network's embeddings of a set, (N, dim) float32.

    ``apply`` replaces the source's own preprocessing, to see what a wrong one does.
    """
    inputs_of = apply or source.preprocessing.apply
    probe = hashlib.sha256(inputs_of(faces.crops[:1]).tobytes()).hexdigest()
    key = _key(file_hash(source.onnx), probe, faces.digest)
    path = cache / "float" / _file_name(faces)
    kept = _load(path, key)
    if kept is not None:
        return kept
    session, rows = float_session(source.onnx), []
    starts = range(0, len(faces.crops), BATCH)
    for start in tqdm(starts, desc=f"float, {faces.name}", mininterval=5):
        inputs = inputs_of(faces.crops[start : start + BATCH])
        rows.append(session.run(None, {INPUT: inputs})[0])
    found = unit_rows(np.concatenate(rows))
    _save(path, key, found)
    return found


def float_session(path: Path) -> onnxruntime.InferenceSession:
    """Load a float ONNX file on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def embed(candidate: Candidate, faces: FaceSet, *, source: Source, cache: Path) -> np.ndarray:
    """Return a candidate's embeddings of a set, (N, dim) float32, fed as its manifest entry says.

    Kept in ``cache/<title>/<set>-<digest>.npy`` until file, head, input or set change. A split
    artefact runs once for both kinds of head: the run may be a simulator's.
    """
    kept = _load(_place(candidate, faces, cache), _embed_key(candidate, faces, source))
    if kept is not None:
        return kept
    alike = [replace(candidate, head=head) for head in heads_of(candidate.artefact)]
    alike = alike if candidate in alike else [candidate]
    heads = [open_head(source, one.head) if one.head else None for one in alike]
    parts: list[list[np.ndarray]] = [[] for _ in alike]
    for start in range(0, len(faces.crops), CHUNK):
        crops = faces.crops[start : start + CHUNK]
        raw = candidate.run(door_inputs(candidate.artefact, crops, source=source))
        for head, rows in zip(heads, parts):
            rows.append(unit_rows(raw) if head is None else head_rows(head, raw))
    for one, rows in zip(alike, parts):
        _save(_place(one, faces, cache), _embed_key(one, faces, source), np.concatenate(rows))
    return np.concatenate(parts[alike.index(candidate)])


def _place(candidate: Candidate, faces: FaceSet, cache: Path) -> Path:
    return cache / candidate.title.replace(",", "").replace(" ", "_") / _file_name(faces)


def _embed_key(candidate: Candidate, faces: FaceSet, source: Source) -> str:
    return _key(
        file_hash(candidate.file),
        repr(sorted(candidate.artefact.input.items())),
        head_digest(source, candidate.head) if candidate.head else "",
        faces.digest,
        *(f"{package} {installed(package)}" for package in RUNTIMES),
    )


def installed(package: str) -> str | None:
    """Return a package's version, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def unit_rows(raw: np.ndarray) -> np.ndarray:
    """Return rows of length 1; all NaN where a row holds NaN or Inf or has no length."""
    raw = np.asarray(raw, np.float32).reshape(len(raw), -1)
    with np.errstate(all="ignore"):
        norm = np.linalg.norm(raw, axis=1, keepdims=True)
        good = np.isfinite(raw).all(axis=1, keepdims=True) & (norm > 0)
        return np.where(good, raw / norm, np.nan).astype(np.float32)


def head_rows(head: _native.AttentionHead, feature: np.ndarray) -> np.ndarray:
    """Return the native head's unit embeddings of (N, C, H, W) float32 feature maps.

    All NaN where the map is not finite or the head has no embedding for it.

    Raises
    ------
    ValueError
        The maps are not of the head's channels and tokens.
    """
    feature = np.ascontiguousarray(feature, np.float32)
    if feature.ndim != 4 or feature.shape[1] != head.channels:
        raise ValueError(
            f"feature maps {feature.shape}, expected (N, {head.channels}, H, W): is the runner's "
            "output NCHW?"
        )
    found = np.full((len(feature), head.dim), np.nan, np.float32)
    for row in np.flatnonzero(np.isfinite(feature).all(axis=(1, 2, 3))):
        with contextlib.suppress(ValueError):  # no norm: the row stays NaN
            found[row] = head.embed(feature[row : row + 1])[0]
    return found


def open_head(source: Source, precision: str) -> _native.AttentionHead:
    """Return the source's attention head, native, "float32" or "int8"."""
    weights = head_weights(source.net, precision)
    return _native.AttentionHead(weights, heads=source.net.config.heads, precision=precision)


def head_digest(source: Source, precision: str) -> str:
    """SHA-256 over the head's arrays and its precision, hexadecimal."""
    found = hashlib.sha256(precision.encode())
    for name, values in sorted(head_weights(source.net, precision).items()):
        found.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def _file_name(faces: FaceSet) -> str:
    return f"{faces.name}-{faces.digest[:8]}.npy"


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _load(path: Path, key: str) -> np.ndarray | None:
    note = path.with_suffix(".key")
    if path.is_file() and note.is_file() and note.read_text() == key:
        return np.load(path, allow_pickle=False)
    return None


def _save(path: Path, key: str, rows: np.ndarray) -> None:
    note = path.with_suffix(".key")
    path.parent.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    np.save(path, rows)
    note.write_text(key)
