"""Video files made for tests: moving pictures with noise, as a sensor has it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (320, 240)  # width, height


def moving_pictures(count: int, *, seed: int = 0) -> list[np.ndarray]:
    """Pictures of a bright square that wanders over noise; its left edge is at 8 px a picture."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(20, 90, (count, SIZE[1], SIZE[0], 3), np.uint8)
    for i, picture in enumerate(pictures):
        picture[80:160, (8 * i) % 240 : (8 * i) % 240 + 80] = 230
    return list(pictures)


def write_video(
    path: Path, pictures: list[np.ndarray], *, fps: float = 25.0, codec: str = "MJPG"
) -> Path:
    """Write pictures as a video file by OpenCV's FFmpeg."""
    height, width = pictures[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, (width, height))
    assert writer.isOpened(), f"OpenCV cannot write {codec}"
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path
