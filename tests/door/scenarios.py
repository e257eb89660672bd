"""Visits to a door, replayed: who comes, how, and for whom it may open and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from tests.door import clips
from tests.door.clips import Clip
from tests.door.heads import head_turned, print_tilted

SHORT = 40  # frames: four seconds of a camera that gives ten a second
LONG = 120  # long enough for three movements of the head
SWAP = 14  # the frame at which a stranger takes somebody's place


@dataclass(frozen=True, eq=False)
class Portrait:
    """A scene with one face: (480, 640, 3) uint8 BGR, and its (5, 2) landmarks."""

    scene: np.ndarray
    landmarks: np.ndarray

    def turned(self, degrees: float) -> np.ndarray:
        """Return it with the head turned, positive towards the person's left."""
        if degrees == 0:
            return self.scene
        return head_turned(self.scene, self.landmarks, degrees=degrees)

    def tilted(self, degrees: float) -> np.ndarray:
        """Return it as a flat print that is turned as a head would be."""
        if degrees == 0:
            return self.scene
        return print_tilted(self.scene, self.landmarks, degrees=degrees)


@dataclass(frozen=True)
class Scenario:
    """One visit.

    Attributes
    ----------
    kind
        Row of the table.
    frames
        What the camera sees.
    person
        For whom the door may open; None: for nobody.
    until
        The first frame at which it may no longer.
    """

    kind: str
    frames: Clip
    person: str | None = None
    until: int = LONG


def _alive(portrait: Portrait, seed: int, frames: int) -> Clip:
    return clips.living(portrait.turned, frames=frames, seed=seed)


def known(person: str, portrait: Portrait, *, seed: int, frames: int) -> Scenario:
    """Somebody enrolled comes; the photo is not one of those enrolled."""
    return Scenario("known", _alive(portrait, seed, frames), person)


def stranger(portrait: Portrait, *, seed: int, frames: int, kind: str = "unknown") -> Scenario:
    """Somebody who is not enrolled comes."""
    return Scenario(kind, _alive(portrait, seed, frames))


def two_people(left: np.ndarray, right: np.ndarray, *, seed: int, frames: int) -> Scenario:
    """Somebody enrolled and a stranger stand side by side, equally near."""
    scene = clips.placed(left, height=300, left=0.28)
    half = clips.WIDTH // 2
    scene[:, half:] = clips.placed(right, height=300, left=0.72)[:, half:]
    clip = clips.living(clips.unmoved(scene), frames=frames, seed=seed)
    return Scenario("two people", clip)


def tailgating(
    person: str, portrait: Portrait, other: Portrait, *, seed: int, frames: int
) -> Scenario:
    """A stranger takes the place of somebody enrolled, from one frame to the next."""
    clip = _one_after_the_other(
        _alive(portrait, seed, frames=SWAP), _alive(other, seed + 1, frames=frames - SWAP)
    )
    return Scenario("tailgating", clip, person, until=SWAP)


def frozen(portrait: Portrait, *, seed: int, frames: int, period: int) -> Scenario:
    """The feed of somebody enrolled stands still, or plays the same frames again and again."""
    kind = "frozen feed" if period == 1 else "looped feed"
    return Scenario(kind, clips.frozen(portrait.scene, frames=frames, seed=seed, period=period))


def dark(portrait: Portrait, *, seed: int, frames: int) -> Scenario:
    """Somebody enrolled stands in the dark: too little is seen to open."""
    seen = _changed(_alive(portrait, seed, frames), lambda frame: clips.darkened(frame, share=0.08))
    return Scenario("dark", seen)


def attack(kind: str, shown: Portrait, *, seed: int, frames: int) -> Scenario:
    """A picture of somebody enrolled is held up by a hand that sways and turns it when asked.

    It moves as a whole: paper and glass have no muscles.
    """
    hand = clips.Motion(muscle_px=0.0)
    return Scenario(kind, clips.living(shown.tilted, frames=frames, seed=seed, motion=hand))


def _one_after_the_other(first: Clip, second: Clip) -> Clip:
    yield from first
    yield from second


def _changed(clip: Clip, change: Callable[[np.ndarray], np.ndarray]) -> Clip:
    asked = None
    while True:
        try:
            frame = clip.send(asked)
        except StopIteration:
            return
        asked = yield change(frame)
