"""Measure a detector: recall and landmark error against the teacher, false alarms, time.

What is measured here is the runtime's own `edgeface.detect.Detector`, so that the numbers are those
of what ships.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from edgeface.backends.onnx import OnnxBackend
from edgeface.detect import Detection, Detector
from export import detector_canvas
from export.detector_data import read_labels, read_tar_images
from export.detector_labels import better_label, overlap

MATCH_IOU = 0.5
TEACHER_SCORE = 0.6
FACELESS_SEED = 77


@dataclass(frozen=True)
class Report:
    """What one set of photos says about a detector.

    Attributes
    ----------
    photos, labelled : photos measured, and those in which the teacher has a face.
    found_any : share of all photos with at least one detection.
    found_main : share of labelled photos whose main face a detection overlaps by IoU 0.5.
    landmarks_within_5 : share of labelled photos, misses counted as failures, whose mean distance
        over the five points is at most 5 % of the teacher's inter-eye distance.
    landmark_error_mean, landmark_error_median : of that ratio over the main faces found.
    extra_per_photo : detections per photo that overlap no teacher face by IoU 0.3.
    """

    photos: int
    labelled: int
    found_any: float
    found_main: float
    landmarks_within_5: float
    landmark_error_mean: float
    landmark_error_median: float
    extra_per_photo: float


class Teacher:
    """YuNet through OpenCV; its faces as rows (14,) of box and landmarks."""

    def __init__(self, path, *, score_threshold: float = TEACHER_SCORE):
        self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), score_threshold, 0.3)

    def detect(self, image: np.ndarray) -> np.ndarray:
        """(N, 14) float32 in image pixels, at the image's own size."""
        self._net.setInputSize((image.shape[1], image.shape[0]))
        faces = self._net.detect(image)[1]
        return np.empty((0, 14), np.float32) if faces is None else faces[:, :14]


def main_face(faces: np.ndarray) -> np.ndarray:
    """The largest of (N, 14) faces."""
    return faces[np.argmax(faces[:, 2] * faces[:, 3])]


def landmark_error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of five points (5, 2) over the distance of the true eyes."""
    eyes = np.linalg.norm(truth[0] - truth[1])
    return float(np.linalg.norm(found - truth, axis=1).mean() / max(eyes, 1e-6))


class SingleRun:
    """The teacher with a detector's face, to measure one run of it against its own median."""

    def __init__(self, teacher: Teacher):
        self._teacher = teacher

    def detect(self, image: np.ndarray) -> tuple[Detection, ...]:
        rows = self._teacher.detect(image)
        return tuple(Detection(tuple(row[:4]), 1.0, row[4:].reshape(5, 2)) for row in rows)


def measure(detector, photos) -> Report:
    """Measure on (image, main teacher face (14,) or None, all teacher faces (N, 14)) triples."""
    counts = {"photos": 0, "labelled": 0, "any": 0, "main": 0, "extra": 0}
    errors = []
    for image, truth, others in photos:
        faces = detector.detect(image)
        counts["photos"] += 1
        counts["any"] += bool(faces)
        counts["extra"] += sum(all(overlap(f.box, o[:4]) < 0.3 for o in others) for f in faces)
        if truth is None:
            continue
        counts["labelled"] += 1
        best = max(faces, key=lambda face: overlap(face.box, truth[:4]), default=None)
        if best is not None and overlap(best.box, truth[:4]) >= MATCH_IOU:
            counts["main"] += 1
            errors.append(landmark_error(best.landmarks, truth[4:].reshape(5, 2)))
    return _summary(counts, np.array(errors))


def _summary(counts: dict, errors: np.ndarray) -> Report:
    photos, labelled = max(counts["photos"], 1), max(counts["labelled"], 1)
    return Report(
        photos=counts["photos"],
        labelled=counts["labelled"],
        found_any=counts["any"] / photos,
        found_main=counts["main"] / labelled,
        landmarks_within_5=float((errors <= 0.05).sum()) / labelled,
        landmark_error_mean=float(errors.mean()) if len(errors) else float("nan"),
        landmark_error_median=float(np.median(errors)) if len(errors) else float("nan"),
        extra_per_photo=counts["extra"] / photos,
    )


def with_median_truth(photos: list, teacher_path, *, views: int) -> list:
    """The same triples with the teacher's median over several views as the truth."""
    teacher = cv2.FaceDetectorYN.create(str(teacher_path), "", (64, 64), 0.5, 0.3)
    return [
        (
            image,
            truth
            if truth is None
            else better_label(teacher, image, truth, views=views, seed=number),
            others,
        )
        for number, (image, truth, others) in enumerate(photos)
    ]


def labelled_photos(archive, *, labels, teacher: Teacher, limit: int | None) -> list:
    """Triples for `measure`: the main face from the CSV, or from the teacher without one."""
    known = read_labels(labels) if labels else {}
    triples = []
    for name, image in read_tar_images(archive):
        if labels and name not in known:
            continue
        faces = teacher.detect(image)
        truth = known.get(name)
        if truth is None and len(faces):
            truth = main_face(faces)
        others = faces if truth is None else np.vstack([faces, truth[None]])
        triples.append((image, truth, others))
        if len(triples) == limit:
            break
    return triples


def faceless_images(count: int, *, height: int = 240, width: int = 320) -> list:
    """Generated pictures without a face, of a seed that training does not use."""
    rng = np.random.default_rng(FACELESS_SEED)
    return [
        detector_canvas.degrade(
            detector_canvas.generated_background(rng, height=height, width=width), rng
        )
        for _ in range(count)
    ]


def time_beside(detector: Detector, teacher: Teacher, image: np.ndarray, *, runs: int) -> dict:
    """Median milliseconds per photo of both, taking turns in one process on one thread."""
    spent = {"detector_ms": [], "teacher_ms": []}
    for _ in range(runs + 3):
        for name, one in (("detector_ms", detector), ("teacher_ms", teacher)):
            start = time.perf_counter()
            one.detect(image)
            spent[name].append((time.perf_counter() - start) * 1e3)
    medians = {name: float(np.median(values[3:])) for name, values in spent.items()}
    medians["detector_best_ms"] = min(spent["detector_ms"])
    medians["teacher_best_ms"] = min(spent["teacher_ms"])
    return {**medians, "ratio": medians["detector_ms"] / medians["teacher_ms"]}


def frame_of(image: np.ndarray, *, height: int = 240, width: int = 320) -> np.ndarray:
    """A photo fitted into a 320x240 frame on grey."""
    scale = min(height / image.shape[0], width / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((height, width, 3), 127, np.uint8)
    frame[: small.shape[0], : small.shape[1]] = small
    return frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``PYTHONPATH=. python tests/bench_detector.py``."""
    parser.add_argument("--model", required=True, help="detector ONNX file")
    parser.add_argument("--stage", required=True, help="stage.json beside it")
    parser.add_argument("--teacher", required=True, help="YuNet ONNX file")
    parser.add_argument("--photos", required=True, help="tar of photos")
    parser.add_argument("--labels", help="CSV of main faces; without it the teacher labels")
    parser.add_argument(
        "--views",
        type=int,
        default=0,
        help="measure also against the teacher's median over so many views, and the teacher itself",
    )
    parser.add_argument("--limit", type=int, help="photos at most")
    parser.add_argument("--thresholds", type=float, nargs="*", help="instead of the stage's")
    parser.add_argument("--faceless", type=int, default=200, help="generated pictures")
    parser.add_argument("--runs", type=int, default=100, help="timed runs; 0: none")
    parser.add_argument("--json", help="write the numbers here too")


def run(args: argparse.Namespace) -> int:
    """Print, and optionally write, one report per threshold and the times."""
    cv2.setNumThreads(1)
    stage = json.loads(Path(args.stage).read_text())
    teacher = Teacher(args.teacher)
    photos = labelled_photos(args.photos, labels=args.labels, teacher=teacher, limit=args.limit)
    empty = faceless_images(args.faceless)
    median_truth = args.views and with_median_truth(photos, args.teacher, views=args.views)
    results = {"model": Path(args.model).name, "photos": Path(args.photos).name, "thresholds": []}
    with OnnxBackend(Path(args.model).read_bytes(), threads=1, name="detector") as backend:
        for threshold in args.thresholds or [stage["score_threshold"]]:
            detector = Detector({**stage, "score_threshold": threshold}, backend)
            row = {
                "threshold": threshold,
                **asdict(measure(detector, photos)),
                "faceless": len(empty),
                "faceless_alarms": sum(bool(detector.detect(image)) for image in empty),
            }
            results["thresholds"].append(row)
            print(json.dumps({k: _short(v) for k, v in row.items()}), flush=True)
            if median_truth:
                row = {"against": "median", **asdict(measure(detector, median_truth))}
                results["thresholds"].append(row)
                print(json.dumps({k: _short(v) for k, v in row.items()}), flush=True)
        if args.runs:
            results["time_320x240"] = time_beside(
                detector, teacher, frame_of(photos[0][0]), runs=args.runs
            )
            print(json.dumps({k: _short(v) for k, v in results["time_320x240"].items()}))
    if median_truth:
        results["teacher_itself"] = asdict(measure(SingleRun(teacher), median_truth))
        print("teacher, one run:", {k: _short(v) for k, v in results["teacher_itself"].items()})
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def _short(value):
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(_parser)
    raise SystemExit(run(_parser.parse_args()))
