"""Quality gate: is this face big, sharp, frontal and lit well enough to be recognised?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from edgeface.align import crop_corners, require_landmarks
from edgeface.image import require_image

_SHARPNESS_SIZE = 56  # half the crop: faces over some 18 px between the eyes are not enlarged


@dataclass(frozen=True)
class Quality:
    """What was measured on one face, and the verdict.

    Attributes
    ----------
    ok
        True when `reasons` is empty.
    reasons
        Which limits were broken: "small", "blurred", "side_pose", "dark", "bright", "cut_off".
    eye_distance_px
        Distance between the eyes in photo pixels.
    sharpness
        Variance of the Laplacian over the variance of the luma, on the inner face at 56x56
        pixels: fine detail relative to contrast, so neither the face's size in the photo nor
        the light moves it much. About 0.05 in an ordinary photo, 0.005 when blurred by 6 % of
        the eye distance.
    yaw
        How far the nose sits off the face's middle line, in eye distances: 0 frontal,
        above 0.4 about a half profile, positive towards the right of the photo.
    brightness
        Mean luma of the inner face, 0 to 255.
    contrast
        Standard deviation of that luma, 0 to 128.
    visible
        Share of the aligned crop that lies inside the photo, 0 to 1.
    """

    ok: bool
    reasons: tuple[str, ...]
    eye_distance_px: float
    sharpness: float
    yaw: float
    brightness: float
    contrast: float
    visible: float


def assess(
    image: np.ndarray, *, landmarks: np.ndarray, crop: np.ndarray, limits: Mapping[str, float]
) -> Quality:
    """Measure one face and compare it with the bundle's limits.

    Parameters
    ----------
    image
        The photo, (height, width, 3) uint8 BGR.
    landmarks
        (5, 2) photo pixels: right eye, left eye, nose, right and left mouth corner.
    crop
        The same face aligned, (112, 112, 3) uint8 BGR.
    limits
        The manifest's "quality": min_eye_distance_px, min_sharpness, max_yaw, min_brightness,
        max_brightness, min_visible. A missing limit is not checked.

    Raises
    ------
    TypeError, ValueError
        Not a photo, a crop or landmarks.
    """
    height, width = require_image(image).shape[:2]
    points = require_landmarks(landmarks)
    luma = cv2.cvtColor(require_image(crop, name="crop"), cv2.COLOR_BGR2GRAY)
    inner = luma[_INNER]
    measured = {
        "eye_distance_px": float(np.linalg.norm(points[1] - points[0])),
        "sharpness": sharpness(luma),
        "yaw": yaw(points),
        "brightness": float(inner.mean()),
        "contrast": float(inner.std()),
        "visible": visible_share(points, width=width, height=height),
    }
    reasons = broken_limits(measured, limits=limits)
    return Quality(ok=not reasons, reasons=reasons, **measured)


# Brows to chin and cheek to cheek in the 112x112 crop: no hair, little background.
_INNER = (slice(36, 104), slice(28, 84))


def sharpness(luma: np.ndarray) -> float:
    """Return the Laplacian's variance over the luma's, on the inner face of a grey crop."""
    small = cv2.resize(luma, (_SHARPNESS_SIZE, _SHARPNESS_SIZE), interpolation=cv2.INTER_AREA)
    half = tuple(slice(side.start // 2, side.stop // 2) for side in _INNER)
    laplacian = cv2.Laplacian(small, cv2.CV_32F)[half]
    return float(laplacian.var() / (16 * max(float(small[half].var()), 1.0)))


def yaw(landmarks: np.ndarray) -> float:
    """Return the nose's offset from the face's middle line, in eye distances (see `Quality`)."""
    points = require_landmarks(landmarks)
    eye_line = points[1] - points[0]
    distance = max(float(np.linalg.norm(eye_line)), 1e-6)
    middle = (points[:2].mean(axis=0) + points[3:].mean(axis=0)) / 2
    return float((points[2] - middle) @ eye_line / distance**2)


def visible_share(landmarks: np.ndarray, *, width: int, height: int) -> float:
    """Return how much of the aligned crop lies inside a width x height photo, 0 to 1."""
    corners = crop_corners(landmarks).astype(np.float32)
    # Pixel centres lie on whole numbers, so the photo reaches from -0.5 to width - 0.5.
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    area, _ = cv2.intersectConvexConvex(corners, frame)
    return float(min(1.0, area / max(cv2.contourArea(corners), 1e-6)))


def broken_limits(measured: Mapping[str, float], *, limits: Mapping[str, float]) -> tuple[str, ...]:
    """Return the reasons (see `Quality`) for which measured values break limits (see `assess`)."""
    # Written so that NaN breaks each limit.
    found = (
        ("small", measured["eye_distance_px"] >= limits.get("min_eye_distance_px", 0)),
        ("blurred", measured["sharpness"] >= limits.get("min_sharpness", 0)),
        ("side_pose", abs(measured["yaw"]) <= limits.get("max_yaw", np.inf)),
        ("dark", measured["brightness"] >= limits.get("min_brightness", 0)),
        ("bright", measured["brightness"] <= limits.get("max_brightness", 255)),
        ("cut_off", measured["visible"] >= limits.get("min_visible", 0)),
    )
    return tuple(reason for reason, holds in found if not holds)
