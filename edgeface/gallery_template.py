"""Templates, and what may be called a name and an embedding."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgeface.gallery_person import Person, PersonRecord, now, to_person
from edgeface.index import CosineIndex

NAME_LIMIT = 200
NORM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Templates:
    """Everything a gallery knows, in memory.

    Attributes
    ----------
    people : tuple of PersonRecord
        One entry per person, also for those who have no template of this model.
    owners : (N,) int64 ndarray
        The person of each template, as an index into ``people``.
    embeddings : (N, D) float32 ndarray
        C-contiguous unit rows.
    """

    people: tuple[PersonRecord, ...]
    owners: np.ndarray
    embeddings: np.ndarray

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One entry per person."""
        return tuple(person.name for person in self.people)

    @cached_property
    def listed(self) -> tuple[Person, ...]:
        """Everybody with the number of templates, in order of their names."""
        counts = self.counts().tolist()
        people = (to_person(person, templates=n) for person, n in zip(self.people, counts))
        return tuple(sorted(people, key=lambda person: person.name))

    @cached_property
    def index(self) -> CosineIndex:
        """The rows, ready to be searched; made when it is first asked for."""
        return CosineIndex.build(self.embeddings, copy=False)

    def counts(self) -> np.ndarray:
        """Return how many templates each person has: (people,) int64."""
        return np.bincount(self.owners, minlength=len(self.names))

    def has_expired(self, name: str, moment: str) -> bool:
        """Tell whether somebody of that name has expired at a time as the gallery stores it."""
        return name in (self.people[i].name for i in self.expired(moment))

    def expired(self, moment: str) -> list[int]:
        """Return who has expired at a time as the gallery stores it, as indices into ``people``."""
        return [i for i, p in enumerate(self.people) if p.expires_at and p.expires_at <= moment]

    def held(self) -> tuple[np.ndarray, ...]:
        """Return each person's rows, (T, D) float32, in the order of `listed`."""
        order = np.argsort(self.owners, kind="stable")
        rows = np.split(self.embeddings[order], np.cumsum(self.counts())[:-1])
        by_name = dict(zip(self.names, rows))
        return tuple(by_name[person.name] for person in self.listed)

    def of(self, name: str) -> np.ndarray:
        """Return one person's rows, (T, D) float32; T is 0 when nobody has that name."""
        person = self.names.index(name) if name in self.names else -1
        return self.embeddings[self.owners == person]


@dataclass(frozen=True, eq=False)
class Valid:
    """Templates of the people who have not expired, for as long as nobody else does.

    Attributes
    ----------
    whole, templates : Templates
        All of them, and those of people who have not expired.
    since, until : str
        From when on, and until before when, that is so; times as the gallery stores them.
    """

    whole: Templates
    templates: Templates
    since: str
    until: str

    @property
    def expired(self) -> bool:
        """Whether anybody's templates were left out."""
        return len(self.templates.owners) < len(self.whole.owners)

    @classmethod
    def now(cls, whole: Templates) -> Valid:
        """Choose by the wall clock; a clock that goes back makes another choice."""
        moment = now()
        gone = whole.expired(moment)
        times = [person.expires_at for person in whole.people if person.expires_at]
        since = max((time for time in times if time <= moment), default="")
        until = min((time for time in times if time > moment), default="~")
        if not gone:
            return cls(whole, whole, since, until)
        kept = ~np.isin(whole.owners, gone)
        rest = Templates(whole.people, whole.owners[kept], whole.embeddings[kept])
        return cls(whole, rest, since, until)

    def holds(self, whole: Templates) -> bool:
        """Tell whether it is still right, and still of these templates."""
        return self.whole is whole and self.since <= now() < self.until


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
