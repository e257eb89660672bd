"""What an artefact must reach to be packed, as data; `export.verify.gates` judges by it.

No gate reads LFW (the set ``pairs``): its licence and the habit of the field keep it for measuring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from export.verify.figures import AtFar, Drift, Result, SetFigures

STRICT_FAR = 1e-3
LEAST_PHOTOS = 40  # fewer say nothing of a worst case
LEAST_PEOPLE = 20  # fewer are too few pairs of people to tell a shift from chance


@dataclass(frozen=True)
class Gate:
    """One limit.

    Attributes
    ----------
    name : as in the manifest.
    measure : takes the figure out of a result; None where the sets cannot show it.
    limit : what holds for every kind of artefact that `limits` does not name; None: no gate.
    limits : target ("rk3576"), kind ("split int8") or precision ("int8") → its own limit.
    least : True: measured must be at least the limit; False: at most.
    why : where the limit comes from.
    look : what to look at when it fails.
    required : a figure that must be there: not measured is failed.
    """

    name: str
    measure: Callable[[Result], float | None]
    limit: float | None
    least: bool
    why: str
    look: str
    limits: Mapping[str, float | None] = field(default_factory=dict)
    required: bool = False

    def limit_for(self, result: Result) -> float | None:
        """Return the limit of this kind of artefact, None for no gate."""
        for kind in (result.target, f"{result.variant} {result.precision}", result.precision):
            if kind in self.limits:
                return self.limits[kind]
        return self.limit

    def passes(self, measured: float, limit: float) -> bool:
        """Does a figure keep the limit?"""
        return measured >= limit if self.least else measured <= limit


def _faces(result: Result) -> SetFigures | None:
    named = (result.sets.get(name) for name in ("faces", "folder", "people"))
    return next((f for f in named if f is not None and f.photos >= LEAST_PHOTOS), None)


def _people(result: Result) -> SetFigures | None:
    found = result.sets.get("people") or result.sets.get("folder")
    return found if found is not None and found.people >= LEAST_PEOPLE else None


def _of_faces(take: Callable[[SetFigures], float | None]) -> Callable[[Result], float | None]:
    return lambda result: None if (found := _faces(result)) is None else take(found)


def _of_strangers(take: Callable[[SetFigures], float]) -> Callable[[Result], float | None]:
    return _of_faces(lambda figures: take(figures) if figures.people >= LEAST_PEOPLE else None)


def _of_far(take: Callable[[AtFar], float]) -> Callable[[Result], float | None]:
    def measure(result: Result) -> float | None:
        found = _people(result)
        rows = [] if found is None else [row for row in found.at_far if row.far == STRICT_FAR]
        return take(rows[0]) if rows else None

    return measure


def _gap(take: Callable[[Drift], float]) -> Callable[[SetFigures], float | None]:
    """Return the largest difference between two groups of one attribute."""

    def measure(figures: SetFigures) -> float | None:
        gaps = []
        for attribute in {row.attribute for row in figures.drift}:
            values = [take(row) for row in figures.drift if row.attribute == attribute]
            gaps.append(max(values) - min(values))
        return max(gaps, default=None)

    return measure


GATES = (
    Gate(
        "input error",
        lambda result: result.input_error,
        limit=1e-5,
        least=False,
        required=True,
        why="the manifest entry must feed the network exactly what the float network was fed",
        look="colour, mean and std of the artefact's input: they are those of the source",
    ),
    Gate(
        "door cosine min",
        lambda result: result.door_cosine,
        limit=0.98,
        least=True,
        why="a door's own code, by the manifest entry, makes the same embeddings: the self-test's "
        "limit",
        look="input layout, mean and std of the entry; 8-bit weights on x86 without VNNI "
        "(docs/decisions/0002)",
    ),
    Gate(
        "bad rows",
        lambda result: float(sum(figures.bad_rows for figures in result.sets.values())),
        limit=0,
        least=False,
        required=True,
        why="NaN, Inf or a vector without length is somebody's face on the door",
        look="the converter's log; ranges of softmax, LayerNorm and GELU in low precision",
    ),
    Gate(
        "cosine mean",
        _of_faces(lambda figures: figures.agreement.mean),
        limit=0.99,
        limits={"whole int8": 0.98, "float16": 0.999, "float32": 0.9999},
        least=True,
        required=True,
        why="issue 4: split INT8 at least 0.99; attention in 8 bits costs another 0.01",
        look="the calibration photos (real faces, normalised once, right colours), then the "
        "sensitivity report: which layer to keep in higher precision",
    ),
    Gate(
        "cosine min",
        _of_faces(lambda figures: figures.agreement.minimum),
        limit=0.97,
        limits={"whole int8": 0.95, "float16": 0.995, "float32": 0.999},
        least=True,
        required=True,
        why="issue 4: split INT8 at least 0.97 on 1000 faces; one person's bad day counts",
        look="as for cosine mean; a low minimum beside a good mean is clipping: a wider percentile",
    ),
    Gate(
        "pair score error p95",
        _of_faces(lambda figures: figures.score_error.p95),
        limit=0.05,
        limits={"float16": 0.01, "float32": 0.002},
        least=False,
        why="0.1 of cosine is a factor of ten in FAR (default bundle: 0.29 at 0.01, 0.39 at 0.001)",
        look="as for cosine mean",
    ),
    Gate(
        "impostor mean shift",
        _of_strangers(lambda f: f.spread.impostor_mean - f.float_spread.impostor_mean),
        limit=0.01,
        least=False,
        why="collapse: embeddings of different people drift together",
        look="the calibration photos: constant or dark ones collapse every range",
    ),
    Gate(
        "impostor spread ratio",
        _of_strangers(lambda f: f.spread.impostor_std / f.float_spread.impostor_std),
        limit=0.9,
        least=True,
        why="collapse: all pairs get one score",
        look="the calibration photos: constant or dark ones collapse every range",
    ),
    Gate(
        "TAR lost at the float threshold",
        _of_far(lambda row: row.float_tar.value - row.tar_at_float.value),
        limit=0.02,
        least=False,
        why="share of true visitors refused only because the network was converted, FAR 0.001",
        look="cosine and pair score error: genuine scores fell",
    ),
    Gate(
        "FAR at the float threshold over its target",
        _of_far(lambda row: row.far_at_float.value / row.far),
        limit=2,
        least=False,
        why="a threshold chosen on float must not let in twice as many strangers",
        look="impostor mean shift; choose the thresholds on this artefact",
    ),
    Gate(
        "group agreement gap",
        _of_faces(_gap(lambda row: row.agreement)),
        limit=0.01,
        least=False,
        why="conversion must not cost one group of people more than another",
        look="the calibration photos: they must hold all groups",
    ),
    Gate(
        "group impostor shift gap",
        _of_faces(_gap(lambda row: row.impostor_shift)),
        limit=0.015,
        least=False,
        why="conversion must not make one group's strangers more alike",
        look="the calibration photos: they must hold all groups",
    ),
    Gate(
        "size ratio",
        lambda result: result.size.ratio,
        limit=None,
        limits={"rk3576": None, "int8": 0.30, "hybrid": 0.60, "float16": 0.55},
        least=False,
        why="issue 4: INT8 is at most 30 % of float; a split artefact counts with its head. An "
        ".rknn file holds the NPU's programs too, for one core and for two: 33 % and 46 %, shown",
        look="weights left in float; names and notes in the file",
    ),
)

SOURCE_GATES = (
    Gate(
        "ONNX to PyTorch cosine min",
        lambda _: None,
        limit=0.9999,
        least=True,
        why="the float ONNX file, as it is fed, is the network that was trained",
        look="the source's preprocessing (training: RGB, (x - 127.5) / 127.5), then the export",
    ),
    Gate(
        "preprocessing lead",
        lambda _: None,
        limit=0.0,
        least=True,
        why="swapped colours or a second normalisation must not tell people apart better than "
        "the stated preprocessing does: else it is stated wrongly",
        look="the source's colour, mean and std: what its author trained with",
    ),
)

EMULATED = Gate(
    "cosine to this machine min",
    lambda _: None,
    limit=0.999,
    least=True,
    why="one model on every CPU: kernels differ in the order of float sums only (INT8 networks: "
    "0.98, as the self-test's)",
    look="the kernels of that ISA: tests/arm",
)
