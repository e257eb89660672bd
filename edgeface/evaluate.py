"""``edgeface eval``: verification accuracy of one or more bundles on pairs of photos."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgeface import roc
from edgeface.cli_open import open_pipeline
from edgeface.cli_output import UsageError, print_json, print_rows, progress, save_image
from edgeface.errors import ImageError
from edgeface.image import read_image
from edgeface.pairs import PairList, folder_pairs, read_lfw_pairs
from edgeface.pipeline import Pipeline
from edgeface.roc_picture import draw_roc

FAR_TARGETS = (1e-2, 1e-3)
NO_FACE_SCORE = -1.0  # a photo without a face can match nobody

_EPILOG = """\
Accuracy is 10-fold: each fold is judged at the threshold that is best on the other nine. A pair
with a photo in which no face is found counts as "different" (it scores -1).

examples:
  edgeface eval --pairs pairsDevTest.txt --images lfw/
  edgeface eval --images people/                     (one sub-folder per person)
  edgeface eval --images people/ --bundle int8.efb --bundle float.efb --roc roc.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("--images", required=True, metavar="FOLDER", help="the photos")
    parser.add_argument("--pairs", metavar="FILE", help="LFW pair list (default: make pairs)")
    parser.add_argument(
        "--bundle", action="append", metavar="FILE", help="models; may be given more than once"
    )
    parser.add_argument("--aligned", action="store_true", help="photos are aligned 112x112 crops")
    parser.add_argument("--roc", metavar="FILE", help="save the ROC curves as a picture")


def run(args: argparse.Namespace) -> int:
    """Measure every bundle on the same pairs, print, and return 0."""
    if not Path(args.images).is_dir():
        raise UsageError(f"--images {args.images}: not a folder")
    pairs = read_lfw_pairs(args.pairs, args.images) if args.pairs else folder_pairs(args.images)
    reports, curves = [], {}
    for bundle in args.bundle or [None]:
        with open_pipeline(args, bundle=bundle) as pipeline:
            report, scores = evaluate(pipeline, pairs, args.images, aligned=args.aligned)
        reports.append(report)
        curves[report["bundle"]] = roc.roc_curve(scores, _labels(pairs))
    if args.roc:
        save_image(args.roc, draw_roc(curves))
    if args.json:
        print_json(reports)
    else:
        _print_text(reports)
    return 0


def evaluate(
    pipeline: Pipeline, pairs: PairList, images: str, *, aligned: bool = False
) -> tuple[dict[str, Any], np.ndarray]:
    """Score all pairs with one pipeline.

    Returns
    -------
    report
        Plain JSON values: accuracy, TAR at FAR with 95 % intervals, counts.
    scores
        (N,) float64 cosines; -1 where a photo has no face.
    """
    photos = sorted({photo for pair in pairs.pairs for photo in (pair.first, pair.second)})
    found = {}
    for photo in progress(photos, label=f"{pipeline.bundle.name}: photo"):
        found[photo] = _embedding(pipeline, Path(images) / photo, aligned=aligned)
    scores = np.array([_score(found[p.first], found[p.second]) for p in pairs.pairs])
    report = {
        "bundle": _title(pipeline),
        "variant": pipeline.variant,
        "runtime": pipeline.runtime,
        "model_id": pipeline.bundle.model_id,
        "photos": len(photos),
        "photos_without_face": sum(e is None for e in found.values()),
        "pairs_missing": pairs.missing,
        **_figures(scores, pairs, shipped=pipeline.bundle.threshold()),
    }
    return report, scores


def _title(pipeline: Pipeline) -> str:
    artefact = pipeline.artefact
    split = ", split" if artefact.variant == "split" else ""
    runtime = "" if artefact.runtime == "onnx" else f", {artefact.runtime}"
    return f"{pipeline.bundle.name} ({artefact.precision}{split}{runtime})"


def _embedding(pipeline: Pipeline, path: Path, *, aligned: bool) -> np.ndarray | None:
    image = read_image(path)
    if not aligned:
        faces = pipeline.analyze(image)
        return faces[0].embedding if faces else None
    if image.shape != (112, 112, 3):
        raise ImageError(f"{path}: {image.shape[1]}x{image.shape[0]}, --aligned expects 112x112")
    return pipeline.embed_aligned(image)


def _score(first: np.ndarray | None, second: np.ndarray | None) -> float:
    return NO_FACE_SCORE if first is None or second is None else float(first @ second)


def _labels(pairs: PairList) -> np.ndarray:
    return np.array([pair.genuine for pair in pairs.pairs])


def _figures(scores: np.ndarray, pairs: PairList, *, shipped: float) -> dict[str, Any]:
    genuine = _labels(pairs)
    folded = roc.fold_accuracy(scores, genuine, pairs.folds)
    rates = {str(far): roc.tar_at_far(scores, genuine, far) for far in FAR_TARGETS}
    return {
        "genuine_pairs": int(genuine.sum()),
        "impostor_pairs": int((~genuine).sum()),
        "accuracy_10_fold": folded and asdict(folded),
        "accuracy_shipped": {
            "threshold": shipped,
            **asdict(roc.accuracy_at(scores, genuine, shipped)),
        },
        "tar_at_far": {far: rate and asdict(rate) for far, rate in rates.items()},
        "mean_genuine": float(scores[genuine].mean()),
        "mean_impostor": float(scores[~genuine].mean()),
    }


def _print_text(reports: Sequence[dict[str, Any]]) -> None:
    first = reports[0]
    print(
        f"{first['genuine_pairs']} genuine and {first['impostor_pairs']} impostor pairs of "
        f"{first['photos']} photos; {first['pairs_missing']} pairs left out (photo missing)"
    )
    rows = [["", *(report["bundle"] for report in reports)]]
    rows += [[name, *map(text, reports)] for name, text in _ROWS.items()]
    print_rows(rows)


def _percent(rate: dict[str, float] | None) -> str:
    if rate is None:
        return "too few impostor pairs"
    return f"{100 * rate['value']:.2f} % [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]"


def _fold_text(report: dict[str, Any]) -> str:
    fold = report["accuracy_10_fold"]
    if fold is None:
        return "too few people"
    spread = f"{100 * fold['mean']:.2f} % ± {100 * fold['standard_error']:.2f}"
    return f"{spread} at {fold['threshold']:.3f}"


_ROWS = {
    "photos without a face": lambda r: str(r["photos_without_face"]),
    "accuracy, 10-fold": _fold_text,
    "accuracy at the shipped threshold": lambda r: _percent(r["accuracy_shipped"]),
    "the shipped threshold": lambda r: f"{r['accuracy_shipped']['threshold']:.3f}",
    **{
        f"TAR at FAR {far:g}": lambda r, far=far: _percent(r["tar_at_far"][str(far)])
        for far in FAR_TARGETS
    },
    "mean cosine, genuine": lambda r: f"{r['mean_genuine']:.3f}",
    "mean cosine, impostor": lambda r: f"{r['mean_impostor']:.3f}",
}
