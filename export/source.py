"""A float embedder, wherever it came from: what every converter starts from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from export.preprocessing import Preprocessing

if TYPE_CHECKING:
    from export.dsanet import DsaNet

INPUT, OUTPUT = "image", "embedding"


@dataclass(frozen=True)
class Source:
    """One float embedder.

    Attributes
    ----------
    name : model name, such as "dsanet_s" or "edgeface_xs".
    onnx : float32 ONNX file, opset 17 or 18, IR 10 at most; input ``image`` (N, 3, S, S), output
        ``embedding`` (N, dim), not normalised.
    preprocessing : what ``image`` must be.
    dim : length of the embedding.
    net : the network itself where it is our DSA-Net: only that can be split and written directly.
    licence : "weights" (SPDX identifier, or what its author says), "source" (who made it).
    """

    name: str
    onnx: Path
    preprocessing: Preprocessing
    dim: int
    net: DsaNet | None = None
    licence: dict = field(default_factory=dict)

    @property
    def variants(self) -> tuple[str, ...]:
        """The ways in which it can run: "whole", and "split" where backbone and head part."""
        splittable = self.net is not None and self.net.config.pooling == "attention"
        return ("whole", "split") if splittable else ("whole",)
