"""What the commands share: JSON, progress, saved pictures, and figures of a face."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

    from edgeface.bundle import Bundle
    from edgeface.face import Face

Item = TypeVar("Item")
_PROGRESS_AFTER_S = 2.0


class UsageError(Exception):
    """The command line asks for something that cannot be: exit code 2."""


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_rows(rows: Sequence[Sequence[str]]) -> None:
    """Print a table: columns padded to their widest cell, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (_padded(cell, width) for cell, width in zip(row, widths))
        print(("  " + "  ".join(cells)).rstrip())


def _padded(cell: str, width: int) -> str:
    number = cell[:1] in "-0123456789" and cell[-1:].isdigit()
    return cell.rjust(width) if number else cell.ljust(width)


def progress(items: Sequence[Item], *, label: str) -> Iterator[Item]:
    """Yield `items`; after two seconds say on stderr how far it is, every two seconds."""
    last = time.monotonic()
    shown = False
    for done, item in enumerate(items):
        yield item
        if time.monotonic() - last > _PROGRESS_AFTER_S:
            last, shown = time.monotonic(), True
            print(f"edgeface: {label} {done + 1} of {len(items)}", file=sys.stderr)
    if shown:
        print(f"edgeface: {label}: done", file=sys.stderr)


def save_image(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Write a picture as its suffix says.

    Raises
    ------
    UsageError
        A suffix that OpenCV cannot write.
    OSError
        The disk refused it.
    """
    import cv2

    suffix = Path(path).suffix
    if suffix.lower() not in (".jpg", ".jpeg", ".png", ".webp", ".bmp"):
        raise UsageError(f"{path}: cannot save as {suffix!r}; use .jpg, .png, .webp or .bmp")
    _, data = cv2.imencode(suffix, image)
    Path(path).write_bytes(data.tobytes())


def pick_threshold(bundle: Bundle, far: float | None) -> float:
    """Return the bundle's threshold for a false accept rate, or raise UsageError."""
    try:
        return bundle.threshold(far)
    except ValueError as error:
        raise UsageError(f"--far: {error}") from error


def face_figures(face: Face) -> dict[str, Any]:
    """Return a face as plain JSON values, without its embedding."""
    quality = face.quality
    measured = {
        key: round(getattr(quality, key), 4)
        for key in ("eye_distance_px", "sharpness", "yaw", "brightness", "contrast", "visible")
    }
    return {
        "box": [round(float(value), 1) for value in face.box],
        "detection_score": round(float(face.score), 4),
        "landmarks": [[round(float(v), 1) for v in point] for point in face.landmarks],
        "quality": {"ok": quality.ok, "reasons": list(quality.reasons), **measured},
    }


def quality_text(face: Face) -> str:
    """Return one face's figures for people."""
    reasons = f"; {', '.join(face.quality.reasons)}" if face.quality.reasons else ""
    return f"{face.quality.eye_distance_px:.0f} px between the eyes{reasons}"


def score_text(score: float | None, *, digits: int = 3) -> str:
    """Return a cosine for people; nothing where there was nobody to compare with."""
    return "" if score is None else f"{score:.{digits}f}"


def rounded(milliseconds: Mapping[str, float]) -> dict[str, float]:
    """Return per-stage times with two decimals, in milliseconds."""
    return {stage: round(spent, 2) for stage, spent in milliseconds.items()}


def times_text(milliseconds: Mapping[str, float]) -> str:
    """Return per-stage times for people."""
    return ", ".join(f"{stage} {spent:.1f}" for stage, spent in milliseconds.items()) + " ms"


def signature_text(signature: Mapping[str, Sequence[str]]) -> str:
    """Return a bundle's ``describe()["signature"]`` for people."""
    if signature["checked"]:
        return f"by key {', '.join(signature['checked'])}, checked"
    if signature["by"]:
        return f"by key {', '.join(signature['by'])}, not checked: no public key is configured"
    return "not signed"


def first_names(names: Iterable[str], *, limit: int = 5) -> str:
    """Join names for an error text, at most `limit` of them."""
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
