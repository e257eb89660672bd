"""A door's folder with somebody enrolled, and clips of who comes: what the door's tests share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from edgeface.door.new import make_door
from edgeface.gallery import Gallery
from edgeface.gallery_key import GalleryKey
from edgeface.pipeline import Pipeline
from tests.door import clips

NAME = "Grace Hopper"


def make_doorstep(folder: Path, pipeline: Pipeline, portrait: np.ndarray, **settings: str) -> Path:
    """Write a new door's folder with one person enrolled; return its door.toml.

    `settings` are lines to put in the place of those that begin with the same key.
    """
    list(make_door(folder))
    file = folder / "door.toml"
    usual = {"policy": '"passive"', "schedule": '"always"', "warm_up_frames": "0"}
    file.write_text(_set(file.read_text(), {**usual, **settings}))
    with open_people(folder, pipeline) as gallery:
        gallery.enroll(NAME, pipeline.embedding(portrait)[None])
    return file


def open_people(folder: Path, pipeline: Pipeline) -> Gallery:
    """Open the folder's gallery."""
    return Gallery.open(
        folder / "gallery.db",
        model_id=pipeline.bundle.model_id,
        key=GalleryKey.from_file(folder / "gallery.key"),
    )


def write_clip(path: Path, frames: Iterable[np.ndarray]) -> Path:
    """Write a video file of (480, 640, 3) uint8 frames, ten a second, hardly compressed."""
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*"MJPG"), clips.FPS, (clips.WIDTH, clips.HEIGHT)
    )
    writer.set(cv2.VIDEOWRITER_PROP_QUALITY, 95)
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def visit(portrait: np.ndarray, *, frames: int = 20, seed: int = 1) -> Iterable[np.ndarray]:
    """Frames of somebody who stands before the door."""
    scene = clips.placed(portrait, height=clips.HEIGHT)
    return clips.living(clips.unmoved(scene), frames=frames, seed=seed)


def nobody(*, frames: int, seed: int = 9) -> Iterable[np.ndarray]:
    """Frames of an empty scene."""
    scene = clips.placed(np.full((480, 100, 3), 120, np.uint8))
    return clips.living(clips.unmoved(scene), frames=frames, seed=seed)


def _set(text: str, settings: dict[str, str]) -> str:
    for key, value in settings.items():
        line = f"{key} = {value}"
        text, found = re.subn(rf"(?m)^{key} = .*$", line, text, count=1)
        if not found:  # a setting of the camera, the template's first table
            text = text.replace("[camera]\n", f"[camera]\n{line}\n", 1)
    return text
