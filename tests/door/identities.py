"""People of the shared CelebA photos: who is in which photo. Nothing of it is written anywhere."""

from __future__ import annotations

import tarfile
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np


class Identities:
    """Uncropped photos by identity, read from the data folder's archives as they are asked for."""

    def __init__(self, data: Path) -> None:
        folder = data / "celeba240"
        self._scenes = tarfile.open(folder / "scenes320.tar")
        scenes = set(self._scenes.getnames())
        self._photos: dict[str, list[str]] = defaultdict(list)
        with tarfile.open(folder / "aligned112.tar") as aligned:
            for name in sorted(aligned.getnames()):
                identity, _, file = name.rpartition("/")
                if file in scenes:
                    self._photos[identity].append(file)

    @property
    def identities(self) -> list[str]:
        """Everybody with five photos or more, in a fixed order."""
        return sorted(name for name, files in self._photos.items() if len(files) >= 5)

    def photos(self, identity: str) -> list[np.ndarray]:
        """(height, width, 3) uint8 BGR of one person, in a fixed order."""
        return [self._read(file) for file in self._photos[identity]]

    def close(self) -> None:
        """Close the archive."""
        self._scenes.close()

    def _read(self, file: str) -> np.ndarray:
        data = self._scenes.extractfile(file).read()
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
