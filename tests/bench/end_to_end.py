"""From a photo to a name, by edgeface and by its peers, as contenders.

``build`` makes a recogniser; ``search`` takes (it, photo (H, W, 3) uint8 BGR) and returns the box
(x, y, width, height) and the embedding of the largest face, or None where it finds no face.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import cv2
import numpy as np
import onnxruntime

from edgeface.align import align
from edgeface.pipeline import Pipeline
from tests.bench.contender import Contender
from tests.bench.machine import installed

Found = tuple[np.ndarray, np.ndarray]
SIZE = 112
MEAN, STD = np.float32((123.675, 116.28, 103.53)), np.float32((58.395, 57.12, 57.375))  # ImageNet
SCORE = 0.7
OUR_SIDE = 320  # the longer side at which our detector works
NOTES = {
    "edgeface": "Apache-2.0; our weights, INT8; its detector works at a longer side of 320 pixels "
    "and enlarges smaller photos",
    "facenet-pytorch": "MIT; MTCNN with the weights in its wheel, Inception-ResNet v1 with random "
    "ones (its own are a download): its names mean nothing here, its time does. Two functions of "
    "torchvision are ours (`tests/bench/torchvision_stub.py`): it does not load beside this torch",
    "YuNet": "Apache-2.0; OpenCV's cv2.FaceDetectorYN at the photo's size, as it is usually called "
    "and once at ours; teacher weights of ../shared/data",
    "MobileFaceNet": "Apache-2.0; teacher weights of ../shared/data, float32",
    "insightface": "MIT; only its recognition code runs, on MobileFaceNet after YuNet: the weights "
    "of its detectors are a download",
    "uniface": "MIT; as insightface",
}


@dataclass(frozen=True)
class Teachers:
    """The peers' networks in the data folder."""

    detector: Path
    embedder: Path


def ours(threads: int) -> list[Contender]:
    """The default bundle on every runtime and variant that it has here."""

    def contender(runtime: str, variant: str, package: str) -> list[Contender]:
        if installed(package) is None:
            return []
        name = f"edgeface {runtime} {variant}"

        def build(_: Teachers | None) -> Pipeline:
            return Pipeline.open(threads=threads, runtime=runtime, variant=variant)

        return [Contender(name, "", build, _ours, ours=True)]

    return [
        *contender("onnx", "whole", "onnxruntime"),
        *contender("onnx", "split", "onnxruntime"),
        *contender("tflite", "split", "ai-edge-litert"),
    ]


def peers(threads: int, teachers: Teachers | None) -> list[Contender]:
    """Every peer that can run: YuNet and MobileFaceNet need the data folder's teachers."""
    found = []
    if installed("facenet-pytorch"):
        found.append(Contender("facenet-pytorch MTCNN + Inception-ResNet v1", "", _facenet, _named))
    if teachers is None:
        return found
    embedders: dict[str, Callable[[Path, int], Callable]] = {
        "MobileFaceNet onnxruntime": _onnx_embedder,
        "MobileFaceNet cv2.dnn": _dnn_embedder,
    }
    if installed("insightface"):
        embedders["insightface ArcFaceONNX"] = _insightface_embedder
    if installed("uniface"):
        embedders["uniface MobileFace"] = _uniface_embedder

    def contender(name: str, longest: int | None = None) -> Contender:
        def build(nets: Teachers) -> Callable[[np.ndarray], Found | None]:
            embed = embedders[name](nets.embedder, threads)
            return _after_yunet(nets.detector, embed, longest=longest)

        at = f" at {longest} pixels" if longest else ""
        return Contender(f"YuNet{at} + {name}", "", build, _named)

    first = next(iter(embedders))
    return [*found, contender(first, longest=OUR_SIDE), *(contender(name) for name in embedders)]


def _ours(pipeline: Pipeline, photo: np.ndarray) -> Found | None:
    faces = pipeline.analyze(photo)
    return (np.float32(faces[0].box), faces[0].embedding) if faces else None


def _named(recognise: Callable[[np.ndarray], Found | None], photo: np.ndarray) -> Found | None:
    return recognise(photo)


def _facenet(_: Teachers | None) -> Callable[[np.ndarray], Found | None]:
    import torch

    from tests.bench import torchvision_stub

    torchvision_stub.install()
    from facenet_pytorch import MTCNN, InceptionResnetV1

    detector = MTCNN(select_largest=True)
    torch.manual_seed(0)
    network = InceptionResnetV1(pretrained=None).eval()

    def recognise(photo: np.ndarray) -> Found | None:
        rgb = cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)
        with torch.inference_mode():
            boxes, _ = detector.detect(rgb)
            if boxes is None:
                return None
            crop = detector.extract(rgb, boxes[:1], None)
            x1, y1, x2, y2 = boxes[0]
            return np.float32((x1, y1, x2 - x1, y2 - y1)), network(crop[None])[0].numpy()

    return recognise


def _after_yunet(
    detector: Path, embed: Callable, *, longest: int | None
) -> Callable[[np.ndarray], Found | None]:
    """`embed` takes (photo, landmarks (5, 2)) of the largest face that YuNet finds.

    Photos whose longer side is more than `longest` are made that small for YuNet.
    """
    yunet = cv2.FaceDetectorYN.create(str(detector), "", (320, 320), SCORE)

    def recognise(photo: np.ndarray) -> Found | None:
        scale = min(1.0, (longest or max(photo.shape)) / max(photo.shape))
        seen = photo if scale == 1 else cv2.resize(photo, None, fx=scale, fy=scale)
        yunet.setInputSize(seen.shape[1::-1])
        faces = yunet.detect(seen)[1]
        if faces is None:
            return None
        face = max(faces, key=lambda row: row[2] * row[3])[:14] / scale
        return face[:4], embed(photo, face[4:14].reshape(5, 2))

    return recognise


def _session(model: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _blob(photo: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    rgb = align(photo, landmarks)[..., ::-1].astype(np.float32)
    return np.ascontiguousarray(((rgb - MEAN) / STD).transpose(2, 0, 1)[None])


def _onnx_embedder(model: Path, threads: int) -> Callable:
    session = _session(model, threads)
    name = session.get_inputs()[0].name
    return lambda photo, points: session.run(None, {name: _blob(photo, points)})[0][0]


def _dnn_embedder(model: Path, _: int) -> Callable:
    network = cv2.dnn.readNetFromONNX(str(model))

    def embed(photo: np.ndarray, points: np.ndarray) -> np.ndarray:
        network.setInput(_blob(photo, points))
        return network.forward()[0]

    return embed


def _insightface_embedder(model: Path, threads: int) -> Callable:
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    network = ArcFaceONNX(str(model), session=_session(model, threads))
    return lambda photo, points: network.get(photo, SimpleNamespace(kps=points))


def _uniface_embedder(model: Path, threads: int) -> Callable:
    from tests.bench import torchvision_stub

    torchvision_stub.install()  # its __init__ imports all that it has
    from uniface.recognition import MobileFace
    from uniface.recognition.base import BaseRecognizer, PreprocessConfig

    network = MobileFace.__new__(MobileFace)  # its own __init__ downloads
    BaseRecognizer.__init__(
        network,
        model_path=str(model),
        preprocessing=PreprocessConfig(),
        providers=["CPUExecutionProvider"],
    )
    network.session = _session(model, threads)  # its own takes every core
    return network.get_normalized_embedding
