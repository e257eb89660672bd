"""The figures of one artefact beside the float network's, in the units of a door.

`export.verify.measure` computes them. Intervals of shares are Wilson's, 95 %; photos stand in many
pairs, so that these are too narrow for all-pairs figures, where the bootstrap over people is the
honest one.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeface.roc import Rate


@dataclass(frozen=True)
class Agreement:
    """Cosine between an artefact's and the float network's embedding of the same photo."""

    mean: float
    minimum: float
    p1: float


@dataclass(frozen=True)
class ScoreError:
    """|cosine of a pair by the artefact - by the float network| over the pairs of a set."""

    mean: float
    p95: float
    maximum: float


@dataclass(frozen=True)
class Spread:
    """How far apart a network keeps different people: the impostor pairs' cosines."""

    impostor_mean: float
    impostor_std: float
    impostor_max: float
    genuine_mean: float | None


@dataclass(frozen=True)
class Interval:
    """A difference with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class AtFar:
    """True accept rates where at most ``far`` of the impostors pass.

    Attributes
    ----------
    far : the false accept rate aimed at.
    threshold, float_threshold : cosine that gives it, of the artefact and of the float network.
    tar, float_tar : each at its own threshold.
    tar_at_float, far_at_float : the artefact at the *float network's* threshold: what a door
        sees whose threshold was not chosen anew.
    difference : tar - float_tar; difference_at_float : tar_at_float - float_tar. Resampled over
        people with both thresholds held.
    """

    far: float
    threshold: float
    float_threshold: float
    tar: Rate
    float_tar: Rate
    tar_at_float: Rate
    far_at_float: Rate
    difference: Interval
    difference_at_float: Interval


@dataclass(frozen=True)
class Accuracy:
    """10-fold accuracy on listed pairs (LFW's protocol), of the artefact and the float network.

    The folds' thresholds are chosen on 900 pairs and jump: networks of cosine 0.9998 to each other
    differed by 0.8 points. ``at_float_threshold`` is the steadier figure: artefact minus float at
    the one threshold that the float network's folds chose, with a bootstrap interval.
    """

    value: float
    standard_error: float
    float_value: float
    at_float_threshold: Interval


@dataclass(frozen=True)
class Identification:
    """Share of probes whose best template is their own person's."""

    templates: int
    people: int
    rate: Rate
    float_rate: Rate


@dataclass(frozen=True)
class Drift:
    """One group of FairFace: what conversion did to it.

    ``agreement`` is the mean cosine to float, ``impostor_shift`` the mean impostor cosine inside
    the group, artefact minus float.
    """

    attribute: str
    group: str
    count: int
    agreement: float
    impostor_shift: float


@dataclass(frozen=True)
class Curves:
    """What the report draws: shares per bin of `BINS`, and TAR at each FAR of `CURVE`.

    ``least_far`` is the lowest rate that the set's impostor pairs can show.
    """

    least_far: float
    impostor: list[float]
    float_impostor: list[float]
    genuine: list[float] | None
    float_genuine: list[float] | None
    tar: list[float] | None
    float_tar: list[float] | None


@dataclass(frozen=True)
class SetFigures:
    """Everything measured of one artefact on one set. None: the set cannot show it.

    ``people`` is how many different people are on it; None in a list of pairs without names.
    """

    source: str
    photos: int
    people: int | None
    bad_rows: int
    agreement: Agreement
    score_error: ScoreError
    spread: Spread
    float_spread: Spread
    at_far: list[AtFar]
    accuracy: Accuracy | None
    identification: list[Identification]
    drift: list[Drift]
    curves: Curves


@dataclass(frozen=True)
class Size:
    """Bytes that a board loads: the file, and the head's file of a split artefact.

    ``ratio`` is over the float twin ``float_file`` with a float32 head; None without a twin.
    """

    bytes: int
    float_bytes: int | None
    float_file: str | None
    ratio: float | None


@dataclass(frozen=True)
class Result:
    """One artefact (with one kind of head) measured.

    Attributes
    ----------
    title : as in the manifest's gates, such as "tflite split int8, int8 head".
    head : "float32" or "int8" of a split artefact's native head, else None.
    input_error : largest difference between network inputs made from the manifest entry and those
        that the float network gets, in units of the input.
    door_cosine : least cosine between what a door's own code makes of the file and these figures'
        embeddings; None where this machine has no door that runs it.
    sets : set name → its figures.
    """

    title: str
    target: str
    variant: str
    precision: str
    head: str | None
    file: str
    size: Size
    input_error: float
    door_cosine: float | None
    sets: dict[str, SetFigures]
