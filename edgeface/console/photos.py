"""Photos that come in a request: in memory only, looked at, and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from anyio import to_thread
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from edgeface.console.answers import Refused
from edgeface.errors import ImageError
from edgeface.face import Face
from edgeface.image import decode_image
from edgeface.pipeline import Pipeline

MOST_PHOTOS = 10
PHOTO_BYTES = 16 << 20
_MOST_PIXELS = 50_000_000
_FIELD_BYTES = 16 << 10
_ADVICE = {
    "small": "come closer, or use a photo with more pixels",
    "blurred": "hold still and let the camera focus",
    "side_pose": "look straight into the camera",
    "dark": "turn towards the light",
    "bright": "leave the glaring light",
    "cut_off": "move so that the whole face is in the picture",
}
_NOBODY = "no face was found: one upright face, lit from the front"
_SEVERAL = "several people are in the picture: use one of this person alone"
_COMPANION = 0.25
"""A second face with less than this share of the first one's area is somebody in the background."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Upload:
    """One photo of a request, as it came."""

    name: str
    data: bytes


@dataclass(frozen=True, eq=False)
class Look:
    """What a photo is good for.

    Attributes
    ----------
    name
        The file's name, or "photo 2".
    width, height
        Pixels; 0 where it is no picture.
    box
        The face: x, y, width, height in pixels; None where there is none.
    reasons
        Why it is not good enough: those of the quality gate, "no_face", "several_faces",
        "no_picture"; empty when it is.
    advice
        A sentence for each reason, for who takes the photo.
    embedding
        (512,) float32 of length 1; None without a face.
    """

    name: str
    width: int
    height: int
    box: tuple[float, float, float, float] | None
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    embedding: np.ndarray | None

    @property
    def ok(self) -> bool:
        """Whether it may be enrolled."""
        return not self.reasons


async def in_turn(request: Request, look: Callable[..., Found], *args: Any, **named: Any) -> Found:
    """Call what looks at photos, one request after the other; who waits takes no thread.

    Two at a time would not be quicker on few cores, and hold more pictures in memory.
    """
    limiter = request.app.state.looking
    return await to_thread.run_sync(partial(look, *args, **named), limiter=limiter)


async def read_form(request: Request) -> FormData:
    """Read a multipart form without writing any part of it to the disk.

    Raises
    ------
    Refused
        It is none, or a part of it is too long.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refused(415, "not_a_form", "expected multipart/form-data")
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=MOST_PHOTOS,
        max_fields=MOST_PHOTOS,
        max_part_size=_FIELD_BYTES,
    )
    # What is longer would go to a file; no request is.
    parser.spool_max_size = 2 * MOST_PHOTOS * PHOTO_BYTES
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise Refused(400, "malformed", error.message) from error


async def uploads_of(form: FormData, *, field: str = "photos") -> tuple[Upload, ...]:
    """Return the photos of a form; ``Refused`` where there is none, or one is too long."""
    files = [item for item in form.getlist(field) if isinstance(item, UploadFile)]
    if not files:
        raise Refused(422, "invalid", f"{field}: expected at least one photo")
    found = []
    for number, file in enumerate(files, 1):
        data = await file.read()
        if len(data) > PHOTO_BYTES:
            raise Refused(413, "too_long", f"photo {number} has more than {PHOTO_BYTES} bytes")
        found.append(Upload(f"photo {number}", data))
    return tuple(found)


def look_at(pipeline: Pipeline, uploads: Sequence[Upload]) -> tuple[Look, ...]:
    """Look at each photo; what is no picture is said in its `Look`."""
    return tuple(_look(pipeline, upload) for upload in uploads)


def require_good(looks: Sequence[Look]) -> np.ndarray:
    """Return the photos' embeddings, (P, 512) float32.

    Raises
    ------
    Refused
        One of them must not be enrolled; the text says which and why.
    """
    bad = [look for look in looks if not look.ok]
    if bad:
        text = "; ".join(f"{look.name}: {' '.join(look.advice)}" for look in bad)
        raise Refused(422, "quality", text)
    return np.stack([look.embedding for look in looks])


def _look(pipeline: Pipeline, upload: Upload) -> Look:
    try:
        image = decode_image(upload.data, name=upload.name, most_pixels=_MOST_PIXELS)
    except ImageError as error:
        return Look(upload.name, 0, 0, None, ("no_picture",), (str(error),), None)
    height, width = image.shape[:2]
    faces = pipeline.analyze(image)
    if not faces:
        return Look(upload.name, width, height, None, ("no_face",), (_NOBODY,), None)
    first = faces[0]
    several = len(faces) > 1 and _area(faces[1]) >= _COMPANION * _area(first)
    reasons = (*(("several_faces",) if several else ()), *first.quality.reasons)
    advice = tuple(_SEVERAL if reason == "several_faces" else _ADVICE[reason] for reason in reasons)
    return Look(upload.name, width, height, first.box, reasons, advice, first.embedding)


def _area(face: Face) -> float:
    return face.box[2] * face.box[3]
