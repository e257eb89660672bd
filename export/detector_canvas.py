"""Generated backgrounds and camera degradations for the detector's training canvases.

Every function takes a ``numpy.random.Generator`` and nothing else that is random, so a canvas is a
function of its seed. Images are BGR uint8 (H, W, 3).
"""

from __future__ import annotations

import string

import cv2
import numpy as np

_LETTERS = np.array(list(string.ascii_letters + string.digits + "#@&%?!"))


def random_colour(rng: np.random.Generator) -> tuple:
    """One BGR colour, each channel 0 to 255."""
    return tuple(int(value) for value in rng.integers(0, 256, 3))


def blobs(rng: np.random.Generator, *, height: int, width: int) -> np.ndarray:
    """Smooth colour gradients: 2x2 to 11x11 random colours enlarged to the canvas."""
    cells = rng.integers(2, 12, 2)
    spread = rng.integers(10, 256)
    low = rng.integers(0, 257 - spread, 3)
    small = (low + rng.integers(0, spread, (cells[0], cells[1], 3))).astype(np.uint8)
    method = int(
        rng.choice([cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST], p=[0.6, 0.3, 0.1])
    )
    return cv2.resize(small, (width, height), interpolation=method)


def texture(rng: np.random.Generator, *, height: int, width: int) -> np.ndarray:
    """Noise of three scales added to a colour: cloth, walls, leaves."""
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = random_colour(rng)
    for divisor in (1, 3, 9):
        rows, columns = height // divisor + 2, width // divisor + 2
        channels = 1 if rng.random() < 0.6 else 3
        noise = rng.standard_normal((rows, columns, channels), dtype=np.float32)
        enlarged = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
        canvas += enlarged.reshape(height, width, channels) * np.float32(rng.uniform(0, 35))
    return np.clip(canvas, 0, 255).astype(np.uint8)


def stripes(rng: np.random.Generator, *, height: int, width: int) -> np.ndarray:
    """A sinusoidal or square wave at any angle between two colours."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 60)
    columns = np.arange(width, dtype=np.float32)[None] * np.cos(angle)
    rows = np.arange(height, dtype=np.float32)[:, None] * np.sin(angle)
    wave = np.sin((columns + rows) * (2 * np.pi / period))
    if rng.random() < 0.5:
        wave = np.sign(wave)
    mix = (wave[..., None] + 1) / 2
    first, second = (np.array(random_colour(rng), np.float32) for _ in range(2))
    return (first * mix + second * (1 - mix)).astype(np.uint8)


def draw_shapes(canvas: np.ndarray, rng: np.random.Generator, *, count: int) -> None:
    """Draw rectangles, ellipses, lines and triangles into the canvas, in place."""
    height, width = canvas.shape[:2]
    for _ in range(count):
        kind, colour = rng.integers(0, 4), random_colour(rng)
        x, y = (int(v) for v in (rng.integers(0, width), rng.integers(0, height)))
        a, b = (int(v) for v in rng.integers(2, max(4, width // 3), 2))
        thickness = -1 if rng.random() < 0.6 else int(rng.integers(1, 5))
        if kind == 0:
            cv2.rectangle(canvas, (x, y), (x + a, y + b), colour, thickness)
        elif kind == 1:
            cv2.ellipse(
                canvas, (x, y), (a, b), float(rng.uniform(0, 180)), 0, 360, colour, thickness
            )
        elif kind == 2:
            cv2.line(canvas, (x, y), (x + a - width // 6, y + b), colour, int(rng.integers(1, 7)))
        else:
            corners = np.array([x, y]) + rng.integers(-a, a + 1, (3, 2))
            cv2.fillPoly(canvas, [corners.astype(np.int32)], colour)


def draw_text(canvas: np.ndarray, rng: np.random.Generator, *, lines: int) -> None:
    """Write random strings into the canvas, in place: signs, captions, watermarks."""
    height, width = canvas.shape[:2]
    for _ in range(lines):
        text = "".join(rng.choice(_LETTERS, int(rng.integers(2, 16))))
        origin = (int(rng.integers(-20, width)), int(rng.integers(0, height + 10)))
        font, scale = int(rng.integers(0, 8)), float(rng.uniform(0.3, 2.2))
        cv2.putText(canvas, text, origin, font, scale, random_colour(rng), int(rng.integers(1, 5)))


def generated_background(rng: np.random.Generator, *, height: int, width: int) -> np.ndarray:
    """One background without anything of a photo in it."""
    maker = (blobs, blobs, texture, stripes)[rng.integers(0, 4)]
    canvas = maker(rng, height=height, width=width)
    if rng.random() < 0.5:
        draw_shapes(canvas, rng, count=int(rng.integers(1, 25)))
    if rng.random() < 0.25:
        draw_text(canvas, rng, lines=int(rng.integers(1, 9)))
    return canvas


def _tone_curve(rng: np.random.Generator) -> np.ndarray:
    """(256, 3) uint8 table: gamma, contrast, exposure and one gain per channel."""
    levels = np.linspace(0, 1, 256, dtype=np.float32) ** np.exp(rng.normal(0, 0.25))
    contrast = rng.uniform(0.6, 1.3)
    levels = (levels - 0.5) * contrast + 0.5 + rng.uniform(-0.12, 0.12)
    if rng.random() < 0.1:
        levels = levels * rng.uniform(0.15, 0.5)
    gains = rng.normal(1, 0.08, 3)
    return np.clip(levels[:, None] * gains * 255, 0, 255).astype(np.uint8)


def _blur(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.7:
        return cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.4, 1.8)))
    length = int(rng.integers(3, 9))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    ends = (np.array([[-1], [1]]) * reach + (length - 1) / 2).round().astype(int).tolist()
    cv2.line(kernel, tuple(ends[0]), tuple(ends[1]), 1.0)
    return cv2.filter2D(canvas, -1, kernel / kernel.sum())


def resample(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shrink to 40 to 90 % and enlarge again: a face from few pixels."""
    height, width = canvas.shape[:2]
    factor = rng.uniform(0.4, 0.9)
    small = cv2.resize(canvas, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _sensor_noise(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width, _ = canvas.shape
    noise = rng.integers(-128, 128, (height, width, 3), dtype=np.int8).astype(np.float32)
    return np.clip(canvas + noise * np.float32(rng.uniform(0.02, 0.22)), 0, 255).astype(np.uint8)


def _jpeg(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))]
    return cv2.imdecode(cv2.imencode(".jpg", canvas, quality)[1], cv2.IMREAD_COLOR)


def degrade(canvas: np.ndarray, rng: np.random.Generator, *, strength: float = 1.0) -> np.ndarray:
    """What a camera and a file format do: tone, grey, blur, low resolution, noise, JPEG.

    Geometry is untouched, so labels stay right. ``strength`` scales how often each happens.
    """
    if rng.random() < 0.6 * strength:
        canvas = cv2.LUT(canvas, _tone_curve(rng)[None])
    if rng.random() < 0.08 * strength:
        canvas = cv2.cvtColor(cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    for chance, effect in ((0.2, _blur), (0.1, resample), (0.25, _sensor_noise), (0.35, _jpeg)):
        if rng.random() < chance * strength:
            canvas = effect(canvas, rng)
    return canvas
