"""Better labels for the detector: the teacher's median over several views of every photo.

YuNet's landmarks jitter. Run on a CelebA photo at two sizes its points differ by 7 % of the
inter-eye distance (median), and on FairFace's tight 224x224 crops, where the face is 180 pixels,
they differ by 9 % from those that it gives at 85 pixels. A network trained on single runs stops at
that noise, so each photo is shown to the teacher at several sizes, places and mirrored.
"""

from __future__ import annotations

import argparse
import csv

import cv2
import numpy as np

from export.detector_data import FLIPPED_ORDER, read_labels, read_tar_images

FACE_SIZES = (56.0, 112.0)
MARGIN = 24
LEAST_VIEWS = 3
TEACHER_SCORE = 0.5
MATCH_IOU = 0.4


def overlap(a, b) -> float:
    """IoU of two boxes x, y, w, h."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    shared = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    inter = float(np.prod(np.maximum(shared, 0)))
    return inter / max(float(np.prod(a[2:]) + np.prod(b[2:])) - inter, 1e-9)


def view(image: np.ndarray, label: np.ndarray, rng: np.random.Generator, *, flip: bool):
    """A shrunk, shifted, perhaps mirrored copy with replicated margins; also its (2, 3) matrix."""
    low, high = np.log(FACE_SIZES)
    scale = float(np.exp(rng.uniform(low, high)) / np.sqrt(label[2] * label[3]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ratio = np.array(small.shape[1::-1]) / np.array(image.shape[1::-1])
    left, top = (int(v) for v in rng.integers(MARGIN // 2, MARGIN * 2, 2))
    padded = cv2.copyMakeBorder(small, top, MARGIN, left, MARGIN, cv2.BORDER_REPLICATE)
    matrix = np.hstack([np.diag(ratio), ((ratio - 1) / 2 + [left, top])[:, None]])
    if flip:
        matrix[0] *= -1
        matrix[0, 2] += padded.shape[1] - 1
        padded = np.ascontiguousarray(padded[:, ::-1])
    return padded, matrix


def seen_in(faces: np.ndarray, label: np.ndarray, matrix: np.ndarray):
    """The teacher's face (14,) that fits the label, in the photo's own pixels, or None."""
    inverse = np.linalg.inv(matrix[:, :2])
    for face in faces:
        corners = np.array([face[:2], face[:2] + face[2:4]]) - matrix[:, 2]
        corners = np.sort(corners @ inverse.T, axis=0)
        box = np.concatenate([corners[0], corners[1] - corners[0]])
        if overlap(box, label[:4]) >= MATCH_IOU:
            points = (face[4:14].reshape(5, 2) - matrix[:, 2]) @ inverse.T
            points = points[list(FLIPPED_ORDER)] if matrix[0, 0] < 0 else points
            return np.concatenate([box, points.ravel()])
    return None


def better_label(teacher, image: np.ndarray, label: np.ndarray, *, views: int, seed: int):
    """Median (14,) over the views in which the teacher sees the face, or the label as it was."""
    rng = np.random.default_rng(seed)
    seen = []
    for number in range(views):
        shown, matrix = view(image, label, rng, flip=number % 2 == 1)
        teacher.setInputSize((shown.shape[1], shown.shape[0]))
        faces = teacher.detect(shown)[1]
        if faces is not None:
            seen.append(seen_in(faces, label, matrix))
    seen = [face for face in seen if face is not None]
    return np.median(seen, axis=0) if len(seen) >= LEAST_VIEWS else label


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m export.detector_labels``."""
    parser.add_argument("--data", required=True, help="folder with scenes.tar and scenes.csv")
    parser.add_argument("--teacher", required=True, help="YuNet ONNX file")
    parser.add_argument("--output", required=True, help="CSV to write, columns as in scenes.csv")
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("I", "N"))


def run(args: argparse.Namespace) -> int:
    """Write the better labels, with progress; ``--part`` shares the work between processes."""
    cv2.setNumThreads(1)
    labels = read_labels(f"{args.data}/scenes.csv")
    teacher = cv2.FaceDetectorYN.create(args.teacher, "", (64, 64), TEACHER_SCORE, 0.3)
    with open(args.output, "w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", "x", "y", "w", "h", *(f"{p}_{c}" for p in range(5) for c in "xy")])
        for number, (name, image) in enumerate(read_tar_images(f"{args.data}/scenes.tar")):
            if number % args.part[1] != args.part[0]:
                continue
            label = better_label(teacher, image, labels[name], views=args.views, seed=number)
            rows.writerow([name, *(f"{value:.2f}" for value in label)])
            if number % 500 < args.part[1]:
                print(f"{number} photos", flush=True)
    return 0


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(_parser)
    raise SystemExit(run(_parser.parse_args()))
