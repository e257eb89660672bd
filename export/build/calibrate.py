"""Choose the photos whose value ranges INT8 is made for, and record which they are.

They must be aligned faces of 112×112 pixels, in a folder (with any sub-folders) or a tar; none that
accuracy is measured on. The list of names and hashes goes into the bundle, the photos do not.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from export import faces
from export.build.work import Work
from export.errors import ExportError

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
MIN_FACES = 64  # fewer leave the ranges to chance
MIN_DEVIATION = 8.0  # grey levels, within a face and between faces
LEFT_FOR_MEASURING = 1000  # first photos of a large set, as `faces.held_out_faces` takes them


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what this step needs to know."""
    parser.add_argument(
        "--calibration",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="aligned faces, 112x112: a folder or a tar (FairFace: fairface112/val.tar)",
    )
    parser.add_argument("--count", type=int, default=128, help="faces to calibrate with [128]")
    parser.add_argument("--seed", type=int, default=0, help="which of them [0]")


def make(work: Work, args: argparse.Namespace) -> None:
    """Write ``calibration/crops.npy`` and ``calibration/list.json``."""
    source = args.calibration
    if not source.exists():
        raise ExportError(f"--calibration {source}: not there; give a folder or a tar of faces")
    files = sorted(path for path in source.rglob("*") if path.is_file()) or [source]
    states = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    key = {
        "source": str(source.resolve()),
        "state": sha256(json.dumps(states).encode()).hexdigest(),
        "count": args.count,
        "seed": args.seed,
    }
    work.once("calibrate", key=key, make=lambda: _make(work / "calibration", args))


def _make(folder: Path, args: argparse.Namespace) -> list[Path]:
    names, crops = choose(args.calibration, count=args.count, seed=args.seed)
    require_varied(crops, source=args.calibration)
    folder.mkdir(exist_ok=True)
    np.save(folder / "crops.npy", crops)
    photos = [
        {"file": name, "sha256": sha256(crop.tobytes()).hexdigest()}
        for name, crop in zip(names, crops)
    ]
    record = {"source": args.calibration.name, "seed": args.seed, "photos": photos}
    (folder / "list.json").write_text(json.dumps(record, indent=1) + "\n")
    return [folder / "crops.npy", folder / "list.json"]


def choose(source: Path, *, count: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Draw ``count`` faces; of a set large enough, none of its first thousand.

    Returns
    -------
    names, crops
        File names within ``source``, and (N, 112, 112, 3) uint8 RGB.

    Raises
    ------
    ExportError
        Too few faces, or one that is no aligned face.
    """
    photos = sorted(read(source), key=lambda named: named[0]) if source.is_dir() else read(source)
    photos = list(photos)
    if count < MIN_FACES or len(photos) < count:
        raise ExportError(
            f"--calibration {source}: {len(photos)} photos for a --count of {count}; expected "
            f"{MIN_FACES} or more, and as many photos: add faces, or lower --count"
        )
    if len(photos) >= LEFT_FOR_MEASURING + count:
        photos = photos[LEFT_FOR_MEASURING:]
    drawn = sorted(np.random.default_rng(seed).choice(len(photos), count, replace=False))
    return [photos[i][0] for i in drawn], np.stack([photos[i][1] for i in drawn])


def read(source: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, RGB uint8 crop) of a folder or a tar."""
    if not source.is_dir() and not tarfile.is_tarfile(source):
        raise ExportError(f"--calibration {source}: neither a folder nor a tar of faces")
    for name, crop in read_folder(source) if source.is_dir() else faces.read_tar(source):
        if crop.shape != (faces.CROP, faces.CROP, 3):
            raise ExportError(
                f"--calibration {source}: {name} is {crop.shape[1]}x{crop.shape[0]}, expected "
                f"aligned faces of {faces.CROP}x{faces.CROP}: cut them with edgeface.align.align"
            )
        yield name, crop


def read_folder(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (path below the folder, RGB uint8 picture) of every photo."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PHOTO_SUFFIXES:
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is None:
                raise ExportError(f"{path}: cannot be read as a picture; remove or replace it")
            yield path.relative_to(folder).as_posix(), picture[:, :, ::-1]


def require_varied(crops: np.ndarray, *, source: Path) -> None:
    """Refuse pictures that cannot be faces: one colour each, or all the same.

    Raises
    ------
    ExportError
        They span too few grey levels; ranges taken from them would ruin INT8.
    """
    within = float(np.median(crops.std(axis=(1, 2, 3))))
    between = float(crops.std(axis=0).mean())
    if within < MIN_DEVIATION or between < MIN_DEVIATION:
        raise ExportError(
            f"--calibration {source}: pictures vary by {within:.1f} grey levels within and "
            f"{between:.1f} between them, expected at least {MIN_DEVIATION:g} each: these are not "
            "different faces; give photos like those the door will see"
        )
