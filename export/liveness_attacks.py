"""Simulated presentation attacks: a person on paper or glass before the camera.

| attack | what is simulated |
|---|---|
| print | printer: tone and gamut loss, cast, halftone of 1.2 to 7 pixels, fibres, curl |
| glossy print | the same with a lamp's glare on it and little halftone |
| screen | phone or monitor: bezel, pixel grid of 0.8 to 5 pixels (moiré), bands, blue cast |
| glare screen | the same with reflections of a room or a lamp |
| cut-out | print cut along the face, over another head, half of them with holes for the eyes |
| print crop, screen crop | paper or screen fills the frame: no edge to be seen |
| newspaper (unseen) | grey line screen of 3 to 6 pixels on yellowish paper |
| oled (unseen) | diamond pixel grid without bezel or with a thin one |

Pitches are in pixels of a shown picture of 256 x 256. The last two are never trained on. Everything
is drawn from the generator passed in: the same seed gives the same attack.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from export import liveness_surface as surface
from export.detector_data import Photos
from export.liveness_frame import Frame, moved_labels, placing
from export.liveness_scene import SIDE, person, surroundings, with_fingers
from export.liveness_sheet import Sheet, place

__all__ = ["ATTACKS", "TRAINED", "UNSEEN", "attack", "attack_on", "in_front"]


def attack(photos: Photos, index: int, rng: np.random.Generator, *, kind: str) -> Frame:
    """A frame in which photo ``index`` is presented as attack ``kind``, one of ATTACKS."""
    return attack_on(person(photos, index, rng), photos, rng, kind=kind)


def attack_on(content: Frame, photos: Photos, rng: np.random.Generator, *, kind: str) -> Frame:
    """The same with any picture of SIDE x SIDE pixels as what is shown; photos give backgrounds."""
    if kind not in ATTACKS:
        raise ValueError(f"attack {kind!r}, expected one of {', '.join(ATTACKS)}")
    return ATTACKS[kind](content, photos, rng)


def _print(content: Frame, photos: Photos, rng, *, framing=None, gloss: bool = False) -> Frame:
    sheet = place(content, rng, framing=framing)
    picture = _printed(sheet, rng)
    border = rng.uniform(2, 14) if rng.random() < 0.5 else 0.0
    white = rng.uniform(0.75, 0.98)
    picture = np.where((sheet.edge < border)[..., None], np.float32(white), picture)
    picture = picture * surface.fibres(sheet, rng, strength=rng.uniform(0.003, 0.035))
    picture = picture * surface.light(sheet, rng, strength=rng.uniform(0, 0.35))
    if gloss:
        picture = picture + surface.glare(picture.shape, rng, strength=rng.uniform(0.2, 0.9))
    return in_front(sheet, picture, surroundings(photos, rng), rng)


def _printed(sheet: Sheet, rng) -> np.ndarray:
    """Ink on paper; a third of the sheets whose edges are seen are too fine to show any dots."""
    black = rng.uniform(0.03, 0.22)
    picture = surface.tone(
        sheet.picture,
        black=black,
        contrast=rng.uniform(0.72, 0.97) - black,
        gamma=np.exp(rng.normal(0, 0.2)),
        saturation=rng.uniform(0.4, 1.05),
        cast=np.exp(rng.normal(0, 0.05, 3)),
    )
    return surface.halftone(
        picture,
        sheet,
        pitch=float(np.exp(rng.uniform(np.log(1.2), np.log(7)))),
        strength=_strength(sheet, rng, 0.03, 0.16),
        turn=rng.uniform(0, np.pi),
        kind="dots" if rng.random() < 0.75 else "lines",
    )


def _screen(content: Frame, photos: Photos, rng, *, framing=None, mirror: bool = False) -> Frame:
    sheet = place(content, rng, framing=framing, flat=True)
    picture = _displayed(sheet, rng)
    if mirror:
        room = surroundings(photos, rng).astype(np.float32) / 255
        blurred = cv2.GaussianBlur(room, (0, 0), rng.uniform(2, 9))
        picture = picture + np.float32(rng.uniform(0.05, 0.25)) * blurred
        picture = picture + surface.glare(picture.shape, rng, strength=rng.uniform(0.1, 0.8))
    bezel = rng.uniform(3, 28) if rng.random() < 0.85 else rng.uniform(0, 3)
    shade = rng.uniform(0, 0.15) if rng.random() < 0.8 else rng.uniform(0.5, 0.95)
    picture = np.where((sheet.edge < 0)[..., None], np.float32(shade), picture)
    return in_front(sheet, picture, surroundings(photos, rng), rng, rim=bezel)


def _strength(sheet: Sheet, rng, low: float, high: float) -> float:
    """How much of dots or pixels the camera sees: none, in a third of what shows its edges."""
    return 0.0 if sheet.shows_edges and rng.random() < 0.35 else rng.uniform(low, high)


def _displayed(sheet: Sheet, rng) -> np.ndarray:
    blue = rng.uniform(1.0, 1.25)
    picture = surface.tone(
        sheet.picture,
        black=rng.uniform(0.0, 0.1),
        contrast=rng.uniform(0.7, 1.1),
        gamma=rng.uniform(0.75, 1.4),
        saturation=rng.uniform(0.8, 1.35),
        cast=(blue, rng.uniform(0.95, 1.08), 1 / blue),
    )
    picture = surface.pixel_grid(
        picture,
        sheet,
        pitch=float(np.exp(rng.uniform(np.log(0.8), np.log(5)))),
        strength=_strength(sheet, rng, 0.04, 0.3),
        angle=rng.normal(0, 0.03) + (np.pi / 2 if rng.random() < 0.3 else 0),
        gaps=rng.uniform(0, 0.12),
    )
    strength = rng.uniform(0.05, 0.4) if rng.random() < 0.4 else 0.0
    return picture * surface.bands(picture.shape, rng, strength=strength)


def _cut_out(content: Frame, photos: Photos, rng) -> Frame:
    """The print covers the face of somebody else's frame."""
    bearer = person(photos, int(rng.integers(len(photos))), rng)
    matrix = placing(
        content,
        centre=bearer.box[:2] + bearer.box[2:] / 2,
        face_side=bearer.face_side * rng.uniform(0.95, 1.2),
        angle=rng.normal(0, 0.08),
    )
    sheet = _fitted(content, matrix, rng)
    picture = _printed(sheet, rng)
    picture = picture * surface.fibres(sheet, rng, strength=rng.uniform(0.003, 0.035))
    picture = picture * surface.light(sheet, rng, strength=rng.uniform(0, 0.35))
    return in_front(sheet, picture, bearer.image, rng)


def _fitted(content: Frame, matrix: np.ndarray, rng) -> Sheet:
    """A sheet whose edge is an ellipse around the face, with holes for the eyes in a half."""
    x, y, w, h = (float(v) for v in content.box)
    axes = np.array([w, h]) * rng.uniform(0.46, 0.58)
    middle = (x + w / 2, y + h * rng.uniform(0.44, 0.5))
    placed = place(content, rng, framing="filling")
    inverse = np.linalg.inv(matrix).astype(np.float32)
    v, u = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    px = inverse[0, 0] * u + inverse[0, 1] * v + inverse[0, 2]
    py = inverse[1, 0] * u + inverse[1, 1] * v + inverse[1, 2]
    edge = (1 - np.hypot((px - middle[0]) / axes[0], (py - middle[1]) / axes[1])) * axes.min()
    if rng.random() < 0.5:
        span = float(np.linalg.norm(content.landmarks[1] - content.landmarks[0]))
        for eye in content.landmarks[:2]:
            hole = np.hypot((px - eye[0]) / (0.22 * span), (py - eye[1]) / (0.12 * span))
            edge = np.minimum(edge, (hole - 1) * 0.12 * span)
    picture = cv2.remap(content.image, px, py, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return Sheet(
        picture.astype(np.float32) / 255,
        px,
        py,
        edge.astype(np.float32),
        placed.bend,
        *moved_labels(content, matrix),
        "cut",
    )


def _newspaper(content: Frame, photos: Photos, rng) -> Frame:
    sheet = place(content, rng)
    picture = surface.tone(
        sheet.picture, black=0.2, contrast=0.6, gamma=0.9, saturation=0.0, cast=(0.86, 0.95, 1.0)
    )
    picture = surface.halftone(
        picture,
        sheet,
        pitch=rng.uniform(3, 6),
        strength=rng.uniform(0.05, 0.2),
        turn=rng.uniform(0, np.pi),
        kind="lines",
    )
    picture = picture * surface.fibres(sheet, rng, strength=0.03)
    picture = picture * surface.light(sheet, rng, strength=rng.uniform(0, 0.35))
    return in_front(sheet, picture, surroundings(photos, rng), rng)


def _oled(content: Frame, photos: Photos, rng) -> Frame:
    sheet = place(content, rng, flat=True)
    picture = surface.tone(
        sheet.picture,
        black=0.0,
        contrast=rng.uniform(0.8, 1.05),
        gamma=rng.uniform(0.9, 1.2),
        saturation=rng.uniform(1.1, 1.4),
        cast=(1.05, 1.0, 0.97),
    )
    picture = surface.diamond_grid(
        picture, sheet, pitch=rng.uniform(0.9, 4), strength=rng.uniform(0.06, 0.25)
    )
    return in_front(sheet, picture, surroundings(photos, rng), rng, rim=rng.uniform(0, 3))


def in_front(sheet: Sheet, picture, background, rng, *, rim: float = 0.0) -> Frame:
    """The sheet before a background, with its shadow; ``rim`` is a bezel's width, shown pixels."""
    outside = sheet.edge + np.float32(rim)
    cover = np.clip(outside + 0.5, 0, 1)[..., None]
    canvas = background.astype(np.float32) / 255
    if rng.random() < 0.7:
        reach = np.float32(rng.uniform(2, 16))
        dark = np.float32(rng.uniform(0.1, 0.6))
        canvas = canvas * (1 - dark * np.clip(1 + outside / reach, 0, 1)[..., None])
    mixed = canvas + (picture - canvas) * cover
    image = (np.clip(mixed, 0, 1) * 255).astype(np.uint8)
    frame = Frame(image, sheet.box, sheet.landmarks)
    held = sheet.shows_edges and rng.random() < 0.55
    return with_fingers(frame, rng, places=np.abs(outside) < 1.5) if held else frame


ATTACKS: dict[str, Callable[..., Frame]] = {
    "print": _print,
    "glossy print": lambda *given: _print(*given, gloss=True),
    "screen": _screen,
    "glare screen": lambda *given: _screen(*given, mirror=True),
    "cut-out": _cut_out,
    "print crop": lambda *given: _print(*given, framing="filling"),
    "screen crop": lambda *given: _screen(*given, framing="filling"),
    "newspaper": _newspaper,
    "oled": _oled,
}
UNSEEN = ("newspaper", "oled")
TRAINED = tuple(kind for kind in ATTACKS if kind not in UNSEEN)
