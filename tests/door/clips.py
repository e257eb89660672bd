"""Camera clips made of still photos: what a door's camera would show, as far as stills allow.

A living head sways, turns a little and moves its face's muscles; light flickers; a sensor adds
noise. Each of these is put onto a photo by a smooth random walk, so that neighbouring frames are
alike but never equal. Real video has more; the scenario table says so.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Callable, Optional

import cv2
import numpy as np

WIDTH, HEIGHT = 640, 480
FPS = 10.0
TURNS = {"turn_left": 30.0, "turn_right": -30.0}  # degrees, by what the door asks
_TURN_STEP = 6.0  # degrees a frame
Clip = Generator[np.ndarray, Optional[str], None]
"""Frames; what the door asks of the visitor is sent in, and the next frame answers it."""

_MESH = 5  # control points of the face's muscles, each way


@dataclass(frozen=True)
class Motion:
    """How much moves: standard deviations about which the walks swing.

    `shift_px`, `degrees` and `zoom` are of the whole head; `muscle_px` of the mesh over the face;
    `light` is a share of the brightness and `noise` grey levels of the sensor.
    """

    shift_px: float = 5.0
    degrees: float = 1.5
    zoom: float = 0.02
    muscle_px: float = 1.2
    light: float = 0.02
    noise: float = 2.5


STILL = Motion(0, 0, 0, 0, 0, 0)


def placed(photo: np.ndarray, *, height: int = 420, left: float = 0.5) -> np.ndarray:
    """Return the photo on a (480, 640, 3) canvas: `height` pixels high, its middle at `left`."""
    scale = height / photo.shape[0]
    width = round(photo.shape[1] * scale)
    small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    canvas = _background()
    x, y = round(left * WIDTH - width / 2), (HEIGHT - height) // 2
    from_x, to_x = max(x, 0), min(x + width, WIDTH)
    canvas[y : y + height, from_x:to_x] = small[:, from_x - x : to_x - x]
    return canvas


def living(
    pose: Callable[[float], np.ndarray], *, frames: int, seed: int, motion: Motion | None = None
) -> Clip:
    """Yield `frames` frames of somebody who stands there and does as the door asks.

    Parameters
    ----------
    pose
        The (480, 640, 3) scene for a head turned by so many degrees, positive towards the
        person's left; `unmoved` for one that ignores what it is asked.
    frames, seed, motion
        How many, of which walk, and how much moves.
    """
    motion = motion or Motion()
    random = np.random.default_rng(seed)
    degrees = 0.0
    for walk in _walks(random, frames, 5 + 2 * _MESH * _MESH):
        moved = _moved(pose(degrees), walk, motion)
        asked = yield _sensed(moved, random, light=1 + motion.light * walk[4], noise=motion.noise)
        degrees = _towards(TURNS.get(asked or "", 0.0), degrees)


def unmoved(scene: np.ndarray) -> Callable[[float], np.ndarray]:
    """Return the pose of a scene that stays as it is."""
    return lambda degrees: scene


def frozen(scene: np.ndarray, *, frames: int, seed: int, period: int = 1) -> Clip:
    """Yield a feed that stands still (`period` 1) or plays the same `period` frames for ever."""
    shown = list(living(unmoved(scene), frames=period, seed=seed))
    for i in range(frames):
        yield shown[i % period].copy()


def _towards(wanted: float, degrees: float) -> float:
    return degrees + float(np.clip(wanted - degrees, -_TURN_STEP, _TURN_STEP))


def darkened(frame: np.ndarray, *, share: float) -> np.ndarray:
    """Return what a sensor sees of `share` of the light: dark, and relatively noisier."""
    random = np.random.default_rng(int(frame[0, 0, 0]))
    return _sensed(frame, random, light=share, noise=2.5)


def _background() -> np.ndarray:
    ramp = np.linspace(90, 150, WIDTH, dtype=np.float32)[None, :, None]
    return np.broadcast_to(ramp, (HEIGHT, WIDTH, 3)).astype(np.uint8).copy()


def _walks(random: np.random.Generator, frames: int, count: int) -> np.ndarray:
    """(frames, count) walks of unit variance whose neighbours correlate at 0.9."""
    state = random.standard_normal(count)
    walks = np.empty((frames, count))
    for i in range(frames):
        state = 0.9 * state + np.sqrt(1 - 0.9**2) * random.standard_normal(count)
        walks[i] = state
    return walks


def _moved(scene: np.ndarray, walk: np.ndarray, motion: Motion) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D(
        (WIDTH / 2, HEIGHT / 2), motion.degrees * walk[2], 1 + motion.zoom * walk[3]
    )
    matrix[:, 2] += motion.shift_px * walk[:2]
    moved = cv2.warpAffine(scene, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    if not motion.muscle_px:
        return moved
    mesh = motion.muscle_px * walk[5:].reshape(2, _MESH, _MESH).astype(np.float32)
    flow = [cv2.resize(side, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for side in mesh]
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    return cv2.remap(
        moved, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _sensed(
    image: np.ndarray, random: np.random.Generator, *, light: float, noise: float
) -> np.ndarray:
    grain = noise * random.standard_normal(image.shape, np.float32)
    return np.clip(image * np.float32(light) + grain, 0, 255).astype(np.uint8)
