"""Cache of augmented views with the teacher's feature maps and embeddings for each.

One folder per view, memory-mapped .npy files: ``images`` uint8 NHWC, ``feature0..2`` float16 NHWC,
``embedding`` float32. A feature map is standardised per channel with the statistics of the first
view (``scale.npz``), so that all channels weigh the same and INT8 ranges come out even.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import multiprocessing
from tqdm import tqdm

from export import faces
from export.teacher import FEATURES, Teacher, normalise

BATCH = 32


def _create(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    shapes = {"images": ((faces.CROP, faces.CROP, 3), np.uint8), "embedding": ((512,), np.float32)}
    for i, (channels, side) in enumerate(FEATURES):
        shapes[f"feature{i}"] = ((side, side, channels), np.float16)
    for name, (shape, dtype) in shapes.items():
        open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(count, *shape)).flush()


def load(folder: Path, *, mode: str = "r") -> dict:
    """Memory-map every array of one view."""
    return {path.stem: np.load(path, mmap_mode=mode) for path in sorted(folder.glob("*.npy"))}


def _fill(rank: int, ranks: int, packed: Path, folder: Path, seed: int, weights: Path) -> None:
    """Fill every ``ranks``-th batch of a view. Seed 0 is the photos as they are."""
    torch.set_num_threads(1)
    crops = np.load(packed, mmap_mode="r")
    teacher, out = Teacher(weights).to(memory_format=torch.channels_last), load(folder, mode="r+")
    starts = range(rank * BATCH, len(crops), ranks * BATCH)
    for start in tqdm(starts, desc=folder.name, disable=rank > 0, mininterval=5):
        rng = np.random.default_rng((seed, start))
        batch = crops[start : start + BATCH]
        if seed:
            batch = np.stack([faces.view(face, rng) for face in batch])
        with torch.inference_mode():
            features, embedding = teacher(normalise(batch))
        rows = slice(start, start + len(batch))
        out["images"][rows], out["embedding"][rows] = batch, embedding.numpy()
        for i, feature in enumerate(features):
            out[f"feature{i}"][rows] = feature.permute(0, 2, 3, 1).numpy()


def _standard_scale(view: dict) -> dict:
    """Return mean and standard deviation per channel of each feature map, from 2000 faces."""
    scale = {}
    for i in range(len(FEATURES)):
        sample = view[f"feature{i}"][:2000].astype(np.float32).reshape(-1, FEATURES[i][0])
        scale[f"mean{i}"], scale[f"std{i}"] = sample.mean(0), sample.std(0) + 1e-6
    return scale


def _standardise(view: dict, scale: dict) -> None:
    for i in range(len(FEATURES)):
        feature = view[f"feature{i}"]
        for start in range(0, len(feature), 1024):
            part = feature[start : start + 1024].astype(np.float32)
            feature[start : start + 1024] = (part - scale[f"mean{i}"]) / scale[f"std{i}"]


def pack(path: Path, read: Callable[[], np.ndarray]) -> Path:
    """Decode the crops into one .npy file, once."""
    if not path.exists():
        partial = path.with_suffix(".partial.npy")
        np.save(partial, read())
        partial.rename(path)
    return path


def build(packed: Path, folder: Path, *, seed: int, weights: Path, ranks: int) -> None:
    """Build the view ``folder`` from packed crops unless it is complete already."""
    root, partial = folder.parent, folder.with_suffix(".partial")
    if folder.exists():
        return
    shutil.rmtree(partial, ignore_errors=True)
    _create(partial, len(np.load(packed, mmap_mode="r")))
    multiprocessing.spawn(_fill, (ranks, packed, partial, seed, weights), nprocs=ranks)
    view = load(partial, mode="r+")
    if not (root / "scale.npz").exists():
        np.savez(root / "scale.npz", **_standard_scale(view))
    _standardise(view, np.load(root / "scale.npz"))
    partial.rename(folder)


def views(root: Path) -> list[dict]:
    """Memory-map all finished training views."""
    return [load(folder) for folder in sorted(root.glob("train*")) if not folder.suffix]
