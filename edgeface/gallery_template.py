"""Templates, and what may be called a name and an embedding."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgeface.index import CosineIndex

NAME_LIMIT = 200
NORM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Templates:
    """Everything a gallery knows, in memory.

    Attributes
    ----------
    names, enrolled_at : tuple of str
        One entry per person; times are ISO 8601 in UTC.
    owners : (N,) int64 ndarray
        The person of each template, as an index into ``names``.
    embeddings : (N, D) float32 ndarray
        C-contiguous unit rows.
    """

    names: tuple[str, ...]
    enrolled_at: tuple[str, ...]
    owners: np.ndarray
    embeddings: np.ndarray

    @cached_property
    def index(self) -> CosineIndex:
        """The rows, ready to be searched; made when it is first asked for."""
        return CosineIndex.build(self.embeddings, copy=False)

    def counts(self) -> np.ndarray:
        """Return how many templates each person has: (people,) int64."""
        return np.bincount(self.owners, minlength=len(self.names))

    def of(self, name: str) -> np.ndarray:
        """Return one person's rows, (T, D) float32; T is 0 when nobody has that name."""
        person = self.names.index(name) if name in self.names else -1
        return self.embeddings[self.owners == person]


def require_name(name: str) -> str:
    """Return ``name`` in Unicode form NFC, so that one name has one spelling.

    Raises ``TypeError`` for anything but text; ``ValueError`` when it is empty, longer than 200
    characters, holds unprintable characters, or begins or ends with a space.
    """
    if not isinstance(name, str):
        raise TypeError(f"a name is text (str), not {type(name).__name__}")
    normal = unicodedata.normalize("NFC", name)
    if not normal.strip():
        raise ValueError("the name is empty: give at least one visible character")
    if len(normal) > NAME_LIMIT:
        raise ValueError(f"the name has {len(normal)} characters; at most {NAME_LIMIT} are allowed")
    if not normal.isprintable():
        raise ValueError(f"the name {normal!r} holds unprintable characters: remove them")
    if normal != normal.strip():
        raise ValueError(f"the name {normal!r} begins or ends with a space: remove it")
    return normal


def require_embeddings(embeddings: np.ndarray, *, dim: int) -> np.ndarray:
    """Return ``embeddings`` C-contiguous after checking that they are (T, dim) float32 unit rows.

    Raises ``TypeError`` (not an ndarray, other dtype) or ``ValueError`` (shape, no rows, NaN or
    infinity, norm further than 1e-3 from 1).
    """
    _require_array(embeddings, f"(templates, {dim})")
    if embeddings.ndim != 2 or embeddings.shape[1] != dim or len(embeddings) == 0:
        raise ValueError(
            f"found embeddings of shape {embeddings.shape}, expected (templates, {dim}) with at "
            "least one template; for a single embedding pass embedding[None]"
        )
    return _require_unit(embeddings)


def require_probe(embedding: np.ndarray, *, dim: int) -> np.ndarray:
    """As `require_embeddings`, for one embedding of shape (dim,)."""
    _require_array(embedding, f"({dim},)")
    if embedding.shape != (dim,):
        raise ValueError(f"found an embedding of shape {embedding.shape}, expected ({dim},)")
    return _require_unit(embedding[None])[0]


def _require_array(value: np.ndarray, shape: str) -> None:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"expected a float32 ndarray of shape {shape}, not {type(value).__name__}")
    if value.dtype != np.float32:
        raise TypeError(f"found dtype {value.dtype}, expected float32 of shape {shape}")


def _require_unit(rows: np.ndarray) -> np.ndarray:
    if not np.isfinite(rows).all():
        raise ValueError("the embedding holds NaN or infinity: the face could not be embedded")
    norms = np.linalg.norm(rows, axis=1)
    worst = float(norms[np.abs(norms - 1).argmax()])
    if abs(worst - 1) > NORM_TOLERANCE:
        raise ValueError(
            f"found an embedding of norm {worst:.6g}, expected 1 within {NORM_TOLERANCE}: divide "
            "it by its L2 norm"
        )
    return np.ascontiguousarray(rows)
