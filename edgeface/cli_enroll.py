"""``edgeface enroll``: add a person to the gallery."""

from __future__ import annotations

import argparse

import numpy as np

from edgeface.cli_open import open_pipeline
from edgeface.cli_output import UsageError, first_names, print_json, progress, quality_text
from edgeface.cli_person import add_person_arguments, person_changes
from edgeface.cli_photo import Photo, analyze_photo
from edgeface.cli_store import add_gallery_argument, gallery_path, open_gallery, valid_name
from edgeface.errors import EdgeFaceError
from edgeface.face import Face
from edgeface.gallery import Gallery
from edgeface.pipeline import Pipeline

_EPILOG = """\
Every photo must show one face of good quality, or nothing at all is enrolled; small faces in the
background (under a quarter of the largest one's area) do not count. Give two to five
photos that differ in light and pose. Enrolling a known name adds photos to that person.

examples:
  edgeface enroll "Ada Lovelace" ada1.jpg ada2.jpg
  edgeface enroll Grace group.jpg --largest

exit codes: 0 enrolled, 1 refused (the text says which photo and why), 2 wrong usage
"""


RIVAL_AREA = 0.25
"""A face of at least this share of the largest one's area could be the person meant as well."""


class EnrolmentRefusedError(EdgeFaceError):
    """A photo is not fit to be enrolled; nothing was."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("name", metavar="NAME", type=valid_name, help="the person's name")
    parser.add_argument("photos", metavar="PHOTO", nargs="+", help="photos of that person")
    parser.add_argument(
        "--largest", action="store_true", help="take the largest face where there are several"
    )
    parser.add_argument("--force", action="store_true", help="accept faces of bad quality")
    add_person_arguments(parser)
    add_gallery_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Check every photo, enrol all in one transaction, and return 0."""
    with open_pipeline(args, bundle=args.bundle) as pipeline:
        with open_gallery(args, pipeline.bundle, create=True) as gallery:
            photos = [
                _fit_photo(analyze_photo(pipeline, path), args)
                for path in progress(args.photos, label="photo")
            ]
            embeddings = np.stack([photo.faces[0].embedding for photo in photos])
            warnings = _warnings(pipeline, gallery, args.name, photos, embeddings)
            try:
                gallery.enroll(args.name, embeddings, **person_changes(args))
            except ValueError as error:  # the embeddings are ours: an option's value
                raise UsageError(error) from error
            people = len(gallery)
    _report(args, photos, warnings, people)
    return 0


def _fit_photo(photo: Photo, args: argparse.Namespace) -> Photo:
    prominent = sum(_area(face) >= RIVAL_AREA * _area(photo.faces[0]) for face in photo.faces)
    if prominent > 1 and not args.largest:
        raise EnrolmentRefusedError(
            f"{photo.path}: {prominent} faces found, expected one; crop the photo, or take "
            "the largest face with --largest. Nothing was enrolled"
        )
    face = photo.faces[0]
    if not face.quality.ok and not args.force:
        raise EnrolmentRefusedError(
            f"{photo.path}: face not fit for enrolment ({quality_text(face)}); take a better "
            "photo, or insist with --force. Nothing was enrolled"
        )
    return photo


def _area(face: Face) -> float:
    return face.box[2] * face.box[3]


def _warnings(
    pipeline: Pipeline, gallery: Gallery, name: str, photos: list[Photo], embeddings: np.ndarray
) -> list[str]:
    """Say what looks like a mix-up: unlike photos, or a face enrolled under another name."""
    threshold = pipeline.bundle.threshold()
    found = []
    for photo, embedding in zip(photos, embeddings):
        score = float(embedding @ embeddings[0])
        if score < threshold:
            found.append(f"{photo.path} does not look like {photos[0].path} (cosine {score:.2f})")
        match = gallery.identify(embedding, threshold=threshold, margin=0.0, expired=True)
        if match.identity is not None and match.identity != name:
            found.append(
                f"{photo.path} looks like {match.identity!r}, who is enrolled already "
                f"(cosine {match.score:.2f})"
            )
    return found


def _report(
    args: argparse.Namespace, photos: list[Photo], warnings: list[str], people: int
) -> None:
    if args.json:
        print_json(
            {
                "name": args.name,
                "templates_added": len(photos),
                "people": people,
                "gallery": str(gallery_path(args)),
                "warnings": warnings,
            }
        )
        return
    names = first_names(photo.path for photo in photos)
    print(f"enrolled {args.name}: {len(photos)} photo(s): {names}")
    for text in warnings:
        print(f"  warning: {text}; if that is wrong: edgeface gallery remove {args.name!r}")
