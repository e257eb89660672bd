"""The camera: the same for live people and attacks, so that a net learns the attack, not it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np


@dataclass(frozen=True)
class Camera:
    """One camera and light.

    Attributes
    ----------
    blur : standard deviation of the lens's blur, pixels.
    motion : length of a motion blur, pixels; under 2: none.
    exposure, gamma : pixels become ``255 * (exposure * p / 255) ** gamma``.
    cast : gain of blue, green and red.
    shrink : linear size at which the sensor sees the scene, 0 to 1.
    noise : standard deviation, grey levels.
    jpeg : quality 1 to 100.
    sharpen : strength of the camera's unsharp mask.
    """

    blur: float = 0.0
    motion: float = 0.0
    exposure: float = 1.0
    gamma: float = 1.0
    cast: tuple = (1.0, 1.0, 1.0)
    shrink: float = 1.0
    noise: float = 1.0
    jpeg: int = 95
    sharpen: float = 0.0
    seed: int = field(default=0, compare=False)


CONDITIONS = {
    "good": Camera(),
    "dim": Camera(exposure=0.4, gamma=0.9, noise=7.0, jpeg=85),
    "bright": Camera(exposure=1.35, noise=2.0),
    "warm light": Camera(cast=(0.72, 0.95, 1.12), noise=2.0),
    "cold light": Camera(cast=(1.15, 1.0, 0.82), noise=2.0),
    "blurred": Camera(blur=1.4, noise=2.0),
    "moving": Camera(motion=6.0, noise=2.0),
    "far": Camera(shrink=0.5, noise=2.0),
    "compressed": Camera(jpeg=35, noise=2.0),
}
"""Fixed cameras to evaluate under; training draws from `draw_camera`."""


def draw_camera(rng: np.random.Generator) -> Camera:
    """A random camera; each fault is absent in about half of them."""

    def sometimes(value: float, otherwise: float, chance: float = 0.5) -> float:
        return float(value if rng.random() < chance else otherwise)

    dim = rng.random() < 0.25
    return Camera(
        blur=sometimes(rng.uniform(0.3, 1.6), 0.0),
        motion=sometimes(rng.uniform(2, 8), 0.0, 0.12),
        exposure=float(np.exp(rng.normal(0, 0.22) - (rng.uniform(0, 1.1) if dim else 0))),
        gamma=float(np.exp(rng.normal(0, 0.12))),
        cast=tuple(float(v) for v in np.exp(rng.normal(0, 0.13, 3))),
        shrink=sometimes(rng.uniform(0.4, 1.0), 1.0, 0.4),
        noise=sometimes(rng.uniform(1, 10), 1.0, 0.8 if dim else 0.5),
        jpeg=int(rng.integers(35, 100)),
        sharpen=sometimes(rng.uniform(0.2, 1.0), 0.0, 0.3),
        seed=int(rng.integers(1 << 30)),
    )


def shoot(image: np.ndarray, camera: Camera) -> np.ndarray:
    """The scene (H, W, 3) uint8 as the camera gives it, same size."""
    height, width = image.shape[:2]
    picture = _blurred(image, camera)
    picture = _exposed(picture, camera)
    if camera.shrink < 1:
        small = (max(8, round(width * camera.shrink)), max(8, round(height * camera.shrink)))
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    picture = _noisy(picture, camera)
    if camera.sharpen > 0:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
        picture = cv2.addWeighted(picture, 1 + camera.sharpen, soft, -camera.sharpen, 0)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg])
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if camera.shrink < 1:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return picture


def _blurred(image: np.ndarray, camera: Camera) -> np.ndarray:
    picture = cv2.GaussianBlur(image, (0, 0), camera.blur) if camera.blur > 0.2 else image
    if camera.motion < 2:
        return picture
    length = int(round(camera.motion))
    kernel = np.zeros((length, length), np.float32)
    angle = np.random.default_rng(camera.seed).uniform(0, np.pi)
    middle, reach = (length - 1) / 2, length / 2
    offset = np.array([np.cos(angle), np.sin(angle)]) * reach
    first, last = (middle - offset).astype(int), (middle + offset).astype(int)
    cv2.line(kernel, tuple(first.tolist()), tuple(last.tolist()), 1.0)
    return cv2.filter2D(picture, -1, kernel / kernel.sum())


def _exposed(image: np.ndarray, camera: Camera) -> np.ndarray:
    levels = np.arange(256, dtype=np.float32)[:, None] / 255
    gains = np.asarray(camera.cast, np.float32) * camera.exposure
    curve = 255 * np.clip(levels * gains, 0, 1) ** camera.gamma
    return cv2.LUT(image, np.rint(curve).astype(np.uint8)[None].reshape(1, 256, 3))


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(1 << 21, np.float32)


def _noisy(image: np.ndarray, camera: Camera) -> np.ndarray:
    if camera.noise <= 0:
        return image
    bank = _grain()
    start = camera.seed % (len(bank) - image.size)
    grain = bank[start : start + image.size].reshape(image.shape)
    return np.clip(image + camera.noise * grain, 0, 255).astype(np.uint8)
