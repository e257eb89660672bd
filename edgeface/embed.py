"""Embed: aligned crops to unit vectors whose cosine says how alike two faces are."""

from __future__ import annotations

import numpy as np

from edgeface.artefact import Artefact
from edgeface.backends import Backend
from edgeface.errors import InferenceError
from edgeface.image import require_image

MAX_BATCH = 16
"""Crops per inference: bounds the memory of a photo with a hundred faces."""


class Embedder:
    """The bundle's embedding network.

    Parameters
    ----------
    artefact
        The file that runs: input layout, colour order, mean, std and size, and the output.
    backend
        The loaded model. It stays the caller's to close.
    """

    def __init__(self, artefact: Artefact, backend: Backend) -> None:
        spec = artefact.input
        self.dim = artefact.dim
        self.size = int(spec["height"])
        self._backend = backend
        self._input = spec["name"]
        self._output = artefact.embedding
        self._channels_first = spec["layout"] == "NCHW"
        self._rgb = spec["colour"] == "RGB"
        self._pixels = spec["dtype"] == "uint8"  # then mean and std are inside the file
        self._mean = np.asarray(spec["mean"], np.float32)
        self._scale = 1 / np.asarray(spec["std"], np.float32)

    def embed(self, crop: np.ndarray) -> np.ndarray:
        """Embed one aligned crop.

        Parameters
        ----------
        crop
            (112, 112, 3) uint8 BGR, from `edgeface.align.align`.

        Returns
        -------
        ndarray
            (512,) float32 of length 1.

        Raises
        ------
        TypeError, ValueError
            Not such a crop.
        InferenceError
            The run failed, or gave NaN, Inf or a vector of length zero.
        """
        return self.embed_batch(require_image(crop, name="crop")[None])[0]

    def embed_batch(self, crops: np.ndarray) -> np.ndarray:
        """Embed several aligned crops.

        Parameters
        ----------
        crops
            (N, 112, 112, 3) uint8 BGR, N may be 0.

        Returns
        -------
        ndarray
            (N, 512) float32, rows of length 1.

        Raises
        ------
        TypeError, ValueError, InferenceError
            As `embed`.
        """
        self._require_crops(crops)
        parts = [np.empty((0, self.dim), np.float32)]
        for start in range(0, len(crops), MAX_BATCH):
            tensor = self._normalised(crops[start : start + MAX_BATCH])
            parts.append(self._unit(self._backend.run({self._input: tensor})[self._output]))
        return np.concatenate(parts)

    def _require_crops(self, crops: np.ndarray) -> None:
        if not isinstance(crops, np.ndarray) or crops.dtype != np.uint8:
            found = crops.dtype if isinstance(crops, np.ndarray) else type(crops).__name__
            raise TypeError(f"crops are {found}, expected a uint8 ndarray")
        if crops.ndim != 4 or crops.shape[1:] != (self.size, self.size, 3):
            raise ValueError(
                f"crops have shape {crops.shape}, expected (N, {self.size}, {self.size}, 3); "
                "cut them with edgeface.align.align(image, landmarks)"
            )

    def _normalised(self, crops: np.ndarray) -> np.ndarray:
        values = crops[..., ::-1] if self._rgb else crops
        if not self._pixels:
            values = (values.astype(np.float32) - self._mean) * self._scale
        return np.ascontiguousarray(np.moveaxis(values, 3, 1) if self._channels_first else values)

    def _unit(self, vectors: np.ndarray) -> np.ndarray:
        vectors = np.asarray(vectors, np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if vectors.shape[1:] != (self.dim,) or not (norms > 1e-6).all():
            raise InferenceError(
                f"embedder: output of shape {vectors.shape} with smallest norm "
                f"{norms.min():.2g}, expected (N, {self.dim}) vectors of some length; "
                "this result is not used",
                step="embedder output scan",
            )
        return vectors / norms
