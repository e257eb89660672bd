"""``edgeface demo``: see it work, without camera or network."""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeface.cli_demo_scene import HEIGHT, WIDTH, View, compose, head
from edgeface.cli_open import open_pipeline
from edgeface.cli_output import print_json, print_rows, rounded, save_image
from edgeface.draw import KNOWN, UNKNOWN, draw_faces
from edgeface.errors import ImageError
from edgeface.face import Analysis, Face
from edgeface.gallery import Gallery, Identification
from edgeface.image import read_image
from edgeface.pipeline import Pipeline

_EPILOG = """\
Enrols one person from a portrait, makes a picture with new views of her and of a stranger, finds
every face and says who it is. Both portraits are in the public domain and come inside packages:
pip install 'edgeface[demo]'

exit codes: 0 every answer was right, 3 one was wrong, 1 error (portraits not installed)
"""

_COLLINS, _HOPPER = "Eileen Collins", "Grace Hopper"

# Person: (package, file inside it, origin). Both portraits are works of the US government.
_PORTRAITS = {
    _COLLINS: ("skimage", "data/astronaut.png", "NASA, in scikit-image"),
    _HOPPER: ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "US Navy, in matplotlib"),
}

_VIEWS = (
    View(_COLLINS, "turned 12 degrees", (225, 205), 330, angle=12),
    View(_HOPPER, "turned 9 degrees", (640, 205), 330, angle=-9),
    View(_COLLINS, "mirrored, dark", (1055, 205), 330, angle=-6, mirrored=True, light=0.45),
    View(_COLLINS, "noisy, turned", (230, 590), 310, angle=-11, noise=12),
    View(_COLLINS, "small, blurred", (600, 600), 250, angle=5, blur=1.8),
    View(_HOPPER, "mirrored, small", (1010, 590), 270, angle=8, mirrored=True),
)


@dataclass(frozen=True, eq=False)
class _Answer:
    """What was said about one print; `face` and `result` are None where no face was found."""

    view: View
    face: Face | None
    result: Identification | None

    @property
    def right(self) -> bool:
        expected = self.view.person if self.view.person == _COLLINS else None
        return self.result is not None and self.result.identity == expected


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--save",
        metavar="FILE",
        default="edgeface-demo.png",
        help="where the picture goes (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Enrol, compose, find, identify, print and save; return 0 if every answer was right."""
    paths = {person: _portrait_path(person) for person in _PORTRAITS}
    start = time.perf_counter()
    portraits = {person: read_image(path) for person, path in paths.items()}
    spent = {"decode": (time.perf_counter() - start) * 1000}
    with open_pipeline(args, bundle=args.bundle) as pipeline:
        enrolled = {p: pipeline.largest_face(image, name=p) for p, image in portraits.items()}
        heads = {p: head(image, enrolled[p].box) for p, image in portraits.items()}
        scene = compose(heads, _VIEWS)
        analysis = pipeline.analyze_timed(scene)
        answers, match = _answers(pipeline, enrolled[_COLLINS], analysis)
    spent.update(analysis.milliseconds, match=match)
    save_image(args.save, _picture(scene, answers))
    if args.json:
        print_json(_figures(paths, answers, spent, args))
    else:
        _print_text(paths, answers, spent, args)
    return 0 if all(answer.right for answer in answers) else 3


def _portrait_path(person: str) -> Path:
    package, file, _ = _PORTRAITS[person]
    found = importlib.util.find_spec(package)  # locates the package, imports nothing
    folders = (found and found.submodule_search_locations) or ()
    for folder in folders:
        if (Path(folder) / file).is_file():
            return Path(folder) / file
    raise ImageError(
        f"the portrait of {person} is not here: it comes inside {package}; "
        "run: pip install 'edgeface[demo]'"
    )


def _answers(pipeline: Pipeline, enrolled: Face, analysis: Analysis) -> tuple[list[_Answer], float]:
    """Enrol one face in a gallery of its own; say who is on each print, and in how many ms."""
    with tempfile.TemporaryDirectory() as folder:
        with Gallery.open(
            Path(folder) / "gallery.db",
            model_id=pipeline.bundle.model_id,
            dim=len(enrolled.embedding),
        ) as gallery:
            gallery.enroll(_COLLINS, enrolled.embedding[None])
            start = time.perf_counter()
            answers = [_answer(view, pipeline, gallery, analysis) for view in _VIEWS]
            return answers, (time.perf_counter() - start) * 1000


def _answer(view: View, pipeline: Pipeline, gallery: Gallery, analysis: Analysis) -> _Answer:
    face = _face_on(view, analysis.faces)
    if face is None:
        return _Answer(view, None, None)
    bundle = pipeline.bundle
    margin = bundle.manifest["thresholds"]["margin"]
    result = gallery.identify(face.embedding, threshold=bundle.threshold(), margin=margin)
    return _Answer(view, face, result)


def _face_on(view: View, faces: Sequence[Face]) -> Face | None:
    """Return the face whose middle lies on a view's print."""
    for face in faces:
        middle = face.landmarks.mean(axis=0)
        if np.linalg.norm(middle - view.centre) < view.side / 2:
            return face
    return None


def _label(answer: _Answer) -> str:
    return f"{answer.result.identity or 'unknown'} {answer.result.score:.2f}"


def _picture(scene: np.ndarray, answers: Sequence[_Answer]) -> np.ndarray:
    found = [answer for answer in answers if answer.face is not None]
    drawn = draw_faces(
        scene,
        [answer.face for answer in found],
        labels=[_label(answer) for answer in found],
        colours=[KNOWN if answer.result.identity else UNKNOWN for answer in found],
    )
    text = "edgeface demo: Eileen Collins is enrolled, Grace Hopper is not"
    credit = "portraits: NASA and US Navy, public domain"
    for line, y, scale in ((text, HEIGHT - 34, 0.62), (credit, HEIGHT - 12, 0.45)):
        size, _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        place = ((WIDTH - size[0]) // 2, y)
        cv2.putText(drawn, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (235, 235, 235), 1,
                    cv2.LINE_AA)  # fmt: skip
    return drawn


def _figures(
    paths: dict[str, Path],
    answers: Sequence[_Answer],
    spent: dict[str, float],
    args: argparse.Namespace,
) -> dict[str, Any]:
    return {
        "portraits": {person: str(path) for person, path in paths.items()},
        "answers": [
            {
                "person": answer.view.person,
                "view": answer.view.description,
                "found": answer.face is not None,
                "identity": answer.result and answer.result.identity,
                "score": answer.result and round(float(answer.result.score), 4),
                "right": answer.right,
            }
            for answer in answers
        ],
        "milliseconds": rounded(spent),
        "picture": str(args.save),
    }


def _print_text(
    paths: dict[str, Path],
    answers: Sequence[_Answer],
    spent: dict[str, float],
    args: argparse.Namespace,
) -> None:
    print("Portraits (public domain; no network, no camera):")
    print_rows([(p, _PORTRAITS[p][2], str(path)) for p, path in paths.items()])
    print(f"\nEnrolled: {_COLLINS}. Not enrolled: {_HOPPER}.")
    print(f"\nA picture with {len(answers)} new views of them:")
    print_rows([("view", "", "answer", "cosine", ""), *map(_row, answers)])
    faces = sum(answer.face is not None for answer in answers)
    print(f"\nMilliseconds for that picture ({WIDTH}x{HEIGHT}, {faces} faces):")
    print_rows([tuple(spent), tuple(f"{value:.1f}" for value in spent.values())])
    right = sum(answer.right for answer in answers)
    print(f"\n{right} of {len(answers)} answers are right. Look at {args.save}")


def _row(answer: _Answer) -> tuple[str, ...]:
    view = (answer.view.person, answer.view.description)
    if answer.result is None:
        return (*view, "no face found", "", "wrong")
    verdict = "right" if answer.right else "wrong"
    return (*view, answer.result.identity or "unknown", f"{answer.result.score:.3f}", verdict)
