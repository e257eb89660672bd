"""From embeddings to figures: an artefact's beside the float network's.

Everywhere ``found`` are the artefact's unit embeddings and ``wanted`` the float network's of the
same photos, (N, dim) float32. Rows of NaN are counted and left out of the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from edgeface.roc import (
    Rate,
    fold_accuracy,
    share_at_least,
    threshold_at_far,
    wilson,
)
from export.errors import VerifyError
from export.verify.figures import (
    Accuracy,
    Agreement,
    AtFar,
    Curves,
    Drift,
    Identification,
    Interval,
    ScoreError,
    SetFigures,
    Spread,
)
from export.verify.sets import FaceSet

FAR_TARGETS = (1e-2, 1e-3)
TEMPLATES = (1, 3)
LEAST_GROUP = 20  # photos; smaller groups say nothing
ROUNDS = 2000  # of the bootstrap
BINS = np.linspace(-0.5, 1.0, 76)
CURVE = np.geomspace(1e-4, 1, 49)


@dataclass(frozen=True)
class Scores:
    """Cosines of pairs by both networks, (P,) float32, and which are genuine, (P,) bool.

    ``owner`` numbers the person of each pair's first photo (the photo itself in a list without
    names), for resampling.
    """

    found: np.ndarray
    wanted: np.ndarray
    genuine: np.ndarray
    owner: np.ndarray


def measure(found: np.ndarray, wanted: np.ndarray, faces: FaceSet, *, seed: int = 0) -> SetFigures:
    """Return all figures of a set.

    Raises
    ------
    ValueError
        The embeddings' shapes differ.
    VerifyError
        Hardly any row is left without NaN.
    """
    if found.shape != wanted.shape or len(found) != len(faces.crops):
        raise ValueError(
            f"embeddings {found.shape} beside float {wanted.shape} for {len(faces.crops)} photos: "
            "expected one row per photo in both, of one length"
        )
    good = np.isfinite(found).all(axis=1) & np.isfinite(wanted).all(axis=1)
    if good.sum() < len(good) / 2:
        raise VerifyError(
            f"set {faces.name}: {(~good).sum()} of {len(good)} embeddings are NaN, Inf or zero, "
            "expected none: look at the converter's log and at the calibration"
        )
    scores = pair_scores(found, wanted, faces, good=good)
    identified = [] if faces.people is None else TEMPLATES
    return SetFigures(
        source=faces.source,
        photos=len(found),
        people=how_many(faces),
        bad_rows=int((~good).sum()),
        agreement=agreement(found[good], wanted[good]),
        score_error=score_error(scores),
        spread=spread(scores.found, scores.genuine),
        float_spread=spread(scores.wanted, scores.genuine),
        at_far=[row for far in FAR_TARGETS if (row := at_far(scores, far, seed=seed))],
        accuracy=accuracy(scores, faces, good=good, seed=seed),
        identification=[
            row
            for k in identified
            if (
                row := identification(
                    found[good], wanted[good], faces.people[good], templates=k, seed=seed
                )
            )
        ],
        drift=drift(found, wanted, faces, good=good),
        curves=curves(scores),
    )


def how_many(faces: FaceSet) -> int | None:
    """Return the number of different people; FairFace's photos are of nearly as many."""
    if faces.people is not None:
        return len(np.unique(faces.people))
    return len(faces.crops) if faces.pairs is None else None


def agreement(found: np.ndarray, wanted: np.ndarray) -> Agreement:
    """Return mean, minimum and first percentile of the cosines of corresponding rows."""
    cosine = np.sum(found * wanted, axis=1, dtype=np.float64)
    return Agreement(float(cosine.mean()), float(cosine.min()), float(np.percentile(cosine, 1)))


def pair_scores(
    found: np.ndarray, wanted: np.ndarray, faces: FaceSet, *, good: np.ndarray
) -> Scores:
    """Return the set's pairs: the listed ones, or all of them; without the bad rows.

    Where neither people nor pairs are known, as in FairFace, all pairs are impostors: nearly all
    of its faces are of different people.
    """
    if faces.pairs is not None:
        kept = good[faces.pairs.first] & good[faces.pairs.second]
        first, second = faces.pairs.first[kept], faces.pairs.second[kept]
        cosines = [np.sum(e[first] * e[second], axis=1) for e in (found, wanted)]
        return Scores(*cosines, faces.pairs.genuine[kept], first)
    found, wanted = found[good], wanted[good]
    first, second = np.triu_indices(len(found), 1)
    people = np.arange(len(found)) if faces.people is None else faces.people[good]
    owner = np.unique(people, return_inverse=True)[1]
    cosines = [(e @ e.T)[first, second] for e in (found, wanted)]
    return Scores(*cosines, owner[first] == owner[second], owner[first])


def score_error(scores: Scores) -> ScoreError:
    """Return how far the artefact's pair scores are from the float network's."""
    error = np.abs(scores.found - scores.wanted)
    return ScoreError(float(error.mean()), float(np.percentile(error, 95)), float(error.max()))


def spread(cosines: np.ndarray, genuine: np.ndarray) -> Spread:
    """Return mean, standard deviation and maximum of the impostor cosines, and genuine mean."""
    impostors = cosines[~genuine].astype(np.float64)
    own = float(cosines[genuine].mean(dtype=np.float64)) if genuine.any() else None
    return Spread(float(impostors.mean()), float(impostors.std()), float(impostors.max()), own)


def at_far(scores: Scores, far: float, *, seed: int) -> AtFar | None:
    """Return the accept rates at one false accept rate; None where the set cannot show it."""
    if not scores.genuine.any():
        return None
    own = threshold_at_far(scores.found, scores.genuine, far)
    theirs = threshold_at_far(scores.wanted, scores.genuine, far)
    if own is None or theirs is None:
        return None
    genuine, impostors = scores.genuine, scores.found[~scores.genuine]
    owner = scores.owner[genuine]
    accepted = scores.found[genuine] >= own
    accepted_at_float = scores.found[genuine] >= theirs
    float_accepted = scores.wanted[genuine] >= theirs
    return AtFar(
        far=far,
        threshold=own,
        float_threshold=theirs,
        tar=_share(accepted),
        float_tar=_share(float_accepted),
        tar_at_float=_share(accepted_at_float),
        far_at_float=_share(impostors >= theirs),
        difference=paired_difference(accepted, float_accepted, owner, seed=seed),
        difference_at_float=paired_difference(accepted_at_float, float_accepted, owner, seed=seed),
    )


def _share(passed: np.ndarray) -> Rate:
    return wilson(int(passed.sum()), len(passed))


def paired_difference(
    first: np.ndarray, second: np.ndarray, owner: np.ndarray, *, seed: int
) -> Interval:
    """Return mean(first) - mean(second) with a bootstrap interval over owners.

    Whole people are drawn with replacement (Efron & Tibshirani 1993, percentile interval), since
    pairs of one person rise and fall together.
    """
    groups = np.unique(owner, return_inverse=True)[1]
    count = np.bincount(groups)
    change = np.bincount(groups, weights=first.astype(np.float64) - second)
    drawn = np.random.default_rng(seed).multinomial(
        len(count), np.full(len(count), 1 / len(count)), size=ROUNDS
    )
    low, high = np.percentile((drawn @ change) / (drawn @ count), (2.5, 97.5))
    return Interval(float(change.sum() / count.sum()), float(low), float(high))


def accuracy(scores: Scores, faces: FaceSet, *, good: np.ndarray, seed: int) -> Accuracy | None:
    """Return the 10-fold accuracy of both networks on listed pairs."""
    if faces.pairs is None:
        return None
    folds = faces.pairs.folds[good[faces.pairs.first] & good[faces.pairs.second]]
    own, theirs = (
        fold_accuracy(cosines, scores.genuine, folds) for cosines in (scores.found, scores.wanted)
    )
    if own is None or theirs is None:
        return None
    right, float_right = (
        (cosines >= theirs.threshold) == scores.genuine for cosines in (scores.found, scores.wanted)
    )
    steady = paired_difference(right, float_right, scores.owner, seed=seed)
    return Accuracy(own.mean, own.standard_error, theirs.mean, steady)


def identification(
    found: np.ndarray, wanted: np.ndarray, people: np.ndarray, *, templates: int, seed: int
) -> Identification | None:
    """Return top-1 identification with ``templates`` photos enrolled per person.

    None where nobody has a photo more than that.

    The same photos, drawn with ``seed``, are enrolled for both networks; people without a photo
    left to ask with are enrolled too. A person's score is that of the best template.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(people))
    names, owner = np.unique(people, return_inverse=True)
    enrolled = np.concatenate(
        [shuffled[owner[shuffled] == number][:templates] for number in range(len(names))]
    )
    probes = np.setdiff1d(np.arange(len(people)), enrolled)
    if not len(probes):
        return None
    rates = []
    for embeddings in (found, wanted):
        best = (embeddings[probes] @ embeddings[enrolled].T).argmax(axis=1)
        rates.append(_share(owner[enrolled][best] == owner[probes]))
    return Identification(templates, len(names), *rates)


def drift(
    found: np.ndarray, wanted: np.ndarray, faces: FaceSet, *, good: np.ndarray
) -> list[Drift]:
    """Return what conversion did to each group of at least `LEAST_GROUP` photos."""
    rows = []
    for attribute, values in faces.groups.items():
        for group in sorted(np.unique(values), key=_youngest_first):
            inside = (values == group) & good
            if inside.sum() < LEAST_GROUP:
                continue
            own, theirs = found[inside], wanted[inside]
            pairs = np.triu_indices(len(own), 1)
            shift = float((own @ own.T - theirs @ theirs.T)[pairs].mean())
            mean = agreement(own, theirs).mean
            rows.append(Drift(attribute, str(group), len(own), mean, shift))
    return rows


def _youngest_first(group: str) -> tuple[int, str]:
    """Order "3-9" before "10-19", and words by themselves."""
    number = re.search(r"\d+", group)
    return int(number[0]) if number else 0, group


def curves(scores: Scores) -> Curves:
    """Return histograms of both networks' scores, and their ROC where there are genuine pairs."""
    genuine = scores.genuine
    least = 1 / int((~genuine).sum())
    impostor, float_impostor = (_histogram(c[~genuine]) for c in (scores.found, scores.wanted))
    if not genuine.any():
        return Curves(least, impostor, float_impostor, None, None, None, None)
    return Curves(
        least,
        impostor,
        float_impostor,
        *(_histogram(c[genuine]) for c in (scores.found, scores.wanted)),
        *(_tar(c, genuine) for c in (scores.found, scores.wanted)),
    )


def _histogram(cosines: np.ndarray) -> list[float]:
    counts, _ = np.histogram(np.clip(cosines, BINS[0], BINS[-1]), BINS)
    return (counts / len(cosines)).round(6).tolist()


def _tar(cosines: np.ndarray, genuine: np.ndarray) -> list[float]:
    """TAR where a share of `CURVE` of the impostors passes, by interpolated thresholds."""
    thresholds = np.quantile(cosines[~genuine], 1 - CURVE)
    return share_at_least(cosines[genuine], thresholds).round(5).tolist()
