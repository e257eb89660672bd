"""The demo's group picture: new views of two portraits, scattered over a table like prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT = 1280, 800
_BORDER = 14
_PAPER = (244, 248, 250)


@dataclass(frozen=True)
class View:
    """One print of the scene: whose portrait, what was done to it, and where it lies.

    Attributes
    ----------
    person, description
        For the table: "Eileen Collins", "turned and darker".
    centre
        (x, y) scene pixels.
    side
        Side of the print in scene pixels.
    angle
        Degrees counter-clockwise.
    mirrored
        Left and right swapped.
    light
        Pixel values are multiplied by this.
    blur
        Sigma of a Gaussian blur in print pixels.
    noise
        Standard deviation of added noise, 0 to 255.
    """

    person: str
    description: str
    centre: tuple[int, int]
    side: int
    angle: float = 0.0
    mirrored: bool = False
    light: float = 1.0
    blur: float = 0.0
    noise: float = 0.0


def head(portrait: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """Cut a square around a face out of a portrait, (side, side, 3) uint8 BGR."""
    height, width = portrait.shape[:2]
    side = int(min(1.6 * box[3], height, width))
    x = int(np.clip(box[0] + box[2] / 2 - side / 2, 0, width - side))
    y = int(np.clip(box[1] + box[3] / 2 - side * 0.52, 0, height - side))
    return portrait[y : y + side, x : x + side]


def compose(heads: Mapping[str, np.ndarray], views: Sequence[View]) -> np.ndarray:
    """Lay every view onto the table.

    Parameters
    ----------
    heads
        Per person a square cut from the portrait.
    views
        What to lay where.

    Returns
    -------
    ndarray
        (800, 1280, 3) uint8 BGR; the same every time.
    """
    generator = np.random.default_rng(7)
    scene = _table(generator)
    for view in views:
        scene = _lay(scene, _print(heads[view.person], view, generator), view)
    return np.clip(scene, 0, 255).astype(np.uint8)


def _table(generator: np.random.Generator) -> np.ndarray:
    light = np.linspace(1.12, 0.78, HEIGHT)[:, None] * np.linspace(1.05, 0.9, WIDTH)
    grain = cv2.GaussianBlur(generator.normal(0, 9, (HEIGHT, WIDTH)), (0, 0), 3, sigmaY=0.6)
    return (light[..., None] * (92, 74, 60) + grain[..., None]).astype(np.float32)


def _print(face: np.ndarray, view: View, generator: np.random.Generator) -> np.ndarray:
    inner = view.side - 2 * _BORDER
    # Averaging where the portrait is larger, smooth where it is smaller.
    way = cv2.INTER_AREA if face.shape[0] > inner else cv2.INTER_CUBIC
    picture = cv2.resize(face, (inner, inner), interpolation=way).astype(np.float32)
    if view.mirrored:
        picture = picture[:, ::-1]
    if view.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), view.blur)
    picture = picture * view.light + generator.normal(0, view.noise, picture.shape)
    edges = (_BORDER,) * 4
    picture = np.clip(picture, 0, 255).astype(np.float32)
    return cv2.copyMakeBorder(picture, *edges, cv2.BORDER_CONSTANT, value=_PAPER)


def _lay(scene: np.ndarray, card: np.ndarray, view: View) -> np.ndarray:
    half = (view.side - 1) / 2
    place = cv2.getRotationMatrix2D((half, half), view.angle, 1.0)
    place[:, 2] += np.array(view.centre) - half
    size = (WIDTH, HEIGHT)
    cover = cv2.warpAffine(np.ones(card.shape[:2], np.float32), place, size)[..., None]
    shadow = np.roll(cv2.GaussianBlur(cover[..., 0], (0, 0), 12), (10, 6), (0, 1))[..., None]
    laid = cv2.warpAffine(
        card, place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return laid * cover + scene * (1 - 0.55 * shadow) * (1 - cover)
