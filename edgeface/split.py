"""The embedder's two variants: one network from pixels to embedding, or a backbone and our head.

"whole" runs an embedder file alone. "split" runs a backbone file, convolutions only, on the
inference runtime, and attention, pooling and projection in `_native.AttentionHead`.
Both are a `Backend` of the same input and output, so that nothing else knows which one runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeface import _native
from edgeface.artefact import Artefact
from edgeface.backends import Backend, open_backend
from edgeface.bundle import Bundle
from edgeface.errors import BundleFormatError, InferenceError


class SplitBackend(Backend):
    """A backbone's backend and a native attention head, as one model.

    Parameters
    ----------
    backbone
        The loaded backbone; closing this closes it.
    head
        Turns (N, C, H, W) float32 feature maps into unit embeddings (N, D).
    feature
        Name of the backbone's output.
    embedding
        Name under which `run` returns the embeddings.
    channels_last
        Whether the backbone gives (N, H, W, C).
    """

    def __init__(
        self,
        backbone: Backend,
        head: _native.AttentionHead,
        *,
        feature: str,
        embedding: str,
        channels_last: bool = False,
    ) -> None:
        self._backbone = backbone
        self._head = head
        self._feature = feature
        self._embedding = embedding
        self._channels_last = channels_last

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one inference; as `edgeface.backends.Backend` says."""
        return {self._embedding: self.embed(self.feature(inputs))}

    def feature(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run the backbone alone and return its feature maps (N, C, H, W)."""
        outputs = self._backbone.run(inputs)
        if self._feature not in outputs:
            raise InferenceError(
                f"embedder backbone: outputs {sorted(outputs)}, the manifest names "
                f"{self._feature!r}; pack the bundle again",
                step="embedder backbone",
            )
        found = outputs[self._feature]
        return np.ascontiguousarray(np.moveaxis(found, 3, 1)) if self._channels_last else found

    def embed(self, feature: np.ndarray) -> np.ndarray:
        """Run the head alone.

        Parameters
        ----------
        feature
            (N, C, H, W) float32.

        Returns
        -------
        ndarray
            (N, D) float32, rows of length 1.

        Raises
        ------
        InferenceError
            Not a feature map that this head takes, or the result has NaN, Inf or no length.
        """
        try:
            return self._head.embed(feature)
        except (ValueError, TypeError) as error:
            raise InferenceError(
                f"embedder head: {error}; this result is not used", step="embedder head"
            ) from error

    def close(self) -> None:
        """Free the backbone; a later `run` raises InferenceError."""
        self._backbone.close()


def open_embedder(bundle: Bundle, artefact: Artefact, *, threads: int = 1) -> Backend:
    """Load one of the bundle's embedder files, with the native head where it needs one.

    Parameters
    ----------
    bundle
        The open bundle.
    artefact
        From `edgeface.artefact.choose_artefact`; the backend takes what its `input` says and
        returns embeddings as its `embedding`.
    threads
        CPU threads of the inference runtime, at least 1; the native head takes one.

    Raises
    ------
    BundleError
        A member is damaged, or the head's weights do not make a head.
    BackendError
        The inference runtime is missing or refused the model.
    """
    model, stage = bundle.read(artefact.file), artefact.stage
    if artefact.variant == "whole":
        return open_backend(stage, model, threads=threads, name="embedder")
    head = _open_head(bundle, bundle.stage("embedder")["split"]["head"], dim=artefact.dim)
    return SplitBackend(
        open_backend(stage, model, threads=threads, name="embedder backbone"),
        head,
        feature=artefact.output,
        embedding=artefact.embedding,
        channels_last=artefact.channels_last,
    )


def _open_head(bundle: Bundle, spec: Mapping[str, Any], *, dim: int) -> _native.AttentionHead:
    weights = bundle.arrays(spec["file"])
    try:
        head = _native.AttentionHead(weights, heads=spec["heads"], precision=spec["precision"])
    except (ValueError, TypeError) as error:
        raise BundleFormatError(
            f"bundle {bundle.path}: {spec['file']} holds no attention head ({error}): "
            "pack the bundle again"
        ) from error
    found = {"channels": head.channels, "tokens": head.tokens, "dim": head.dim}
    expected = {"channels": spec["channels"], "tokens": spec["tokens"], "dim": dim}
    if found != expected:
        raise BundleFormatError(
            f"bundle {bundle.path}: {spec['file']} is a head of {found}, the manifest says "
            f"{expected}: pack the bundle again"
        )
    return head
