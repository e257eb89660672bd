"""The faces that artefacts are measured on: what the data folder has, or a user's own folder.

Crops are RGB uint8, (N, 112, 112, 3), aligned. ``faces`` are FairFace validation crops with groups,
``people`` are CelebA identities, ``pairs`` is LFW View 1's test list. LFW is for measuring only:
nothing may be trained, calibrated or chosen on it, and no gate reads it.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from export import faces

HELD_OUT = 1000
FOLDS = 10
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
SPREADSHEET_AGES = {"03-Sep": "3-9", "Oct-19": "10-19"}  # what a spreadsheet made of FairFace's


@dataclass(frozen=True)
class Pairs:
    """Listed pairs of a set's photos.

    ``first`` and ``second`` are (P,) places in the set, ``genuine`` (P,) bool, ``folds`` (P,) int.
    """

    first: np.ndarray
    second: np.ndarray
    genuine: np.ndarray
    folds: np.ndarray


@dataclass(frozen=True)
class FaceSet:
    """One evaluation set.

    Attributes
    ----------
    name : "faces", "people", "pairs", or "folder".
    crops : (N, 112, 112, 3) uint8 RGB.
    source : what it is, for the report; with the limit and the seed when it is a sample.
    people : (N,) identity of each photo, where known.
    pairs : the pairs to compare, where the set prescribes them.
    groups : attribute → (N,) value, such as "race".
    """

    name: str
    crops: np.ndarray
    source: str
    people: np.ndarray | None = None
    pairs: Pairs | None = None
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the crops, hexadecimal."""
        return hashlib.sha256(np.ascontiguousarray(self.crops).data).hexdigest()


def load_sets(data: Path) -> dict[str, FaceSet]:
    """Return the sets of a data folder, by name: those whose files are there.

    Raises
    ------
    ValueError
        The folder has none of them.
    """
    readers = {
        "faces": (fairface, data / "fairface112"),
        "people": (celeba, data / "celeba240"),
        "pairs": (lfw, data / "lfw_view1"),
    }
    found = {name: read(folder) for name, (read, folder) in readers.items() if folder.is_dir()}
    if not found:
        raise ValueError(
            f"{data}: none of fairface112, celeba240 and lfw_view1 is here, expected at least one; "
            "or give a folder of aligned crops, person/photo.jpg"
        )
    return found


def fairface(folder: Path) -> FaceSet:
    """Return the first 1000 FairFace validation crops, never trained on, with their labels."""
    with (folder / "val.csv").open(newline="") as handle:
        labels = {row["file"]: row for row in csv.DictReader(handle)}
    named = list(faces.read_tar(folder / "val.tar"))[:HELD_OUT]
    rows = [labels[name] for name, _ in named]
    groups = {key: np.array([row[key] for row in rows]) for key in ("race", "gender", "age")}
    groups["age"] = np.array([SPREADSHEET_AGES.get(age, age) for age in groups["age"]])
    return FaceSet(
        "faces",
        np.stack([image for _, image in named]),
        f"FairFace validation, first {len(named)} crops",
        groups=groups,
    )


def celeba(folder: Path) -> FaceSet:
    """Return CelebA's aligned crops and who is on them."""
    crops, people = faces.identities(folder / "aligned112.tar")
    source = f"CelebA, {len(set(people))} people, {len(people)} aligned photos"
    return FaceSet("people", crops, source, people=people)


def lfw(folder: Path) -> FaceSet:
    """Return LFW View 1's test pairs; those with a missing photo are left out and counted."""
    named = {
        name.split("/")[-1]: image
        for name, image in faces.read_tar(folder / "dev_test_aligned112.tar")
    }
    place = {name: i for i, name in enumerate(named)}
    lines = (folder / "pairsDevTest.txt").read_text().splitlines()[1:]
    listed = [lfw_pair(line.split("\t")) for line in lines if line.strip()]
    kept = [i for i, (a, b, _) in enumerate(listed) if a in place and b in place]
    first, second, genuine = zip(*(listed[i] for i in kept))
    pairs = Pairs(
        np.array([place[name] for name in first]),
        np.array([place[name] for name in second]),
        np.array(genuine),
        np.array([i % FOLDS for i in kept]),
    )
    source = f"LFW View 1 test, {len(kept)} pairs ({len(listed) - len(kept)} lack a photo)"
    return FaceSet("pairs", np.stack(list(named.values())), source, pairs=pairs)


def lfw_pair(words: list[str]) -> tuple[str, str, bool]:
    """Return both file names of a line ``name i j`` (genuine) or ``name i name j`` (impostor)."""
    genuine = len(words) == 3
    name, number, *other = words
    other = [name, *other] if genuine else other
    return f"{name}_{int(number):04d}.jpg", f"{other[0]}_{int(other[1]):04d}.jpg", genuine


def folder_set(folder: Path) -> FaceSet:
    """Return a user's own crops: ``person/photo.jpg`` (or png), aligned, 112×112.

    Raises
    ------
    ValueError
        Fewer than two people, a file that is no picture, or a picture of another size.
    """
    files = sorted(p for p in folder.glob("*/*") if p.suffix.lower() in PHOTO_SUFFIXES)
    people = np.array([path.parent.name for path in files])
    if len(set(people)) < 2:
        raise ValueError(
            f"{folder}: found {len(set(people))} people in {len(files)} photos, expected at least "
            "two; lay it out as person/photo.jpg"
        )
    crops = np.stack([_crop(path) for path in files])
    source = f"own photos, {len(set(people))} people, {len(files)} crops"
    return FaceSet("folder", crops, source, people=people)


def _crop(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None or image.shape != (faces.CROP, faces.CROP, 3):
        found = "no picture" if image is None else f"{image.shape[1]}x{image.shape[0]}"
        raise ValueError(
            f"{path}: found {found}, expected an aligned crop of {faces.CROP}x{faces.CROP}; "
            "align it with edgeface.align"
        )
    return image[:, :, ::-1]


def sample(whole: FaceSet, limit: int, *, seed: int) -> FaceSet:
    """Return about ``limit`` photos of a set, drawn with ``seed``; the set itself if it is smaller.

    Whole people where identities are known and whole pairs where pairs are listed, until the limit
    is reached; single photos otherwise.
    """
    if limit >= len(whole.crops):
        return whole
    rng = np.random.default_rng(seed)
    if whole.pairs is not None:
        return _sample_pairs(whole, limit, rng, seed)
    if whole.people is not None:
        order = rng.permutation(np.unique(whole.people))
        counts = np.cumsum([(whole.people == person).sum() for person in order])
        kept = np.isin(whole.people, order[: np.searchsorted(counts, limit) + 1])
    else:
        kept = np.isin(np.arange(len(whole.crops)), rng.permutation(len(whole.crops))[:limit])
    return replace(
        whole,
        crops=whole.crops[kept],
        source=_sampled(whole, int(kept.sum()), seed),
        people=None if whole.people is None else whole.people[kept],
        groups={key: values[kept] for key, values in whole.groups.items()},
    )


def _sample_pairs(whole: FaceSet, limit: int, rng: np.random.Generator, seed: int) -> FaceSet:
    listed = whole.pairs
    # Half as many pairs as photos: hardly any photo stands in two pairs.
    chosen = np.sort(rng.permutation(len(listed.first))[: max(1, limit // 2)])
    photos = np.unique([listed.first[chosen], listed.second[chosen]])
    place = np.full(len(whole.crops), -1)
    place[photos] = np.arange(len(photos))
    pairs = Pairs(
        place[listed.first[chosen]],
        place[listed.second[chosen]],
        listed.genuine[chosen],
        listed.folds[chosen],
    )
    source = _sampled(whole, len(photos), seed)
    return replace(whole, crops=whole.crops[photos], source=source, pairs=pairs)


def _sampled(whole: FaceSet, count: int, seed: int) -> str:
    return f"{whole.source}; a sample of {count} photos, seed {seed}"
