"""``edgeface identify``: who is in this photo?"""

from __future__ import annotations

import argparse
import time
from typing import Any

from edgeface.cli_open import open_pipeline
from edgeface.cli_output import (
    face_figures,
    pick_threshold,
    print_json,
    print_rows,
    quality_text,
    rounded,
    save_image,
    score_text,
    times_text,
)
from edgeface.cli_photo import Photo, analyze_photo
from edgeface.cli_store import add_gallery_argument, open_gallery
from edgeface.draw import KNOWN, UNKNOWN, draw_faces
from edgeface.gallery import Identification

_EPILOG = """\
Every face is named or said to be unknown: below the threshold, or too close between two people.

examples:
  edgeface identify visitors.jpg
  edgeface identify visitors.jpg --json --save found.png

exit codes: 0 someone was recognised, 3 nobody was, 1 error (no face, unreadable), 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("photo", metavar="PHOTO", help="a photo with one or more faces")
    parser.add_argument("--far", type=float, help="false accept rate; see 'edgeface info'")
    parser.add_argument("--save", metavar="FILE", help="save the photo with names drawn in")
    add_gallery_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Identify every face, print, and return 0 if anyone was recognised, else 3."""
    with open_pipeline(args, bundle=args.bundle) as pipeline:
        threshold = pick_threshold(pipeline.bundle, args.far)
        margin = pipeline.bundle.manifest["thresholds"]["margin"]
        with open_gallery(args, pipeline.bundle) as gallery:
            photo = analyze_photo(pipeline, args.photo)
            start = time.perf_counter()
            results = [
                gallery.identify(face.embedding, threshold=threshold, margin=margin)
                for face in photo.faces
            ]
            photo.milliseconds["match"] = (time.perf_counter() - start) * 1000
    if args.save:
        save_image(args.save, _picture(photo, results))
    if args.json:
        print_json(_figures(photo, results, threshold))
    else:
        _print_text(photo, results, threshold)
    return 0 if any(result.identity is not None for result in results) else 3


def label(result: Identification) -> str:
    """Return the text drawn beside a face."""
    return f"{result.identity or 'unknown'} {score_text(result.score, digits=2)}".strip()


def _picture(photo: Photo, results: list[Identification]) -> Any:
    return draw_faces(
        photo.image,
        photo.faces,
        labels=[label(result) for result in results],
        colours=[UNKNOWN if result.identity is None else KNOWN for result in results],
    )


def _figures(photo: Photo, results: list[Identification], threshold: float) -> dict[str, Any]:
    return {
        "path": photo.path,
        "threshold": round(threshold, 4),
        "faces": [
            {
                "identity": result.identity,
                "score": result.score and round(result.score, 4),
                "reason": result.reason,
                "candidates": [
                    {"name": candidate.name, "score": round(candidate.score, 4)}
                    for candidate in result.candidates
                ],
                **face_figures(face),
            }
            for face, result in zip(photo.faces, results)
        ],
        "milliseconds": rounded(photo.milliseconds),
    }


def _print_text(photo: Photo, results: list[Identification], threshold: float) -> None:
    print(f"{photo.path}: {len(results)} face(s), threshold {threshold:.3f}")
    print_rows(
        [
            (
                result.identity or "unknown",
                score_text(result.score),
                _why(result),
                quality_text(face),
            )
            for face, result in zip(photo.faces, results)
        ]
    )
    print(f"  {times_text(photo.milliseconds)}")


def _why(result: Identification) -> str:
    if result.reason == "within_margin":
        names = " or ".join(candidate.name for candidate in result.candidates[:2])
        return f"too close to call: {names}"
    return result.reason.replace("_", " ")
