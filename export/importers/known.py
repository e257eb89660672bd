"""What is known of networks by name: how they are fed, and whose some files are."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from export.errors import ExportError
from export.preprocessing import Preprocessing

IMAGENET_MEAN = (123.675, 116.28, 103.53)  # 255 × (0.485, 0.456, 0.406)
IMAGENET_STD = (58.395, 57.12, 57.375)  # 255 × (0.229, 0.224, 0.225)
PIXELS = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}

PREPROCESSINGS = {
    # insightface, recognition/arcface_torch: RGB, div(255).sub(0.5).div(0.5)
    "arcface": Preprocessing(),
    # otroshi/edgeface, README: ToTensor, Normalize(0.5, 0.5)
    "edgeface": Preprocessing(),
    # insightface's first networks and many MobileFaceNets: RGB, (x - 127.5) / 128
    "arcface128": Preprocessing(std=(128.0,) * 3),
    # mk-minchul/AdaFace, README: BGR, ((x / 255) - 0.5) / 0.5
    "adaface": Preprocessing(colour="BGR"),
    # timesler/facenet-pytorch, fixed_image_standardization: RGB, (x - 127.5) / 128, 160 pixels
    "facenet": Preprocessing(std=(128.0,) * 3, size=160),
    # torchvision's transforms for ImageNet; foamliu/MobileFaceNet
    "imagenet": Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD),
    # networks that normalise inside: MXNet's ArcFace exports, OpenCV's SFace
    "pixels_rgb": Preprocessing(**PIXELS),
    "pixels_bgr": Preprocessing(colour="BGR", **PIXELS),
}
"""Name → preprocessing, each with where it is from. Sizes are what those networks take."""

FILES = {
    "1613cc087b11d59d4c9837865a5999265f14cb0a09b2c16d89de3c9232361c29": {
        "weights": "BSD-3-Clause",
        "source": "EdgeFace-XS, Idiap Research Institute; trained on WebFace260M (research)",
    },
    "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507": {
        "weights": "Apache-2.0",
        "source": "MobileFaceNet; trained on MS-Celeb-1M (research)",
    },
}
"""SHA-256 of a file → its `Source.licence`."""


def named(name: str) -> Preprocessing:
    """Return the preprocessing of that name.

    Raises
    ------
    ExportError
        It is not in `PREPROCESSINGS`.
    """
    if name not in PREPROCESSINGS:
        raise ExportError(f"preprocessing {name!r}, expected one of {', '.join(PREPROCESSINGS)}")
    return PREPROCESSINGS[name]


def required(given: Preprocessing | None, *, file: Path) -> Preprocessing:
    """Return what was given.

    Raises
    ------
    ExportError
        Nothing was; the text lists both ways to say it.
    """
    if given is None:
        names = ", ".join(PREPROCESSINGS)
        raise ExportError(
            f"{file}: how this network is fed is not in its file, and is never guessed. Say it by "
            f"name, --preprocessing NAME ({names}), or in full: --colour RGB|BGR --mean R,G,B "
            "--std R,G,B --size PIXELS, where x = (pixel - mean) / std with pixels of 0 to 255"
        )
    return given


def licence_of(file: Path, given: str | None) -> dict:
    """Return `Source.licence` of a file: what was given, what is known of it, or no assertion."""
    known = FILES.get(sha256(file.read_bytes()).hexdigest(), {})
    weights = given or known.get("weights", "NOASSERTION")
    return {"weights": weights, "source": known.get("source", file.name)}
