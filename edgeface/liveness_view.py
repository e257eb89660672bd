"""Views of a face for liveness: squares cut from the frame, tight for texture, wide for context.

A view holds pixels of the frame only. Where the square would leave the frame it is moved inside,
and where the frame is smaller than the square it shrinks: padding would draw an edge around the
face, and an edge around the face is what a held-up photo looks like.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edgeface.align import require_landmarks
from edgeface.image import require_image

__all__ = ["cut_view", "require_box", "view_square"]


def require_box(box: Sequence[float], *, width: int, height: int) -> np.ndarray:
    """Return `box` as (4,) float64 x, y, width, height of a face of which a part is in the frame.

    Raises
    ------
    ValueError
        Wrong shape, NaN or Inf, no area, or wholly outside a frame of `width` x `height` pixels.
    """
    values = np.asarray(box, np.float64)
    if values.shape != (4,):
        raise ValueError(f"box has shape {values.shape}, expected (4,): x, y, width, height")
    if not np.isfinite(values).all():
        raise ValueError("box holds NaN or Inf, expected pixel coordinates")
    x, y, box_width, box_height = values
    if box_width <= 0 or box_height <= 0:
        raise ValueError(f"box is {box_width:g} x {box_height:g} pixels, expected a positive area")
    if x >= width or y >= height or x + box_width <= 0 or y + box_height <= 0:
        raise ValueError(
            f"box {tuple(np.round(values, 1).tolist())} lies outside the {width}x{height} image; "
            "pass the image in which the face was found"
        )
    return values


def view_square(
    *, box: np.ndarray, centre: np.ndarray, scale: float, width: int, height: int
) -> tuple[int, int, int]:
    """Return the square of a view: left, top and side in whole pixels, inside the frame.

    Parameters
    ----------
    box
        (4,) x, y, width, height of the face; the square's side is `scale` times the box's
        geometric mean side, at most the frame's shorter side.
    centre
        (2,) where the middle of the square should be.
    scale
        Over 0.
    width, height
        Of the frame, pixels.
    """
    wanted = round(scale * float(np.sqrt(box[2] * box[3])))
    side = int(np.clip(wanted, 1, min(width, height)))
    left, top = np.clip(np.round(centre - side / 2), 0, (width - side, height - side))
    return int(left), int(top), side


def cut_view(
    image: np.ndarray,
    *,
    box: Sequence[float],
    landmarks: np.ndarray,
    scale: float,
    size: int,
    anchor: str,
) -> np.ndarray:
    """Cut one view of a face and bring it to the network's size.

    Parameters
    ----------
    image
        (height, width, 3) uint8 BGR.
    box
        x, y, width, height of the face in pixels; may reach outside the image.
    landmarks
        (5, 2) pixels.
    scale
        Side of the square in box sides (geometric mean of width and height).
    size
        Side of the result in pixels.
    anchor
        What the square is centred on: "landmarks" (their mean) or "box".

    Returns
    -------
    ndarray
        (size, size, 3) uint8 BGR.

    Raises
    ------
    TypeError, ValueError
        Not such an image, box or landmarks.
    """
    frame = require_image(image)
    height, width = frame.shape[:2]
    found = require_box(box, width=width, height=height)
    points = require_landmarks(landmarks)
    centre = points.mean(axis=0) if anchor == "landmarks" else found[:2] + found[2:] / 2
    left, top, side = view_square(box=found, centre=centre, scale=scale, width=width, height=height)
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(
        frame[top : top + side, left : left + side], (size, size), interpolation=method
    )
