"""What the liveness stage is measured on: live frames and attacks, under every fixed camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export import liveness_sets as sets
from export.detector_data import Photos
from export.liveness_attacks import ATTACKS, attack, attack_on
from export.liveness_camera import CONDITIONS, shoot
from export.liveness_data import load_part
from export.liveness_frame import Frame, jittered
from export.liveness_scene import person

SEED = 40_000
LIVE = "live"
CELEBA, LFW, LFW_BARRED = "CelebA", "LFW", "LFW with black bars"
BAR_PIXELS = 3


@dataclass(frozen=True, eq=False)
class Trial:
    """One face before one camera.

    Attributes
    ----------
    kind : "live" or one of ATTACKS.
    source : whose photo: "FairFace", "CelebA", "LFW", "LFW with black bars".
    camera : one of CONDITIONS, or "as is" for photos that no simulated camera took.
    frame : what the camera gives.
    """

    kind: str
    source: str
    camera: str
    frame: Frame


def trials(folder, *, frames: int) -> list[Trial]:
    """Every trial: ``frames`` per attack and source, each seen by every camera.

    FairFace photos are those of the part "test", CelebA ones of the half that no threshold saw.
    """
    rng = np.random.default_rng(SEED)
    photos = load_part(f"{folder}/fairface224", "test")
    real = sets.celeba(folder, half="measuring")
    found = [Trial(LIVE, CELEBA, "as is", frame) for frame in real]
    found += [Trial(LIVE, lfw_kind(frame), "as is", frame) for frame in sets.lfw(folder)]
    found += _simulated(photos, real, rng, frames=frames)
    return found


def lfw_kind(frame: Frame) -> str:
    """LFW's photos are black where their source ended: such a bar looks like a screen's bezel."""
    edges = (frame.image[0], frame.image[-1], frame.image[:, 0], frame.image[:, -1])
    return LFW_BARRED if any(int(edge.max()) < 8 for edge in edges) else LFW


def _simulated(photos: Photos, real: list, rng, *, frames: int) -> list[Trial]:
    found = []
    for number in range(frames):
        index = number % len(photos)
        square = sets.shown(real[number % len(real)])
        scenes = [(LIVE, "FairFace", person(photos, index, rng)), (LIVE, CELEBA, square)]
        scenes += [(kind, "FairFace", attack(photos, index, rng, kind=kind)) for kind in ATTACKS]
        scenes += [(kind, CELEBA, attack_on(square, photos, rng, kind=kind)) for kind in ATTACKS]
        for kind, source, frame in scenes:
            for name, camera in CONDITIONS.items():
                shot = jittered(Frame(shoot(frame.image, camera), frame.box, frame.landmarks), rng)
                found.append(Trial(kind, source, name, shot))
    return found


def chosen(found: list[Trial], **wanted) -> np.ndarray:
    """Indices of the trials whose fields are these; a tuple means any of its values."""
    return np.array(
        [
            i
            for i, trial in enumerate(found)
            if all(_fits(getattr(trial, name), value) for name, value in wanted.items())
        ],
        np.int64,
    )


def _fits(found: str, wanted) -> bool:
    return found in wanted if isinstance(wanted, tuple) else found == wanted
