"""A site's templates compared with each other: everybody's with everybody's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeface.site.people import People
from edgeface.site.people_row import vector_row

MOST_PEOPLE = 8000
"""Compared with each other; of more, so many, chosen by their uid, which is random."""
MOST_ALIKE = 10
_BINS = 100
EDGES = np.round(np.linspace(-1, 1, _BINS + 1), 2)
"""Of the bins of all histograms, (101,) float64."""
_BLOCK = 512  # looks that are compared at once


@dataclass(frozen=True)
class Pair:
    """Two people, and the best cosine of their templates."""

    uid: str
    other: str
    cosine: float


@dataclass(frozen=True, eq=False)
class Scores:
    """What came of it; a look is a template that is compared with all others.

    Attributes
    ----------
    owners : (L,) int64
        Whose look it is, from 0 on, in order.
    others, own : (L,) float32
        Best cosine to other people's templates, and to the person's own others; NaN: there are
        none.
    genuine, impostor : (100,) int64
        Pairs of templates of one person, of two people, in the bins of `EDGES`.
    alike : tuple of Pair
        The most alike, first.
    """

    owners: np.ndarray
    others: np.ndarray
    own: np.ndarray
    genuine: np.ndarray
    impostor: np.ndarray
    alike: tuple[Pair, ...]


def compare(people: People) -> Scores:
    """Compare the templates of everybody, or of `MOST_PEOPLE`; the same each time."""
    return compare_rows(*_sample(people))


def compare_rows(uids: list[str], owners: np.ndarray, rows: np.ndarray) -> Scores:
    """Compare (L, dim) float32 unit rows; ``owners`` (L,) are their people's places in ``uids``,
    in order."""
    others, own = np.full((2, len(rows)), np.nan, np.float32)
    nearest = np.zeros(len(rows), np.int64)
    genuine, impostor = np.zeros((2, _BINS), np.int64)
    for first in range(0, len(rows), _BLOCK):
        looks = slice(first, first + _BLOCK)
        cosines = rows[looks] @ rows.T
        same = owners[looks, None] == owners[None]
        later = np.arange(len(rows)) > np.arange(len(rows))[looks, None]  # each pair once
        genuine += histogram(cosines[same & later])
        impostor += histogram(cosines[~same & later])
        others[looks], nearest[looks] = _best(cosines, ~same)
        np.fill_diagonal(same[:, first:], False)
        own[looks], _ = _best(cosines, same)
    alike = _most_alike(uids, owners, others=others, nearest=nearest)
    return Scores(owners, others, own, genuine, impostor, alike)


def histogram(cosines: np.ndarray) -> np.ndarray:
    """Return how many cosines are in each bin of `EDGES`."""
    return np.histogram(np.clip(cosines, -1, 1), _BINS, (-1, 1))[0]


def _sample(people: People) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return uids in order, whose each template is, and the templates, (L, dim) float32."""
    sql = (
        "SELECT uid, vector_send(embedding) FROM template WHERE uid IN "
        "(SELECT DISTINCT uid FROM template ORDER BY uid LIMIT %s) ORDER BY uid, id"
    )
    with people.database.transaction() as connection:
        found = connection.cursor(binary=True).execute(sql, (MOST_PEOPLE,)).fetchall()
    if not found:
        return [], np.zeros(0, np.int64), np.zeros((0, people.dim), np.float32)
    uids, owners = np.unique([uid for uid, _ in found], return_inverse=True)
    return uids.tolist(), owners, np.stack([vector_row(data) for _, data in found])


def _best(cosines: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best cosine of each look where it counts, NaN where none does, and its place."""
    counted = np.where(where, cosines, -np.inf)
    place = counted.argmax(axis=1)
    best = np.take_along_axis(counted, place[:, None], axis=1)[:, 0]
    return np.where(np.isinf(best), np.nan, best), place


def _most_alike(
    uids: list[str], owners: np.ndarray, *, others: np.ndarray, nearest: np.ndarray
) -> tuple[Pair, ...]:
    found: dict[tuple[int, int], float] = {}
    for look in np.argsort(-others, kind="stable"):  # NaN comes last
        if len(found) == MOST_ALIKE or np.isnan(others[look]):
            break
        pair = tuple(sorted((int(owners[look]), int(owners[nearest[look]]))))
        found.setdefault(pair, float(others[look]))
    return tuple(Pair(uids[a], uids[b], cosine) for (a, b), cosine in found.items())
