"""Samples for the liveness network: both views of a face, and whether it is live.

Photos are split by photo: nobody's photo that a net is trained on is used to choose a threshold or
to measure.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from edgeface.liveness_view import cut_view
from export import liveness_attacks as attacks
from export import liveness_camera as cameras
from export.detector_data import Photos, photos_from_arrays, read_labels, read_tar_images
from export.liveness_frame import Frame, flipped, jittered
from export.liveness_scene import person

PARTS = {"train": (0, 80), "validation": (80, 86), "calibration": (86, 92), "test": (92, 100)}
"""Per cent of the photos, by a hash of the file's name."""

VIEWS = (
    {"name": "tight", "scale": 1.1, "size": 112, "anchor": "landmarks"},
    {"name": "wide", "scale": 2.7, "size": 80, "anchor": "box"},
)
"""The views as the manifest has them: side of the square in box sides, pixels, centre."""

LIVE_SHARE = 0.5
CAMERAS_PER_FRAME = 2


@dataclass(frozen=True, eq=False)
class Samples:
    """N faces.

    Attributes
    ----------
    tight, wide : (N, S, S, 3) uint8 BGR.
    live : (N,) float32, 1 live, 0 attack.
    photo : (N,) int64, which photo, for the teacher's opinion of it.
    """

    tight: np.ndarray
    wide: np.ndarray
    live: np.ndarray
    photo: np.ndarray

    def __len__(self) -> int:
        return len(self.live)


def part_of(name: str) -> str:
    """The part that a photo's file name falls into, one of PARTS."""
    place = zlib.crc32(name.encode()) % 100
    return next(part for part, (low, high) in PARTS.items() if low <= place < high)


def load_part(folder, part: str, *, limit=None) -> Photos:
    """The photos of one part of ``scenes.tar``; ``limit`` keeps the first ones."""
    labels = read_labels(f"{folder}/scenes.csv")
    images, rows = [], []
    for name, image in read_tar_images(f"{folder}/scenes.tar"):
        if part_of(name) == part:
            images.append(image)
            rows.append(labels[name])
            if len(images) == limit:
                break
    return photos_from_arrays(np.stack(images), np.stack(rows))


def views(frame: Frame) -> tuple[np.ndarray, ...]:
    """The network's views of a frame's face, in the order of VIEWS."""
    return tuple(
        cut_view(
            frame.image,
            box=frame.box,
            landmarks=frame.landmarks,
            scale=view["scale"],
            size=view["size"],
            anchor=view["anchor"],
        )
        for view in VIEWS
    )


def stacked(shots: list) -> Samples:
    """Samples of (frame, live, photo) triples."""
    pairs = [views(frame) for frame, _, _ in shots]
    return Samples(
        np.stack([tight for tight, _ in pairs]),
        np.stack([wide for _, wide in pairs]),
        np.array([live for _, live, _ in shots], np.float32),
        np.array([photo for _, _, photo in shots]),
    )


def fresh(photos: Photos, rng: np.random.Generator, *, frames: int) -> Samples:
    """New frames, half live and half of the trained attacks, each seen by two random cameras."""
    shots = []
    for _ in range(frames):
        index = int(rng.integers(len(photos)))
        live = rng.random() < LIVE_SHARE
        if live:
            frame = person(photos, index, rng)
        else:
            frame = attacks.attack(photos, index, rng, kind=str(rng.choice(attacks.TRAINED)))
        for _ in range(CAMERAS_PER_FRAME):
            image = cameras.shoot(frame.image, cameras.draw_camera(rng))
            shot = jittered(Frame(image, frame.box, frame.landmarks), rng)
            shots.append((flipped(shot) if rng.random() < 0.5 else shot, live, index))
    return stacked(shots)


class Pool:
    """The latest samples, to be shown again: making one costs more than a step on it.

    Parameters
    ----------
    capacity : samples kept; the oldest go first.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._kept: list = []
        self._next = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, samples: Samples) -> None:
        """Keep every sample, in place of the oldest ones where the pool is full."""
        for i in range(len(samples)):
            one = (samples.tight[i], samples.wide[i], samples.live[i], samples.photo[i])
            if len(self._kept) < self.capacity:
                self._kept.append(one)
            else:
                self._kept[self._next] = one
                self._next = (self._next + 1) % self.capacity

    def draw(self, rng: np.random.Generator, *, count: int) -> Samples:
        """Any ``count`` of them, mirrored by chance."""
        rows = [self._kept[i] for i in rng.integers(len(self._kept), size=count)]
        turns = [slice(None, None, -1) if flip else slice(None) for flip in rng.random(count) < 0.5]
        return Samples(
            np.stack([row[0][:, turn] for row, turn in zip(rows, turns)]),
            np.stack([row[1][:, turn] for row, turn in zip(rows, turns)]),
            np.array([row[2] for row in rows], np.float32),
            np.array([row[3] for row in rows]),
        )


def joined(first: Samples, second: Samples) -> Samples:
    """Both, one after the other."""
    return Samples(
        *(
            np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("tight", "wide", "live", "photo")
        )
    )
