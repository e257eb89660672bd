"""Galleries and probes: random unit vectors, and real embeddings of augmented FairFace photos.

Real rows. Every FairFace crop of ``fairface112`` (train and val), less those of 32 strangers, is
embedded by the default bundle as it is and in three views drawn by `export.faces.view` (mirror,
landmark jitter, camera faults), view v from seed v: 123 840 pictures that really went through the
network, shuffled with seed 0. A gallery of N is the first N of them.

Beyond those, rows are made in embedding space. With d the differences between two views of the same
photo and C their covariance, a new row is the unit vector along e + s n, where e is a real row and
n is drawn from a normal distribution of covariance C. Being independent of e, n would turn it less
than a real difference does, so s is chosen such that the expected cosine to the source,
1 / sqrt(1 + s² tr C), is the median cosine of two views of a photo.

Probes. Genuine: the last view of the photos behind the gallery's first rows, taken out of it.
Strangers: the last view of the photos that were left out. A random gallery's genuine probes are
its first rows turned to a cosine of 0.7.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from edgeface.artefact import choose_artefact
from edgeface.bundle import Bundle
from edgeface.embed import Embedder
from edgeface.split import open_embedder
from export import faces
from tests.bench.peers import CHUNK

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "bench"
DIM = 512
PROBES = 32
VIEWS = 4
NOISE_PAIRS = 20_000


@dataclass(frozen=True)
class Source:
    """Where galleries come from: ``rows(N)`` makes one, ``probes`` are (32, 512) by kind."""

    name: str
    probes: dict[str, np.ndarray]
    rows: Callable[[int], np.ndarray]
    note: str = ""


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, D) float32, each divided by its length."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def filled(count: int, parts: Iterator[np.ndarray]) -> np.ndarray:
    """(count, 512) float32 from parts, without a second copy of it all."""
    rows, done = np.empty((count, DIM), np.float32), 0
    while done < count:
        part = next(parts)[: count - done]
        rows[done : done + len(part)] = part
        done += len(part)
    return rows


def random_source() -> Source:
    """Unit vectors in every direction."""
    first = next(_random_parts())[:PROBES]
    random = np.random.default_rng(1)
    turned = 0.7 * first + 0.51**0.5 * unit(random.standard_normal((PROBES, DIM), np.float32))
    probes = {"genuine": unit(turned)}
    return Source("random", probes, lambda count: filled(count, _random_parts()))


def _random_parts() -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    while True:
        yield unit(random.standard_normal((CHUNK, DIM), np.float32))


def data_folder() -> Path | None:
    """The shared data, where tests look for it too; None without it."""
    folder = Path(os.environ.get("EDGEFACE_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "fairface112").is_dir() else None


def real_source(data: Path) -> Source:
    """Real embeddings, computed once (minutes) and then read from ``build/bench``."""
    views = embedded_views(data)
    order = np.random.default_rng(0).permutation(len(views[0]))
    strangers, enrolled = order[:PROBES], order[PROBES:]
    rows = np.random.default_rng(0).permutation(VIEWS * len(enrolled))
    view, photo = np.divmod(rows, len(enrolled))
    known = list(dict.fromkeys(photo[view < VIEWS - 1].tolist()))[:PROBES]
    held_out = (view == VIEWS - 1) & np.isin(photo, known)
    gallery = np.concatenate([one[enrolled] for one in views])[rows[~held_out]]
    probes = {"genuine": views[-1][enrolled[known]], "stranger": views[-1][strangers]}
    noise, cosine, trace = within_photo_noise(views[0][enrolled], views[1][enrolled])
    made = np.sqrt((1 / cosine**2 - 1) / trace) * noise
    note = f"{len(gallery)} embedded photos; two views of one have a median cosine of {cosine:.3f}"
    return Source("real", probes, lambda count: filled(count, _real_parts(gallery, made)), note)


def within_photo_noise(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float, float]:
    """A factor L (D, D) of the covariance C = L Lᵀ of a - b, the median cosine, and C's trace."""
    differences = a[:NOISE_PAIRS] - b[:NOISE_PAIRS]
    covariance = differences.T @ differences / len(differences)
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    factor = vectors * np.sqrt(np.maximum(values, 0))
    cosine = float(np.median(np.einsum("nd,nd->n", a, b)))
    return factor.astype(np.float32), cosine, float(np.trace(covariance))


def _real_parts(gallery: np.ndarray, factor: np.ndarray) -> Iterator[np.ndarray]:
    yield gallery
    random = np.random.default_rng(0)
    while True:
        sources = gallery[random.integers(len(gallery), size=CHUNK)]
        yield unit(sources + random.standard_normal((CHUNK, DIM), np.float32) @ factor.T)


def embedded_views(data: Path) -> list[np.ndarray]:
    """Embeddings (photos, 512) of the crops as they are, then of their views, an array for each."""
    bundle = Bundle.open()
    files = [CACHE / f"fairface_{bundle.model_id}_view{view}.npy" for view in range(VIEWS)]
    absent = {view: file for view, file in enumerate(files) if not file.is_file()}
    if absent:
        CACHE.mkdir(parents=True, exist_ok=True)
        folder = data / "fairface112"
        crops = np.concatenate([faces.aligned(folder / f"{part}.tar") for part in ("train", "val")])
        for view, file in absent.items():
            unfinished = file.with_suffix(".part.npy")
            np.save(unfinished, embedded(crops, bundle, view=view))
            unfinished.replace(file)
    return [np.load(file) for file in files]


def embedded(crops: np.ndarray, bundle: Bundle, *, view: int = 0) -> np.ndarray:
    """Embeddings of RGB crops as they are (view 0) or of a view drawn from its number as seed."""
    artefact, random, parts = choose_artefact(bundle), np.random.default_rng(view), []
    with open_embedder(bundle, artefact, threads=os.cpu_count()) as backend:
        embedder = Embedder(artefact, backend)
        for start in tqdm(range(0, len(crops), 16), desc=f"embedding view {view}", mininterval=5):
            batch = crops[start : start + 16]
            if view:
                batch = np.stack([faces.view(crop, random) for crop in batch])
            parts.append(embedder.embed_batch(np.ascontiguousarray(batch[..., ::-1])))
    return np.concatenate(parts)
