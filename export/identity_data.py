"""Labelled faces for training: reading them, splitting them by person, PK sampling."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export import faces
from export.errors import ExportError
from export.verify.sets import folder_set


@dataclass(frozen=True)
class People:
    """Aligned photos with the name of who is on each.

    ``crops`` is (N, 112, 112, 3) uint8 RGB, ``names`` is (N,) str.
    """

    crops: np.ndarray
    names: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Each photo's person as a number, (N,) int64 from 0, in the names' order."""
        return np.unique(self.names, return_inverse=True)[1].reshape(-1)

    @property
    def count(self) -> int:
        """How many people there are."""
        return len(np.unique(self.names))

    def of(self, people: np.ndarray) -> People:
        """Return the photos of the named people only."""
        kept = np.isin(self.names, people)
        return People(self.crops[kept], self.names[kept])


def read_people(path: Path) -> People:
    """Read ``person/photo.jpg`` from a folder or a tar of aligned faces.

    Raises
    ------
    ExportError
        Fewer than two people, a file that is no picture, or one that is not an aligned crop.
    """
    if path.is_dir():
        try:
            own = folder_set(path)
        except ValueError as error:
            raise ExportError(str(error)) from error
        return People(own.crops, own.people)
    if not path.is_file():
        raise ExportError(f"{path}: not there; expected a folder or a tar of PERSON/PHOTO.jpg")
    crops, names = [], []
    for name, image in faces.read_tar(path):
        if image.shape != (faces.CROP, faces.CROP, 3) or "/" not in name:
            raise ExportError(
                f"{path}: {name} has {image.shape[1]}x{image.shape[0]} pixels, expected "
                f"PERSON/PHOTO.jpg, an aligned crop of {faces.CROP}x{faces.CROP}; align it with "
                "edgeface.align"
            )
        crops.append(image)
        names.append(name.split("/")[-2])
    if len(set(names)) < 2:
        raise ExportError(f"{path}: photos of {len(set(names))} people, expected at least two")
    return People(np.stack(crops), np.array(names))


def split(people: People, *, held_out: int, seed: int) -> tuple[People, People]:
    """Return (training people, held-out people): a seeded draw of ``held_out`` names.

    No person is in both.

    Raises
    ------
    ExportError
        Not enough people to train on at least two of them.
    """
    names = np.unique(people.names)
    if not 0 <= held_out <= len(names) - 2:
        raise ExportError(
            f"{held_out} of {len(names)} people held out: expected 0 to {len(names) - 2}, "
            "so that two or more are left to train on"
        )
    drawn = np.random.default_rng(seed).permutation(names)
    return people.of(drawn[held_out:]), people.of(drawn[:held_out])


def pk_rows(labels: np.ndarray, *, people: int, photos: int, seed: tuple[int, ...]) -> np.ndarray:
    """Draw ``people`` different people and ``photos`` photos of each: (P·K,) indices.

    Source: Hermans et al. 2017, section 2 ("PK batches"). Whoever has fewer than K photos gives
    some twice, and augmentation makes them differ. With fewer than P people all are drawn.
    """
    rng = np.random.default_rng(seed)
    everyone = np.unique(labels)
    drawn = rng.choice(everyone, min(people, len(everyone)), replace=False)
    rows = []
    for person in drawn:
        own = np.flatnonzero(labels == person)
        rows.append(rng.choice(own, photos, replace=len(own) < photos))
    return np.concatenate(rows)
