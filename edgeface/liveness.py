"""Liveness: how likely a face is a person, and not paper or glass, from one frame.

The network looks at the face twice: close, for texture, and with its surroundings, for the edge of
a sheet or a screen. One RGB frame is weak evidence; a door asks for more than this score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeface.backends import Backend
from edgeface.errors import BundleIncompatibleError, InferenceError
from edgeface.liveness_view import cut_view

__all__ = ["Liveness", "live_scores"]


class Liveness:
    """The bundle's passive liveness network.

    Parameters
    ----------
    stage
        The manifest's "liveness" entry: views, normalisation, threshold.
    backend
        The loaded model. It stays the caller's to close.

    Attributes
    ----------
    threshold
        Score at or above which a face counts as live, 0 to 1: the manifest's.

    Raises
    ------
    BundleIncompatibleError
        The network wants an input that this version does not prepare.
    """

    def __init__(self, stage: Mapping[str, Any], backend: Backend) -> None:
        spec = stage["input"]
        _require_supported(spec)
        self.threshold = float(stage["threshold"])
        self._backend = backend
        self._views = tuple(stage["views"])
        self._output = stage["outputs"][0]
        self._rgb = spec["colour"] == "RGB"
        self._mean = np.asarray(spec["mean"], np.float32).reshape(3, 1, 1)
        self._scale = 1 / np.asarray(spec["std"], np.float32).reshape(3, 1, 1)

    def score(self, image: np.ndarray, *, box: Sequence[float], landmarks: np.ndarray) -> float:
        """Return how live a face looks: 0 attack, 1 live.

        Parameters
        ----------
        image
            The whole frame, (height, width, 3) uint8 BGR: the surroundings count.
        box
            The face's x, y, width and height in pixels; may reach outside the frame.
        landmarks
            (5, 2) pixels: right eye, left eye, nose, right and left mouth corner.

        Raises
        ------
        TypeError, ValueError
            Not such an image, box or landmarks; the text says what was found.
        InferenceError
            The run failed or gave NaN or Inf.
        """
        inputs = {
            view["name"]: self._normalised(
                cut_view(
                    image,
                    box=box,
                    landmarks=landmarks,
                    scale=view["scale"],
                    size=view["size"],
                    anchor=view["anchor"],
                )
            )
            for view in self._views
        }
        return float(live_scores(self.logits(inputs))[0])

    def logits(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the network's output (1, 1) for views (1, 3, S, S) float32 that are normalised.

        Raises
        ------
        InferenceError
            The run failed, gave NaN or Inf, or something else than one number.
        """
        values = np.asarray(self._backend.run(inputs)[self._output], np.float32)
        if values.shape != (1, 1):
            raise InferenceError(
                f"liveness: output of shape {values.shape}, expected (1, 1); "
                "this result is not used",
                step="liveness output scan",
            )
        return values

    def _normalised(self, view: np.ndarray) -> np.ndarray:
        """(1, 3, S, S) float32, as the manifest says."""
        planes = view[..., ::-1] if self._rgb else view
        values = np.ascontiguousarray(planes.transpose(2, 0, 1), np.float32)
        return ((values - self._mean) * self._scale)[None]


def live_scores(logits: np.ndarray) -> np.ndarray:
    """Return scores 0 to 1, (N,) float64, of the network's logits (N, 1), of any finite size."""
    flat = np.clip(np.asarray(logits, np.float64).ravel(), -60, 60)
    return 1 / (1 + np.exp(-flat))


def _require_supported(spec: Mapping[str, Any]) -> None:
    found, expected = (spec["layout"], spec["dtype"]), ("NCHW", "float32")
    if found != expected:
        raise BundleIncompatibleError(
            f"liveness: input (layout, dtype) is {found}, this version feeds {expected}; use a "
            "bundle whose liveness network takes that"
        )
