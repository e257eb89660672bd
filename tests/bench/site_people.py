"""A million people who look like ours: drawn from how real embeddings vary.

Two covariances are measured with the default bundle: W, of the photos of one person around that
person's mean (CelebA, 240 people), and T, of photos of different people (FairFace train, the first
6 000). A person is a draw from the normal distribution of FairFace's mean and of T - W, a photo of
that person is the person plus a draw of covariance W, and a template is the photo at length one.
`Likeness` says how near that comes to real pairs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeface.bundle import Bundle
from export import faces
from tests.bench.gallery import CACHE, DIM, embedded, unit

PHOTOS = 6_000
RATES = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class Crowd:
    """How people vary: mean (D,), and factors L of the covariances L Lᵀ, (D, D), float32."""

    mean: np.ndarray
    between: np.ndarray
    within: np.ndarray

    def people(self, count: int, *, seed: int) -> np.ndarray:
        """Return (count, D) float32: people, who are no templates yet; see `photos`."""
        return self.mean + _normal(count, seed) @ self.between.T

    def photos(self, people: np.ndarray, *, seed: int) -> np.ndarray:
        """Return a template of each of the people, (N, D) float32 unit rows."""
        return unit(people + _normal(len(people), seed) @ self.within.T)


@dataclass(frozen=True)
class Likeness:
    """Cosines of real pairs, of FairFace's people and CelebA's, and of made ones.

    ``impostors``: rate -> (real, made) cosine that so many pairs of different people reach;
    ``genuine``: (real, made) median cosine of two photos of one person.
    """

    impostors: dict[float, tuple[float, float]]
    genuine: tuple[float, float]


def measured_crowd(data: Path) -> tuple[Crowd, Likeness]:
    """Return the crowd of the default bundle's embeddings, and how like them it is.

    They are computed once, in a minute or two, and then read from ``build/bench``.
    """
    bundle = Bundle.open()
    file = CACHE / f"site_people_{bundle.model_id}.npz"
    if not file.is_file():
        _embed(data, bundle, file)
    with np.load(file) as cached:
        named, owners, crowd_photos = cached["named"], cached["owners"], cached["photos"]
    crowd = _crowd(named, owners, crowd_photos)
    return crowd, _likeness(crowd, named, owners, crowd_photos)


def plain_crowd(*, cosine: float = 0.5) -> Crowd:
    """Return a crowd made without data; two photos of one of its people are at ``cosine``.

    Nine tenths of the variance lie in 64 directions, which are no axes: embeddings are so too.
    """
    scale = np.where(np.arange(DIM) < 64, 8, 1).astype(np.float32)
    turned = np.linalg.qr(_normal(DIM, 0))[0] * (scale / np.linalg.norm(scale))
    return Crowd(np.zeros(DIM, np.float32), turned, np.float32((1 / cosine - 1) ** 0.5) * turned)


def _embed(data: Path, bundle: Bundle, file: Path) -> None:
    crops, owners = faces.identities(data / "celeba240" / "aligned112.tar")
    strangers = faces.aligned(data / "fairface112" / "train.tar")[:PHOTOS]
    named, photos = embedded(crops, bundle), embedded(strangers, bundle)
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}.npz")
    np.savez(unfinished, named=named, owners=owners, photos=photos)
    unfinished.replace(file)


def _crowd(named: np.ndarray, owners: np.ndarray, photos: np.ndarray) -> Crowd:
    ids, numbers, counts = np.unique(owners, return_inverse=True, return_counts=True)
    sums = np.zeros((len(ids), DIM))
    np.add.at(sums, numbers, named)
    around = named - (sums / counts[:, None])[numbers]
    within = around.T @ around / (len(named) - len(ids))
    mean = photos.mean(axis=0)
    total = np.cov(photos.T)
    return Crowd(mean.astype(np.float32), _factor(total - within), _factor(within))


def _likeness(crowd: Crowd, named: np.ndarray, owners: np.ndarray, photos: np.ndarray) -> Likeness:
    made_people = crowd.people(len(photos), seed=1)
    made = crowd.photos(made_people, seed=2)
    real, drawn = (_off_diagonal(rows) for rows in (photos, made))
    same = owners[:, None] == owners[None]
    first, second = np.nonzero(np.triu(same, 1))
    genuine = np.einsum("nd,nd->n", named[first], named[second])
    again = np.einsum("nd,nd->n", made, crowd.photos(made_people, seed=3))
    quantiles = {
        rate: (float(np.quantile(real, 1 - rate)), float(np.quantile(drawn, 1 - rate)))
        for rate in RATES
    }
    return Likeness(quantiles, (float(np.median(genuine)), float(np.median(again))))


def _off_diagonal(rows: np.ndarray) -> np.ndarray:
    return (rows @ rows.T)[np.triu_indices(len(rows), 1)]


def _factor(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    return (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)


def _normal(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM), np.float32)
