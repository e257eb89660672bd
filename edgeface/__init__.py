"""edgeface: face recognition that runs on the device: detect, align, embed, match.

Every public name is loaded on first use, so that ``import edgeface`` costs milliseconds and
never loads NumPy, OpenCV or an inference runtime by itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeface.board import Board
    from edgeface.bundle import Bundle
    from edgeface.errors import (
        BackendError,
        BundleError,
        EdgeFaceError,
        GalleryError,
        ImageError,
        NoFaceError,
    )
    from edgeface.face import Face, Verification
    from edgeface.gallery import Gallery, Identification
    from edgeface.image import read_image
    from edgeface.pipeline import Pipeline
    from edgeface.quality import Quality

    __version__: str

__all__ = [
    "BackendError",
    "Board",
    "Bundle",
    "BundleError",
    "EdgeFaceError",
    "Face",
    "Gallery",
    "GalleryError",
    "Identification",
    "ImageError",
    "NoFaceError",
    "Pipeline",
    "Quality",
    "Verification",
    "__version__",
    "read_image",
]

_HOME = {
    "BackendError": "errors",
    "Board": "board",
    "Bundle": "bundle",
    "BundleError": "errors",
    "EdgeFaceError": "errors",
    "Face": "face",
    "Gallery": "gallery",
    "GalleryError": "errors",
    "Identification": "gallery",
    "ImageError": "errors",
    "NoFaceError": "errors",
    "Pipeline": "pipeline",
    "Quality": "quality",
    "Verification": "face",
    "read_image": "image",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value = version("edgeface")
    elif name in _HOME:
        value = getattr(importlib.import_module(f"edgeface.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'edgeface' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
