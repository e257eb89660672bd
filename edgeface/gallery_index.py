"""Who is it? Ranks people by their best template and decides, "nobody" included; the answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeface.gallery_template import Templates, Valid


@dataclass(frozen=True)
class Candidate:
    """A person and the cosine of that person's best template, -1 to 1."""

    name: str
    score: float


@dataclass(frozen=True)
class Identification:
    """The answer to "who is it?".

    Attributes
    ----------
    identity : str or None
        The person, or None: unknown is an answer, not an error.
    score : float or None
        Cosine of the best candidate, -1 to 1; None when the gallery is empty.
    candidates : tuple of Candidate
        At most ``top_k`` people, best first, each with the best of its templates.
    reason : str
        ``"match"``; or why there is no identity: ``"below_threshold"``, ``"within_margin"`` (the
        second person is too close to tell), ``"empty_gallery"``.
    """

    identity: str | None
    score: float | None
    candidates: tuple[Candidate, ...]
    reason: str


@dataclass(frozen=True)
class IdentityCheck:
    """The answer to "is it this person?"; true in a condition when it is.

    ``score`` is the cosine with the person's best template, -1 to 1. Somebody who has ``expired``
    is never the same.
    """

    name: str
    same: bool
    score: float
    threshold: float
    expired: bool = False

    def __bool__(self) -> bool:
        return self.same


def rank_people(templates: Templates, probe: np.ndarray, *, count: int) -> tuple[Candidate, ...]:
    """Return the ``count`` people with the best template, best first; ties by age of template."""
    if len(templates.owners) == 0:
        return ()
    # Exact, although only some rows are asked for: one person fills at most `most` rows, so the
    # best count * most rows hold at least `count` different people (or everybody), and a person's
    # first row among them, in descending order, is that person's best.
    most = int(templates.counts().max())
    rows, scores = templates.index.search(probe, count * most)
    owners, first = np.unique(templates.owners[rows], return_index=True)
    best = np.argsort(first)[:count]
    return tuple(
        Candidate(templates.names[owners[i]], float(scores[first[i]])) for i in best.tolist()
    )


def with_expired(
    ranked: tuple[Candidate, ...], valid: Valid, probe: np.ndarray, *, threshold: float, count: int
) -> tuple[Candidate, ...]:
    """Return ``ranked``; where it reaches no threshold and somebody expired does, everybody."""
    if not valid.expired or (ranked and ranked[0].score >= threshold):
        return ranked
    everybody = rank_people(valid.whole, probe, count=count)
    return everybody if everybody[0].score >= threshold else ranked


def decide(
    ranked: tuple[Candidate, ...], *, threshold: float, margin: float, top_k: int
) -> Identification:
    """Turn ranked people into an answer; ``ranked`` needs two of them, where there are two."""
    if not ranked:
        return Identification(None, None, (), "empty_gallery")
    best = ranked[0]
    if best.score < threshold:
        reason = "below_threshold"
    elif len(ranked) > 1 and _too_close(best.score - ranked[1].score, margin):
        reason = "within_margin"
    else:
        reason = "match"
    identity = best.name if reason == "match" else None
    return Identification(identity, best.score, ranked[:top_k], reason)


def _too_close(lead: float, margin: float) -> bool:
    # People who tie exactly cannot be told apart, even where no margin is asked for.
    return lead < margin or lead == 0


def require_number(value: float, what: str, *, low: float, high: float) -> float:
    """Return ``value`` as a float in [low, high]; else ``TypeError`` or ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise TypeError(f"{what} is a number, not {type(value).__name__}")
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{what} is {value}; expected {low:g} to {high:g}")
    return float(value)
