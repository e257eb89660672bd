"""docs/liveness.md, written from what `export.liveness_report` measured."""

from __future__ import annotations

from collections.abc import Iterable

from export.liveness_attacks import UNSEEN
from export.liveness_camera import CONDITIONS

PAGE = """\
# Passive liveness: what it stops, and what is not known

Written by `python -m export liveness-report`; do not edit. How it works:
[decision 0026](decisions/0026-liveness-from-one-frame.md).

**This network was never measured on a public attack set, nor on a real presentation attack beyond
the two photos below.** Every attack here is simulated, by the simulator that made the training
attacks (`export/liveness_attacks.py`), from photos that were not trained on. The figures say that
the network learned what it was shown, and how far that carries to two attacks and to photos that it
was not shown. They do not say how many real attacks it stops. One RGB frame is weak evidence: use
it as one condition among others (`[liveness] policy = "passive+challenge"`), never as the only one.

APCER is the share of attacks taken for live, BPCER the share of live faces refused (ISO/IEC
30107-3). Our threshold, {threshold}, is in the bundle. It refuses {bpcer} of what it was chosen on
({source}). minivision's pair of networks gets a
threshold by the same rule ({minivision}), and is also shown at its own of 0.5. A column "float" is
the network before INT8, at {float} by the same rule.

## Real attacks: three photos, no measurement

| photo | what it is | INT8 score | taken for | minivision's |
|---|---|---|---|---|
{smoke}

## Live people refused (BPCER), photos as they are

| photos | number | INT8 | float | minivision | minivision at 0.5 |
|---|---|---|---|---|---|
{live}

LFW's photos are black where their source ended. Such bars look like a screen's bezel, and the
network says so: a camera that letterboxes its picture must have it cut before. No camera of a door
was measured; expect other figures there.

## Attacks taken for live (APCER), by attack

{per_source} faces per attack and source, each before {cameras} cameras. *Unseen*: never trained on.

| attack | FairFace: INT8 | float | pair | pair at 0.5 | CelebA: INT8 | float | pair | pair at 0.5 |
|---|---|---|---|---|---|---|---|---|
{attacks}

The pair is minivision's. It was trained on real attacks, and not on these: its figures here are no
judgement on it; they say that the simulator is not reality.

## By camera

| camera | BPCER | APCER, trained | APCER, unseen | equal error | float's | minivision's |
|---|---|---|---|---|---|---|
{conditions}
{all}

APCER by attack and camera, INT8:

| attack | {camera_names} |
|---|{camera_rule}
{grid}

## INT8 against float

Scores differ by {int8_mean} on average over {trials} trials, at most by {int8_max}. The equal error
rate is {int8_eer} in INT8, {float_eer} in float.

## What the fusion brings (float)

| | {branch_names} |
|---|{branch_rule}
| equal error rate | {branch_errors} |
| mean attention weight, live | – | {weights_live} |
| mean attention weight, attack | – | {weights_attack} |

## Cost

{multiply_adds} million multiply-adds per face; minivision says 81 MFLOPs of each of its two. One
score with its two views took {liveness_ms} ms on one busy core of the machine that wrote this page,
where finding the faces of a photo took {detector_ms} ms: {ratio} of it.
"""

SMOKE = {
    "image_T1.jpg": "a person",
    "image_F1.jpg": "a print held up, white border in view",
    "image_F2.jpg": "a phone held up, bezel and fingers in view",
}


def render(figures: dict) -> str:
    """Return the page."""
    return PAGE.format(
        **_thresholds(figures),
        **_rates(figures),
        **_cameras(figures),
        **_branches(figures["branches"]),
        **_cost(figures["cost"]),
    )


def _thresholds(figures: dict) -> dict[str, str]:
    stage, limits = figures["stage"], figures["thresholds"]
    return {
        "minivision": f"{limits['minivision']:.3f}",
        "float": f"{limits['float']:.3f}",
        "bpcer": f"{stage['bpcer']:.0%}",
        "source": stage["source"],
        "threshold": f"{stage['threshold']:.3f}",
        "smoke": _rows(
            _smoke_row(name, one, stage["threshold"]) for name, one in figures["smoke"].items()
        ),
    }


def _rates(figures: dict) -> dict[str, str]:
    errors, apart = figures["all"]["equal_error"], figures["int8_from_float"]
    return {
        "live": _rows(
            (name, one["trials"], *_shares(one, "int8", "float", "minivision", "minivision_own"))
            for name, one in figures["live"].items()
        ),
        "per_source": figures["frames"],
        "attacks": _rows(_attack_row(kind, one) for kind, one in figures["attacks"].items()),
        "int8_mean": f"{apart['mean']:.3f}",
        "int8_max": f"{apart['largest']:.2f}",
        "trials": f"{_trials(figures):,}",
        "int8_eer": f"{errors['int8']:.1%}",
        "float_eer": f"{errors['float']:.1%}",
    }


def _cameras(figures: dict) -> dict[str, str]:
    return {
        "cameras": len(CONDITIONS),
        "conditions": _rows(_camera_row(name, one) for name, one in figures["cameras"].items()),
        "all": _rows([_camera_row("**all**", figures["all"])]),
        "camera_names": " | ".join(CONDITIONS),
        "camera_rule": "---|" * len(CONDITIONS),
        "grid": _rows(
            (_named(kind), *(f"{row[camera]:.1%}" for camera in CONDITIONS))
            for kind, row in figures["by_attack_and_camera"].items()
        ),
    }


def _branches(branches: dict) -> dict[str, str]:
    names = tuple(branches["equal_error"])
    return {
        "branch_names": " | ".join(names),
        "branch_rule": "---|" * len(names),
        "branch_errors": " | ".join(f"{branches['equal_error'][name]:.1%}" for name in names),
        "weights_live": " | ".join(f"{v:.2f}" for v in branches["weights_live"].values()),
        "weights_attack": " | ".join(f"{v:.2f}" for v in branches["weights_attack"].values()),
    }


def _cost(cost: dict) -> dict[str, str]:
    return {
        "multiply_adds": f"{cost['multiply_adds'] / 1e6:.1f}",
        "liveness_ms": f"{cost['liveness_ms']:.1f}",
        "detector_ms": f"{cost['detector_ms']:.1f}",
        "ratio": f"{cost['liveness_ms'] / cost['detector_ms']:.0%}",
    }


def summary(figures: dict) -> dict:
    """What of the figures goes into the bundle's manifest and card."""
    total, live = figures["all"], figures["live"]
    return {
        "what": "simulated attacks only, docs/liveness.md; never measured on a public attack set",
        "apcer_trained_attacks": round(total["trained"]["int8"], 4),
        "apcer_unseen_simulated_attacks": round(total["unseen"]["int8"], 4),
        "bpcer_simulated_cameras": round(total["bpcer"]["int8"], 4),
        "bpcer_photos_as_they_are": {k: round(one["int8"], 4) for k, one in live.items()},
        "equal_error_rate": {k: round(v, 4) for k, v in total["equal_error"].items()},
        "two_real_attacks_and_one_live_photo": {
            SMOKE[name]: round(one["int8"], 3) for name, one in figures["smoke"].items()
        },
    }


def _smoke_row(name: str, one: dict, threshold: float) -> tuple:
    taken_for = "live" if one["int8"] >= threshold else "an attack"
    return (name, SMOKE[name], f"{one['int8']:.3f}", taken_for, f"{one['minivision']:.3f}")


def _attack_row(kind: str, one: dict) -> tuple:
    keys = ("int8", "float", "minivision", "minivision_own")
    return (_named(kind), *_shares(one["FairFace"], *keys), *_shares(one["CelebA"], *keys))


def _camera_row(name: str, one: dict) -> tuple:
    rates = (one["bpcer"]["int8"], one["trained"]["int8"], one["unseen"]["int8"])
    errors = one["equal_error"]
    return (name, *(f"{rate:.1%}" for rate in (*rates, *errors.values())))


def _named(kind: str) -> str:
    return f"*{kind}* (unseen)" if kind in UNSEEN else kind


def _trials(figures: dict) -> int:
    total = figures["all"]
    live = sum(one["trials"] for one in figures["live"].values())
    return live + sum(total[kind]["trials"] for kind in ("bpcer", "trained", "unseen"))


def _shares(one: dict, *keys: str) -> tuple:
    return tuple(f"{one[key]:.1%}" for key in keys)


def _rows(rows: Iterable[tuple]) -> str:
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)
