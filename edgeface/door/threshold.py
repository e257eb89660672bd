"""Which cosine a door asks for, so that strangers get in as rarely as its owner wants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgeface.errors import DoorError


@dataclass(frozen=True)
class Threshold:
    """Least cosine of a match, and where it comes from.

    Attributes
    ----------
    cosine
        -1 to 1. At 1 nobody can be recognised: the target asks for more than the model can give.
    far
        The false accept rate of one comparison that was asked for.
    extrapolated
        True when `far` is lower than any rate that was measured: the cosine is a cautious guess.
    text
        The same in words, for logs.
    """

    cosine: float
    far: float
    extrapolated: bool
    text: str


def threshold_for(
    by_far: Iterable[Mapping[str, float]],
    *,
    false_accept_target: float,
    comparisons: int,
    least_cosine: float,
) -> Threshold:
    """Return the threshold with which a stranger is taken for anybody at most at the target rate.

    A stranger is compared with every template. The union bound (Boole's inequality: that any of N
    events happens is at most as probable as the sum of theirs) gives the rate of one comparison,
    ``far = false_accept_target / comparisons``, whatever the comparisons have in common; if they
    had nothing in common, ``1 - (1 - far)^N`` would say the same for rates this low (Daugman,
    "Biometric decision landscapes", University of Cambridge, UCAM-CL-TR-482, 2000). Between the
    measured rates the cosine is linear in log(far). Beyond the lowest it goes on with the last
    slope: impostors' cosines thin out faster than exponentially, so that slopes fall from decade
    to decade (docs/decisions/0029) and the line asks for more than the curve would.

    Parameters
    ----------
    by_far
        The manifest's table: at least two ``{"far", "cosine"}``.
    false_accept_target
        How often one look of a stranger may match anybody, 0 to 1, exclusive.
    comparisons
        How many templates the gallery holds; 0 counts as 1.
    least_cosine
        The bundle's own threshold; a small gallery never lowers it.

    Raises
    ------
    DoorError
        Fewer than two rates, or a target that is no probability.
    """
    points = _points(by_far)
    if not 0 < false_accept_target < 1:
        raise DoorError(
            f"false_accept_target is {false_accept_target!r}; expected more than 0 and less than 1"
        )
    far = false_accept_target / max(comparisons, 1)
    measured_to = 10 ** points[-1][0]
    cosine = min(max(_cosine_at(points, math.log10(far)), least_cosine), 1.0)
    # A target that divides into a rate of the table is not beyond it by a rounding error.
    extrapolated = far < measured_to * (1 - 1e-9) and cosine > least_cosine
    how = f"measured to {measured_to:g} only, extrapolated" if extrapolated else "measured"
    text = f"cosine {cosine:.4f} for a rate of {far:.2g}, {false_accept_target:g} / {comparisons}"
    text = f"{text} comparisons ({how})"
    return Threshold(cosine, far, extrapolated, text)


def _points(by_far: Iterable[Mapping[str, float]]) -> list[tuple[float, float]]:
    """Return (log10 of the rate, cosine), highest rate first."""
    points = sorted(((math.log10(row["far"]), row["cosine"]) for row in by_far), reverse=True)
    if len(points) < 2:
        raise DoorError(
            f"the bundle has a threshold for {len(points)} false accept rate(s); expected two or "
            "more, from which others follow: use a bundle with more"
        )
    return points


def _cosine_at(points: list[tuple[float, float]], wanted: float) -> float:
    if wanted >= points[0][0]:
        return points[0][1]
    for higher, lower in zip(points, points[1:]):
        if wanted >= lower[0]:
            return higher[1] + _slope(higher, lower) * (higher[0] - wanted)
    slopes = [_slope(higher, lower) for higher, lower in zip(points, points[1:])]
    # Two equal cosines say that the sample ended, not that the curve is flat.
    slope = slopes[-1] or max(slopes)
    return points[-1][1] + slope * (points[-1][0] - wanted)


def _slope(higher: tuple[float, float], lower: tuple[float, float]) -> float:
    """Return how much the cosine grows for a rate ten times lower."""
    return (lower[1] - higher[1]) / (higher[0] - lower[0])
