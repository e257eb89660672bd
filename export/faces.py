"""Packed face crops: read the tars of aligned JPEGs once, augment views of them.

Crops are uint8 RGB, (N, 112, 112, 3). Nothing here is written into the repository.
"""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgeface.align import align
from export.errors import ExportError

CROP = 112
MEAN = STD = 127.5
LANDMARKS = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")


def read_tar(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (member name, RGB uint8 image) in the archive's order."""
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.lower().endswith((".jpg", ".jpeg", ".png")):
                data = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
                if image is None:
                    raise ExportError(f"{path}: {member.name} is no picture; take it out")
                yield member.name, image[:, :, ::-1]


def read_landmarks(path: Path) -> dict:
    """Return file name → (5, 2) float32 landmarks from a scene CSV."""
    with path.open(newline="") as handle:
        return {
            row["file"]: np.float32([[row[f"{k}_x"], row[f"{k}_y"]] for k in LANDMARKS])
            for row in csv.DictReader(handle)
        }


def aligned(path: Path) -> np.ndarray:
    """Return every crop of a tar of aligned faces, (N, 112, 112, 3) RGB uint8."""
    return np.stack([image for _, image in read_tar(path)])


def align_scenes(folder: Path) -> np.ndarray:
    """Align the faces of ``scenes.tar`` by the landmarks of ``scenes.csv``."""
    landmarks = read_landmarks(folder / "scenes.csv")
    scenes = read_tar(folder / "scenes.tar")
    return np.stack([align(image, landmarks[name]) for name, image in scenes])


def training_faces(data: Path) -> np.ndarray:
    """Return the embedder's training crops: FairFace train and the FairFace scenes, aligned."""
    return np.concatenate(
        [aligned(data / "fairface112" / "train.tar"), align_scenes(data / "fairface224")]
    )


def held_out_faces(data: Path, count: int = 1000) -> np.ndarray:
    """Return the first FairFace validation crops, which are never trained on."""
    return aligned(data / "fairface112" / "val.tar")[:count]


def calibration_faces(data: Path, count: int) -> np.ndarray:
    """Return the last FairFace validation crops: neither trained on nor validated with."""
    return aligned(data / "fairface112" / "val.tar")[-count:]


def identities(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 112, 112, 3) crops and (N,) names from a tar of ``identity/photo.jpg``."""
    named = list(read_tar(path))
    people = np.array([name.split("/")[-2] for name, _ in named])
    return np.stack([image for _, image in named]), people


def normalised(crops: np.ndarray) -> np.ndarray:
    """Turn RGB uint8 crops (N, 112, 112, 3) into the network's input, float32 NCHW in [-1, 1]."""
    return np.ascontiguousarray(((crops.astype(np.float32) - MEAN) / STD).transpose(0, 3, 1, 2))


def jitter_matrix(rng: np.random.Generator) -> np.ndarray:
    """Draw the small similarity transform by which landmarks of another detector would differ."""
    matrix = cv2.getRotationMatrix2D(
        (CROP / 2, CROP / 2), rng.normal(0, 3.0), float(np.exp(rng.normal(0, 0.03)))
    )
    matrix[:, 2] += rng.normal(0, 1.5, 2)
    return matrix


def degrade(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply what cameras do: gain and offset, colour cast, blur, low resolution, noise, grey."""
    out = face.astype(np.float32)
    out = (out - 128) * rng.uniform(0.6, 1.3) + 128 + rng.uniform(-35, 25)
    out *= rng.uniform(0.88, 1.12, 3).astype(np.float32)
    if rng.random() < 0.35:
        side = int(rng.uniform(28, 90))
        out = cv2.resize(cv2.resize(out, (side, side), interpolation=cv2.INTER_AREA), (CROP, CROP))
    if rng.random() < 0.2:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < 0.25:
        out += rng.normal(0, rng.uniform(2, 9), out.shape).astype(np.float32)
    if rng.random() < 0.08:
        out = np.repeat(out.mean(2, keepdims=True), 3, axis=2)
    return np.clip(out, 0, 255).astype(np.uint8)


def view(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one augmented view of a crop: mirror, jitter, and in half of them degradation."""
    if rng.random() < 0.5:
        face = face[:, ::-1]
    face = cv2.warpAffine(
        np.ascontiguousarray(face),
        jitter_matrix(rng),
        (CROP, CROP),
        borderMode=cv2.BORDER_REPLICATE,
    )
    return degrade(face, rng) if rng.random() < 0.5 else face
