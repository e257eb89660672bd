"""Pairs of photos to compare: the LFW pair list, or any folder with one sub-folder per person."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeface.errors import EvaluationError

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True)
class Pair:
    """Two photos (paths below the image folder) and whether they show one person."""

    first: str
    second: str
    genuine: bool


@dataclass(frozen=True)
class PairList:
    """Pairs, the fold each belongs to, and how many were left out for want of a photo."""

    pairs: tuple[Pair, ...]
    folds: np.ndarray
    missing: int


def read_lfw_pairs(path: str | os.PathLike[str], images: str | os.PathLike[str]) -> PairList:
    """Read an LFW pair list: ``name i j`` is a genuine pair, ``name i name j`` an impostor pair.

    The first line is ``[folds] pairs``: each fold holds that many genuine, then as many impostor
    pairs. A list without folds (View 1) is dealt into ten in turn. Pairs whose photos are not all
    in `images` are left out and counted.

    Raises
    ------
    EvaluationError
        Not such a list, or no pair of it has its photos in `images`.
    """
    lines = [line.split() for line in Path(path).read_text().splitlines() if line.strip()]
    if not lines or not all(word.isdigit() for word in lines[0]) or len(lines[0]) > 2:
        raise EvaluationError(f"{path}: not an LFW pair list; its first line is '[folds] pairs'")
    per_fold = 2 * int(lines[0][-1]) if len(lines[0]) == 2 else 0
    pairs = [_lfw_pair(words, f"{path}:{i}") for i, words in enumerate(lines[1:], 2)]
    folds = [i // per_fold if per_fold else i % 10 for i in range(len(pairs))]
    present = [i for i, pair in enumerate(pairs) if _has_photos(pair, Path(images))]
    if not present:
        raise EvaluationError(
            f"{images}: none of the {len(pairs)} pairs of {path} has its photos here; "
            "expected NAME/NAME_0001.jpg"
        )
    kept = tuple(pairs[i] for i in present)
    return PairList(kept, np.array([folds[i] for i in present]), len(pairs) - len(kept))


def _lfw_pair(words: list[str], where: str) -> Pair:
    if len(words) == 3:
        words = [words[0], words[1], words[0], words[2]]
        genuine = True
    elif len(words) == 4:
        genuine = False
    else:
        raise EvaluationError(f"{where}: found {len(words)} words, expected 3 or 4")
    return Pair(_lfw_photo(words[0], words[1]), _lfw_photo(words[2], words[3]), genuine)


def _lfw_photo(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


def _has_photos(pair: Pair, images: Path) -> bool:
    return (images / pair.first).is_file() and (images / pair.second).is_file()


def folder_pairs(images: str | os.PathLike[str], *, most: int = 20000, seed: int = 0) -> PairList:
    """Make pairs from a folder with one sub-folder per person.

    All genuine pairs and as many random impostor pairs as there may be; each kind is thinned at
    random to `most`. Whole people go to one of ten folds, by their first photo's.

    Raises
    ------
    EvaluationError
        Fewer than two people, or nobody with two photos.
    """
    people = _people(Path(images))
    rng = np.random.default_rng(seed)
    genuine = [Pair(a, b, True) for p in people for a, b in itertools.combinations(p, 2)]
    if len(people) < 2 or not genuine:
        raise EvaluationError(
            f"{images}: found {len(people)} people and {len(genuine)} genuine pairs; expected one "
            "sub-folder per person, at least two people, somebody with two photos"
        )
    if len(genuine) > most:
        genuine = [genuine[i] for i in sorted(rng.choice(len(genuine), most, replace=False))]
    pairs = genuine + _impostors(people, most, rng)
    fold = {photo: i % 10 for i, photos in enumerate(people) for photo in photos}
    return PairList(tuple(pairs), np.array([fold[pair.first] for pair in pairs]), 0)


def _people(images: Path) -> list[list[str]]:
    folders = sorted(folder for folder in images.iterdir() if folder.is_dir())
    photos = (
        sorted(p.relative_to(images).as_posix() for p in folder.iterdir()
               if p.suffix.lower() in PHOTO_SUFFIXES)
        for folder in folders
    )  # fmt: skip
    return [found for found in photos if found]


def _impostors(people: list[list[str]], most: int, rng: np.random.Generator) -> list[Pair]:
    """Draw distinct pairs of photos of different people, at most `most` of them."""
    owner = np.repeat(np.arange(len(people)), [len(photos) for photos in people])
    photos = [photo for found in people for photo in found]
    drawn = np.sort(rng.integers(len(photos), size=(2 * most, 2)), axis=1)
    distinct = np.unique(drawn[owner[drawn[:, 0]] != owner[drawn[:, 1]]], axis=0)
    rng.shuffle(distinct)
    return [Pair(photos[a], photos[b], False) for a, b in distinct[:most]]
