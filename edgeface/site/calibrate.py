"""Which cosine suits this site: what its own templates say, as far as they can.

A stranger's look is taken to be like that of somebody enrolled to whom that person's own templates
are hidden: does it match anybody else? A look of somebody enrolled is one of that person's
templates, compared with the others of that person. docs/site-calibration.md says what that can
show and what not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgeface.door.rules_matching import Matching
from edgeface.door.rules_settings import DECISION
from edgeface.door.threshold import Threshold, threshold_for
from edgeface.site.calibrate_scores import EDGES, Pair, Scores, compare, histogram
from edgeface.site.calibrate_share import Share, people_needed, refusal_shares, stranger_shares
from edgeface.site.people import People

_STEPS = np.round(np.arange(0, 1.005, 0.01), 2)
LEAST_TARGET = 1e-9
MOST_TARGET = DECISION["properties"]["false_accept_target"]["maximum"]
USUAL_TARGET = Matching.false_accept_target
"""What a door takes where nothing is set."""


@dataclass(frozen=True)
class Step:
    """What a cosine would mean.

    Attributes
    ----------
    cosine
        Least of a match.
    stranger
        How often a stranger's look matches anybody at all of the site.
    refused
        How often somebody's look does not match that person; None while nobody has two templates.
    setting
        decision.false_accept_target with which a door that knows everybody asks for this cosine;
        None where no setting does.
    """

    cosine: float
    stranger: Share
    refused: Share | None
    setting: float | None


@dataclass(frozen=True)
class Calibration:
    """What a site's own scores say of thresholds.

    Attributes
    ----------
    people, templates
        At the site.
    compared, with_two
        People whose templates were compared; those of them with two or more.
    target
        How often a stranger may match anybody: what was asked for.
    now
        The cosine that a door which knows everybody asks for with this target, by the bundle's own
        measurement.
    now_step
        What this site's people say of that cosine (rounded to a step); None with fewer than two
        people.
    suggested
        The lowest cosine at which a stranger is, with 95 % confidence, let in no more often than
        the target; None where the site has too few people to say so.
    people_needed
        How many people it takes to say so at all.
    alike
        Different people who match each other now, most alike first, at most ten pairs: look-alikes,
        or one person under two names.
    steps
        Cosines from 0 to 1, lowest first.
    edges
        Of the histograms' bins: one more than there are bins.
    genuine, impostor
        Pairs of templates of one person, of two people, by bin.
    events
        Cosines of the doors' decisions by reason and bin. Nobody knows whose faces those were.
    """

    people: int
    templates: int
    compared: int
    with_two: int
    target: float
    now: Threshold
    now_step: Step | None
    suggested: Step | None
    people_needed: int
    alike: tuple[Pair, ...]
    steps: tuple[Step, ...]
    edges: tuple[float, ...]
    genuine: tuple[int, ...]
    impostor: tuple[int, ...]
    events: Mapping[str, tuple[int, ...]]

    @property
    def text(self) -> str:
        """The same in words."""
        if self.suggested is not None:
            return (
                f"At a cosine of {self.suggested.cosine:.2f} a stranger matches somebody at most "
                f"{self.suggested.stranger.high:.2g} of the time, with 95 % confidence."
            )
        if self.compared < self.people_needed:
            return (
                f"{self.compared} people are too few to show a rate of {self.target:g}: that takes "
                f"{self.people_needed}. Doors go by the bundle's own measurement: {self.now.text}."
            )
        return (
            f"No cosine is shown to keep strangers to {self.target:g}: people of this site are too "
            "much alike, or it is too large for the people who were compared. Look at those who "
            "are alike first: somebody may be enrolled under two names."
        )

    def message(self) -> dict[str, Any]:
        """Return it as JSON holds it, with `text`."""
        return {**asdict(self), "text": self.text}


def calibration(
    people: People,
    events: Mapping[str, np.ndarray],
    *,
    thresholds: Mapping[str, Any],
    target: float,
) -> Calibration:
    """Compare a site's templates with each other; seconds at the most people that are compared.

    Parameters
    ----------
    people
        The site's.
    events
        Cosines of decisions by reason, as `Events.scores` returns them.
    thresholds
        The bundle manifest's.
    target
        How often one look of a stranger may match anybody: `LEAST_TARGET` to `MOST_TARGET`.

    Raises
    ------
    ValueError
        The target is out of range.
    DoorError
        The bundle has too few thresholds.
    """
    if not LEAST_TARGET <= target <= MOST_TARGET:
        raise ValueError(f"target is {target!r}; expected {LEAST_TARGET} to {MOST_TARGET}")
    count, templates = _counts(people)
    scores = compare(people)
    door = _Door(thresholds, max(templates, 1))
    steps = _steps(scores, door=door, scale=templates / max(len(scores.owners), 1))
    now = door.threshold(target)
    suggested = next((step for step in steps if _holds(step, target)), None)
    compared = len(np.unique(scores.owners))
    return Calibration(
        people=count,
        templates=templates,
        compared=compared,
        with_two=len(np.unique(scores.owners[~np.isnan(scores.own)])),
        target=target,
        now=now,
        now_step=max((s for s in steps if s.cosine <= now.cosine), key=_cosine, default=None),
        suggested=suggested,
        people_needed=people_needed(target),
        alike=tuple(pair for pair in scores.alike if pair.cosine >= now.cosine),
        steps=steps,
        edges=tuple(EDGES.tolist()),
        genuine=tuple(scores.genuine.tolist()),
        impostor=tuple(scores.impostor.tolist()),
        events={reason: tuple(histogram(found).tolist()) for reason, found in events.items()},
    )


class _Door:
    """A door that knows everybody: which cosine it asks for, by its setting, and the reverse."""

    def __init__(self, thresholds: Mapping[str, Any], comparisons: int) -> None:
        self._by_far, self._comparisons = thresholds["by_far"], comparisons
        self._least = next(
            row["cosine"] for row in self._by_far if row["far"] == thresholds["default_far"]
        )

    def threshold(self, target: float) -> Threshold:
        """Return what it asks for with this false_accept_target."""
        return threshold_for(
            self._by_far,
            false_accept_target=target,
            comparisons=self._comparisons,
            least_cosine=self._least,
        )

    def setting(self, cosine: float) -> float | None:
        """Return the largest target, to two digits, with which it asks for at least ``cosine``."""
        low, high = np.log10(LEAST_TARGET), np.log10(MOST_TARGET)
        if self.threshold(10**low).cosine < cosine or cosine < self.threshold(10**high).cosine:
            return None
        for _ in range(50):
            middle = (low + high) / 2
            enough = self.threshold(10**middle).cosine >= cosine
            low, high = (middle, high) if enough else (low, middle)
        digit = 10.0 ** (np.floor(low) - 1)
        return float(f"{np.floor(10**low / digit) * digit:.1e}")


def _counts(people: People) -> tuple[int, int]:
    with people.database.transaction() as connection:
        return connection.execute("SELECT count(DISTINCT uid), count(*) FROM template").fetchone()


def _steps(scores: Scores, *, door: _Door, scale: float) -> tuple[Step, ...]:
    """Return the steps; ``scale``: by how much the site has more templates than were compared."""
    strangers = stranger_shares(scores, _STEPS, scale=scale)
    refusals = refusal_shares(scores, _STEPS) or [None] * len(strangers)
    return tuple(
        Step(cosine, stranger, refused, door.setting(cosine))
        for cosine, stranger, refused in zip(_STEPS.tolist(), strangers, refusals)
    )


def _holds(step: Step, target: float) -> bool:
    return step.setting is not None and step.stranger.high <= target


def _cosine(step: Step) -> float:
    return step.cosine
