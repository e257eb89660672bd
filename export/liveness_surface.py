"""What paper, ink, glass and pixels do to a picture that a camera looks at.

Patterns are computed at the point of the shown picture where each camera pixel looks, so a dot or
pixel pitch finer than the camera's gives moiré by itself, as it does in cameras.
Pictures are (H, W, 3) float32, 0 to 1, BGR; patterns (H, W) float32, -1 to 1.
"""

from __future__ import annotations

import cv2
import numpy as np

from export.liveness_sheet import Sheet

SCREEN_ANGLES = (
    0.0,
    1.309,
    0.262,
)  # radians, of the yellow, magenta and cyan ink: 0, 75, 15 degrees


def waves(sheet: Sheet, *, pitch: float, angle: float, phase: float = 0.0) -> np.ndarray:
    """Stripes of ``pitch`` shown pixels across ``angle`` radians."""
    turn = np.float32(2 * np.pi / pitch)
    cos, sin = np.float32(np.cos(angle)) * turn, np.float32(np.sin(angle)) * turn
    return np.cos(sheet.x * cos + sheet.y * sin + np.float32(phase))


def halftone(picture, sheet: Sheet, *, pitch: float, strength: float, turn: float, kind="dots"):
    """Ink dots (or lines) whose size follows the tone: strongest in mid tones."""
    inked = np.empty_like(picture)
    for channel, angle in enumerate(SCREEN_ANGLES):
        pattern = waves(sheet, pitch=pitch, angle=angle + turn)
        if kind == "dots":
            pattern = pattern * waves(sheet, pitch=pitch, angle=angle + turn + np.pi / 2)
        tone = picture[..., channel]
        inked[..., channel] = tone + np.float32(4 * strength) * pattern * tone * (1 - tone)
    return inked


def pixel_grid(picture, sheet: Sheet, *, pitch: float, strength: float, angle: float, gaps: float):
    """A display's red, green and blue stripes a third of a pixel apart, and gaps of rows."""
    lit = np.empty_like(picture)
    rows = 1 + np.float32(gaps) * waves(sheet, pitch=pitch, angle=angle + np.pi / 2)
    for channel in range(3):
        stripes = waves(sheet, pitch=pitch, angle=angle, phase=channel * 2 * np.pi / 3)
        lit[..., channel] = picture[..., channel] * (1 + np.float32(strength) * stripes) * rows
    return lit


def diamond_grid(picture, sheet: Sheet, *, pitch: float, strength: float) -> np.ndarray:
    """An OLED's grid: green on the pixels, red and blue on its diagonals at half the density."""
    lit = np.empty_like(picture)
    for channel, (stretch, angle, phase) in enumerate(
        ((1.414, np.pi / 4, 0.0), (1.0, 0.0, 0.0), (1.414, np.pi / 4, np.pi))
    ):
        first = waves(sheet, pitch=pitch * stretch, angle=angle, phase=phase)
        second = waves(sheet, pitch=pitch * stretch, angle=angle + np.pi / 2, phase=phase)
        pattern = (first + second) / 2
        lit[..., channel] = picture[..., channel] * (1 + np.float32(strength) * pattern)
    return lit


def tone(picture, *, contrast: float, black: float, gamma: float, saturation: float, cast):
    """Fewer colours and tones: ``black`` is what is left of light in black, 0 to 1."""
    grey = picture.mean(2, keepdims=True)
    coloured = grey + np.float32(saturation) * (picture - grey)
    shaped = np.clip(coloured, 0, 1) ** np.float32(gamma)
    return (np.float32(black) + np.float32(contrast) * shaped) * np.asarray(cast, np.float32)


def fibres(sheet: Sheet, rng: np.random.Generator, *, strength: float) -> np.ndarray:
    """Paper's uneven white: noise of two sizes fixed to the sheet, (H, W, 1), mean 1."""
    fine = rng.standard_normal((128, 128), np.float32)
    coarse = cv2.resize(rng.standard_normal((24, 24), np.float32), (128, 128))
    texture = 0.6 * fine + 0.4 * coarse
    x, y = np.mod(sheet.x * np.float32(0.8), 127), np.mod(sheet.y * np.float32(0.8), 127)
    noise = cv2.remap(texture, x, y, cv2.INTER_LINEAR)
    return 1 + np.float32(strength) * noise[..., None]


def light(sheet: Sheet, rng: np.random.Generator, *, strength: float) -> np.ndarray:
    """Light falling on a bent sheet: a gradient and the bend, (H, W, 1), mean about 1."""
    height, width = sheet.x.shape
    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = u * np.float32(np.cos(angle)) + v * np.float32(np.sin(angle))
    return (1 + np.float32(strength) * (0.5 * slope + sheet.bend))[..., None]


def glare(shape, rng: np.random.Generator, *, strength: float) -> np.ndarray:
    """A lamp's reflection: a soft bright blob or bar, (H, W, 1), 0 to ``strength``."""
    height, width = shape[:2]
    spot = np.zeros((height // 4, width // 4), np.float32)
    centre = tuple(int(v) for v in rng.uniform(0.1, 0.9, 2) * spot.shape[::-1])
    longest = rng.uniform(4, 24)
    axes = (int(longest), int(longest * rng.uniform(0.15, 1)) + 1)
    cv2.ellipse(spot, centre, axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    spot = cv2.GaussianBlur(spot, (0, 0), rng.uniform(1, 7))
    return np.float32(strength) * cv2.resize(spot, (width, height))[..., None]


def bands(shape, rng: np.random.Generator, *, strength: float) -> np.ndarray:
    """Dark bands of a screen's refresh in the camera's shutter, (H, 1, 1), at most 1."""
    rows = np.linspace(0, 2 * np.pi * rng.uniform(0.7, 5), shape[0], dtype=np.float32)
    wave = (1 + np.cos(rows + np.float32(rng.uniform(0, 6.28)))) / 2
    return (1 - np.float32(strength) * wave ** np.float32(rng.uniform(1, 5)))[:, None, None]
