"""``edgeface verify``: are these two photos of one person?"""

from __future__ import annotations

import argparse
from typing import Any

import cv2
import numpy as np

from edgeface.cli_open import open_pipeline
from edgeface.cli_output import (
    face_figures,
    pick_threshold,
    print_json,
    quality_text,
    rounded,
    save_image,
    times_text,
)
from edgeface.cli_photo import Photo, analyze_photo, short_name
from edgeface.draw import KNOWN, UNKNOWN, draw_faces
from edgeface.face import Verification

_EPILOG = """\
The largest face of each photo is compared.

examples:
  edgeface verify passport.jpg door.jpg
  edgeface verify a.jpg b.jpg --far 0.01 --save compared.jpg

exit codes: 0 same person, 3 different people, 1 error (no face, unreadable), 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("first", metavar="A", help="a photo")
    parser.add_argument("second", metavar="B", help="another photo")
    parser.add_argument("--far", type=float, help="false accept rate; see 'edgeface info'")
    parser.add_argument("--save", metavar="FILE", help="save both photos with what was found")


def run(args: argparse.Namespace) -> int:
    """Compare, print, and return 0 for one person or 3 for two."""
    with open_pipeline(args, bundle=args.bundle) as pipeline:
        pick_threshold(pipeline.bundle, args.far)  # a wrong --far shows before the work
        photos = [analyze_photo(pipeline, path) for path in (args.first, args.second)]
        result = pipeline.compare(photos[0].faces[0], photos[1].faces[0], far=args.far)
    if args.save:
        save_image(args.save, _picture(photos, result))
    if args.json:
        print_json(_figures(photos, result))
    else:
        _print_text(photos, result)
    return 0 if result.same else 3


def _figures(photos: list[Photo], result: Verification) -> dict[str, Any]:
    return {
        "same": result.same,
        "score": round(result.score, 4),
        "threshold": round(result.threshold, 4),
        "photos": [
            {
                "path": photo.path,
                "faces_found": len(photo.faces),
                "face": face_figures(photo.faces[0]),
                "milliseconds": rounded(photo.milliseconds),
            }
            for photo in photos
        ],
    }


def _print_text(photos: list[Photo], result: Verification) -> None:
    verdict = "same person" if result.same else "different people"
    sign = ">=" if result.same else "<"
    print(f"{verdict}: cosine {result.score:.3f} {sign} threshold {result.threshold:.3f}")
    for photo in photos:
        others = f", largest of {len(photo.faces)} faces" if len(photo.faces) > 1 else ""
        print(f"  {photo.path}: {quality_text(photo.faces[0])}{others}")
        print(f"    {times_text(photo.milliseconds)}")


def _picture(photos: list[Photo], result: Verification) -> np.ndarray:
    colour = KNOWN if result.same else UNKNOWN
    sides = []
    for photo in photos:
        drawn = draw_faces(
            photo.image, photo.faces[:1], labels=[short_name(photo)], colours=[colour]
        )
        width = round(drawn.shape[1] * 600 / drawn.shape[0])
        sides.append(cv2.resize(drawn, (max(1, width), 600), interpolation=cv2.INTER_AREA))
    banner = np.full((56, sides[0].shape[1] + sides[1].shape[1], 3), colour, np.uint8)
    verdict = "same person" if result.same else "different people"
    text = f"{verdict}  {result.score:.3f} (threshold {result.threshold:.3f})"
    cv2.putText(banner, text, (16, 37), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2,
                cv2.LINE_AA)  # fmt: skip
    return np.vstack([np.hstack(sides), banner])
