"""How an aligned crop becomes a network's input. It is stated with each model and never guessed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

COLOURS = ("RGB", "BGR")


@dataclass(frozen=True)
class Preprocessing:
    """x = (pixel - mean) / std per channel, in the order of ``colour``, at ``size`` × ``size``.

    ``colour`` is "RGB" or "BGR"; ``mean`` and ``std`` are in pixel values, 0 to 255.
    """

    colour: str = "RGB"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)
    size: int = 112

    def __post_init__(self) -> None:
        if self.colour not in COLOURS:
            raise ValueError(f"colour is {self.colour!r}, expected one of {', '.join(COLOURS)}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(
                f"mean {self.mean} and std {self.std}: expected three numbers each, std positive"
            )

    def apply(self, crops: np.ndarray) -> np.ndarray:
        """Turn RGB uint8 crops (N, 112, 112, 3) into network input (N, 3, size, size) float32."""
        if crops.shape[1:3] != (self.size, self.size):
            crops = np.stack([cv2.resize(c, (self.size, self.size)) for c in crops])
        ordered = crops if self.colour == "RGB" else crops[..., ::-1]
        values = (ordered.astype(np.float32) - np.float32(self.mean)) / np.float32(self.std)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))

    def pixels(self, inputs: np.ndarray) -> np.ndarray:
        """Undo :meth:`apply`: return pixels (N, size, size, 3) float32 in its order of colours."""
        values = np.ascontiguousarray(inputs.transpose(0, 2, 3, 1))
        return np.rint(values * np.float32(self.std) + np.float32(self.mean))

    def manifest(self, *, name: str, layout: str = "NCHW", dtype: str = "float32") -> dict:
        """Return the manifest's "input" of an artefact that is fed like this.

        ``dtype`` "uint8" is for artefacts that normalise inside: they get the pixels as they are.
        """
        inside = dtype == "uint8"
        return {
            "name": name,
            "layout": layout,
            "dtype": dtype,
            "colour": self.colour,
            "mean": [0.0] * 3 if inside else list(self.mean),
            "std": [1.0] * 3 if inside else list(self.std),
            "height": self.size,
            "width": self.size,
        }
