"""What a match is at this door: the bundle's numbers, and what the owner asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeface.door.threshold import Threshold, threshold_for
from edgeface.errors import DoorError


@dataclass(frozen=True)
class Matching:
    """What the bundle and the owner say of recognising.

    Attributes
    ----------
    by_far
        (false accept rate of one comparison, cosine), of the bundle's manifest.
    least_cosine
        The bundle's own threshold: never less than this.
    false_accept_target
        How often one look of a stranger may match anybody of the gallery.
    lead
        Least lead over the second person, 0 to 2.
    live
        Least liveness score of a frame, above 0 to 1; None where policy is "none".
    """

    by_far: tuple[tuple[float, float], ...]
    least_cosine: float
    lead: float
    live: float | None
    false_accept_target: float = 0.001

    def threshold(self, comparisons: int) -> Threshold:
        """Return the cosine a match needs in a gallery of so many templates."""
        return threshold_for(
            [{"far": far, "cosine": cosine} for far, cosine in self.by_far],
            false_accept_target=self.false_accept_target,
            comparisons=comparisons,
            least_cosine=self.least_cosine,
        )


def read_matching(
    decision: Mapping[str, Any],
    *,
    liveness: Mapping[str, Any],
    thresholds: Mapping[str, Any],
    live_threshold: float | None,
) -> Matching:
    """Return what the tables [decision] and [liveness] make of the bundle's thresholds.

    Raises
    ------
    DoorError
        A policy that cannot be kept with this bundle, or "none" without ``i_understand``.
    """
    by_far = tuple((row["far"], row["cosine"]) for row in thresholds["by_far"])
    return Matching(
        by_far=by_far,
        least_cosine=dict(by_far)[thresholds["default_far"]],
        # The owner may ask for more than the bundle, not for less.
        lead=max(decision.get("lead", 0.0), thresholds["margin"]),
        live=_least_live(liveness, live_threshold),
        false_accept_target=decision.get("false_accept_target", 0.001),
    )


def _least_live(liveness: Mapping[str, Any], bundle: float | None) -> float | None:
    policy = liveness.get("policy", "passive")
    if policy == "none":
        if not liveness.get("i_understand", False):
            raise DoorError(
                'liveness.policy is "none": a printed photo of anybody enrolled would open this '
                'door; choose "passive" or "passive+challenge", or write i_understand = true '
                "beside it"
            )
        return None
    if bundle is None:
        raise DoorError(
            f'liveness.policy is "{policy}", and this bundle has no liveness stage: use one that '
            "has (edgeface info lists the stages)"
        )
    return max(liveness.get("threshold", 0.0), bundle)
