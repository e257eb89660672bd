"""Pipeline: from a photo to its faces. The one object most users hold."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from edgeface.align import align
from edgeface.artefact import Artefact, choose_artefact
from edgeface.backends import Backend
from edgeface.board import Board
from edgeface.bundle import Bundle
from edgeface.configured import open_bundle, settings
from edgeface.detect import Detection, Detector
from edgeface.embed import Embedder
from edgeface.errors import NoFaceError
from edgeface.face import Analysis, Face, Verification
from edgeface.image import require_image
from edgeface.liveness import Liveness
from edgeface.model import open_stages
from edgeface.quality import Quality, assess
from edgeface.selftest import SelfTest, run_selftest


class Pipeline:
    """Detect, align, judge and embed with one bundle's models. Make it with `Pipeline.open`.

    Calls keep no state: one Pipeline may be used from several threads at once. `close` it when
    no call is running, or use it as a context manager.

    Attributes
    ----------
    bundle
        The open bundle: name, version, model id, thresholds, licences.
    artefact, variant, runtime
        The embedder's file that runs, how ("whole" or "split") and on what ("onnx", "tflite").
    selftest
        What the self-test measured when the pipeline was opened.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        detector: Backend,
        embedder: Backend,
        artefact: Artefact,
        liveness: Backend | None = None,
    ) -> None:
        self.bundle = bundle
        self.artefact = artefact
        self.variant, self.runtime = artefact.variant, artefact.runtime
        models = {"detector": detector, "embedder": embedder, "liveness": liveness}
        self.selftest: SelfTest = run_selftest(bundle, **models, artefact=artefact)
        self._backends = tuple(model for model in models.values() if model is not None)
        self._detector = Detector(bundle.stage("detector"), detector)
        self._embedder = Embedder(artefact, embedder)
        self._liveness = Liveness(bundle.stage("liveness"), liveness) if liveness else None

    @classmethod
    def open(
        cls,
        bundle: str | os.PathLike[str] | Bundle | None = None,
        *,
        threads: int | None = None,
        variant: str | None = None,
        runtime: str | None = None,
        public_key: str | os.PathLike[str] | None = None,
        liveness: bool = False,
    ) -> Pipeline:
        """Load a bundle's models and run its self-test.

        Parameters
        ----------
        bundle
            An ``.efb`` file or an open `Bundle`. None takes the file that the environment
            variable EDGEFACE_BUNDLE names, else the bundle shipped in the package.
        threads
            CPU threads of one inference, at least 1. None takes this machine's settings', else 1.
        variant
            "whole", "split", or None for the settings', else the bundle's choice. Their embeddings
            compare.
        runtime
            What runs the embedder: "onnx", "tflite", "rknn" or "nbg". None takes the settings',
            else the best that this board has and the bundle has a file for (`edgeface info` says
            which, and why). Their embeddings compare too. The detector runs on what the bundle
            has it for.
        public_key
            PEM file of the key that must have signed the bundle, or a folder of such. None takes
            EDGEFACE_PUBLIC_KEY's; without that no signature is asked for.
        liveness
            Open the passive liveness network too, for `live_score`.

        Raises
        ------
        ValueError
            No such variant or runtime.
        BundleError
            Missing, damaged or unsuitable bundle, one without this variant for this runtime, the
            signature or the liveness asked for, or a failed self-test.
        BackendError
            The inference runtime is missing or refused a model.
        BoardError
            This machine's settings or its board.toml are wrong.
        """
        bundle = open_bundle(bundle, public_key=public_key)
        wanted = settings().overridden(runtime=runtime, variant=variant, threads=threads)
        artefact = choose_artefact(
            bundle, variant=wanted.variant, runtime=wanted.runtime, board=Board.detect()
        )
        threads = 1 if wanted.threads is None else wanted.threads
        with ExitStack() as opened:
            wanted_stages = {"threads": threads, "liveness": liveness}
            models = open_stages(bundle, artefact, **wanted_stages, opened=opened)
            pipeline = cls(bundle, **models, artefact=artefact)
            opened.pop_all()  # all went well: the pipeline closes them
        return pipeline

    def analyze(self, image: np.ndarray) -> tuple[Face, ...]:
        """Find and embed every face.

        Parameters
        ----------
        image
            (height, width, 3) uint8 BGR, from `edgeface.read_image` or a camera.

        Returns
        -------
        tuple of Face
            Largest face first; empty when there is none.

        Raises
        ------
        TypeError, ValueError
            Not such an image.
        InferenceError
            A model's run failed, or gave NaN.
        """
        return self.analyze_timed(image).faces

    def analyze_timed(self, image: np.ndarray) -> Analysis:
        """Do what `analyze` does, and say how long each stage took."""
        image = require_image(image)
        spent: dict[str, float] = {}
        with _stopwatch(spent, "detect"):
            detections = sorted(self._detector.detect(image), key=_area, reverse=True)
        with _stopwatch(spent, "align"):
            crops = [align(image, found.landmarks) for found in detections]
            qualities = [
                assess(
                    image,
                    landmarks=found.landmarks,
                    crop=crop,
                    limits=self.bundle.manifest["quality"],
                )
                for found, crop in zip(detections, crops)
            ]
        with _stopwatch(spent, "embed"):
            embeddings = self._embedder.embed_batch(np.stack(crops)) if crops else ()
        faces = map(_face, detections, qualities, embeddings)
        return Analysis(tuple(faces), spent)

    def largest_face(self, image: np.ndarray, *, name: str = "the image") -> Face:
        """Return the largest face.

        Parameters
        ----------
        image
            (height, width, 3) uint8 BGR.
        name
            What the error text calls the image.

        Raises
        ------
        NoFaceError
            There is none.
        TypeError, ValueError, InferenceError
            As `analyze`.
        """
        faces = self.analyze(image)
        if not faces:
            height, width = image.shape[:2]
            raise NoFaceError(
                f"no face found in {name} ({width}x{height} pixels); use a photo with one "
                "upright face, lit from the front and large enough"
            )
        return faces[0]

    def embedding(self, image: np.ndarray) -> np.ndarray:
        """Return the largest face's embedding, (512,) float32 of length 1.

        Raises
        ------
        NoFaceError, TypeError, ValueError, InferenceError
            As `largest_face`.
        """
        return self.largest_face(image).embedding

    def embed_aligned(self, crop: np.ndarray) -> np.ndarray:
        """Return the embedding of a face that `edgeface.align.align` has cut already.

        `crop` is (112, 112, 3) uint8 BGR, else TypeError or ValueError; InferenceError as above.
        """
        return self._embedder.embed(crop)

    def verify(
        self, first: np.ndarray, second: np.ndarray, *, far: float | None = None
    ) -> Verification:
        """Say whether the largest faces of two photos are one person's.

        Parameters
        ----------
        first, second
            (height, width, 3) uint8 BGR.
        far
            False accept rate that picks the threshold, one of the bundle's; None for its
            default.

        Raises
        ------
        NoFaceError
            One of them has no face; the text says which.
        TypeError, ValueError, InferenceError
            As `analyze`; ValueError also for a rate that the bundle does not list.
        """
        require_image(second, name="second image")
        return self.compare(
            self.largest_face(first, name="the first image"),
            self.largest_face(second, name="the second image"),
            far=far,
        )

    def compare(self, first: Face, second: Face, *, far: float | None = None) -> Verification:
        """Say whether two faces are one person's, at the bundle's threshold for `far`."""
        threshold = self.bundle.threshold(far)
        score = float(first.embedding @ second.embedding)
        return Verification(score >= threshold, score, threshold)

    def live_score(self, image: np.ndarray, face: Face) -> float:
        """Return how live a face looks, 0 to 1: weak evidence, as it comes from one RGB frame.

        Parameters
        ----------
        image
            (height, width, 3) uint8 BGR: the whole photo in which `face` was found.
        face
            From `analyze` of the same photo.

        Raises
        ------
        TypeError, ValueError
            Not such an image, the face lies outside it, or this was opened without liveness.
        InferenceError
            The model's run failed, or gave NaN.
        """
        return self._opened_liveness().score(image, box=face.box, landmarks=face.landmarks)

    @property
    def live_threshold(self) -> float:
        """The bundle's least score of a live face; ValueError when opened without liveness."""
        return self._opened_liveness().threshold

    def _opened_liveness(self) -> Liveness:
        if self._liveness is None:
            raise ValueError(
                "this pipeline was opened without liveness; open it with "
                "Pipeline.open(..., liveness=True)"
            )
        return self._liveness

    def close(self) -> None:
        """Free the models; a later call raises InferenceError."""
        for backend in self._backends:
            backend.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _area(detection: Detection) -> float:
    return detection.box[2] * detection.box[3]


def _face(detection: Detection, quality: Quality, embedding: np.ndarray) -> Face:
    return Face(detection.box, detection.score, detection.landmarks, quality, embedding)


@contextmanager
def _stopwatch(spent: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    spent[stage] = (time.perf_counter() - start) * 1000
