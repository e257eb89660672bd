"""Shares with honest intervals: people are the trials, not the many pairs that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeface.site.calibrate_scores import Scores

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """A share of looks with its 95 % interval, all in 0 to 1."""

    value: float
    low: float
    high: float


def stranger_shares(scores: Scores, cosines: np.ndarray, *, scale: float = 1) -> tuple[Share, ...]:
    """Return how often a stranger's look matches anybody, for each cosine; empty for one person.

    The look of somebody enrolled is a stranger's to all others. Two people who are alike are each
    other's match, so that they are one trial and not two. ``scale``: by how many times more
    templates a stranger is compared with; at most as many times more match (Boole's inequality).
    """
    passed = _by_person(scores.owners, scores.others[:, None] >= cosines)
    if len(passed) < 2:
        return ()
    return _shares(passed.mean(axis=0), np.full(len(cosines), len(passed) / 2), scale=scale)


def refusal_shares(scores: Scores, cosines: np.ndarray) -> tuple[Share, ...]:
    """Return how often somebody's look misses that person's other templates, for each cosine.

    Empty where fewer than two people have two templates.
    """
    known = ~np.isnan(scores.own)
    missed = _by_person(scores.owners[known], scores.own[known, None] < cosines)
    if len(missed) < 2:
        return ()
    return _shares(*clustered(missed))


def intervals(shares: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper ends of Clopper and Pearson's 95 % intervals.

    Where nothing was seen, or nothing else, all of the 5 % is on the side that is left: none in n
    trials is up to about 3 / n, the rule of three.

    Parameters
    ----------
    shares : (S,) float64 ndarray
        Observed, 0 to 1.
    trials : (S,) float64 ndarray
        Of how many independent trials each is worth, above 0; need not be whole.
    """
    from scipy.special import betaincinv

    tail = 1 - CONFIDENCE
    seen = shares * trials
    none, all_of = shares <= 0, shares >= 1
    sides = np.where(none | all_of, tail, tail / 2)
    low = betaincinv(
        np.where(none, 1, seen), trials - np.where(all_of, trials - 1, seen) + 1, sides
    )
    rest = np.where(all_of, 1, trials - seen)
    high = betaincinv(np.where(all_of, trials, seen) + 1, rest, 1 - sides)
    return np.where(none, 0, np.where(all_of, sides ** (1 / trials), low)), np.where(
        all_of, 1, np.where(none, 1 - sides ** (1 / trials), high)
    )


def clustered(outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over people, and how many independent trials it is worth.

    Looks of one person resemble each other, so the variance is that between people (Korn and
    Graubard, Survey Methodology 24, 1998): as many trials as would give a plain share this
    variance. Where people do not differ, each is one trial.

    Parameters
    ----------
    outcomes : (P, S) float64 ndarray
        Share of each person's looks of which something is so; at least two people.
    """
    people = len(outcomes)
    shares = outcomes.mean(axis=0)
    variance = outcomes.var(axis=0, ddof=1) / people
    plain = shares * (1 - shares)
    worth = np.divide(plain, variance, out=np.full_like(shares, people), where=variance > 0)
    return shares, np.maximum(worth, people / 2)


def people_needed(target: float) -> int:
    """Return how many people a site needs before none seen means a share of at most ``target``.

    Two people who are alike are each other's match, so it takes two people to make one trial.
    """
    return int(np.ceil(2 * np.log(1 - CONFIDENCE) / np.log1p(-target)))


def _by_person(owners: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Return each person's share of looks, (P, S), from (L, S) outcomes."""
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    counts = np.diff(starts, append=len(owners))[:, None]
    return np.add.reduceat(outcomes.astype(np.float64), starts) / counts


def _shares(shares: np.ndarray, trials: np.ndarray, *, scale: float = 1) -> tuple[Share, ...]:
    ends = (np.minimum(scale * part, 1) for part in (shares, *intervals(shares, trials)))
    return tuple(Share(*(float(end) for end in one)) for one in zip(*ends))
