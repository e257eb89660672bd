"""Where the gallery lies, and opening it for a bundle's model."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from edgeface.bundle import Bundle
from edgeface.gallery import Gallery
from edgeface.gallery_template import require_name


def add_gallery_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--gallery``."""
    parser.add_argument(
        "--gallery",
        metavar="FILE",
        help="gallery file (default: $EDGEFACE_GALLERY, else ~/.local/share/edgeface/gallery.db)",
    )


def gallery_path(args: argparse.Namespace) -> Path:
    """Return ``--gallery``, else $EDGEFACE_GALLERY, else the user's data folder (XDG)."""
    chosen = args.gallery or os.environ.get("EDGEFACE_GALLERY")
    if chosen:
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "edgeface" / "gallery.db"


def open_gallery(args: argparse.Namespace, bundle: Bundle, *, create: bool = False) -> Gallery:
    """Open the chosen gallery for the bundle's embedder.

    Raises
    ------
    GalleryError
        It is missing (unless `create`), cannot be opened, or belongs to another model.
    """
    dim = bundle.stage("embedder")["dim"]
    return Gallery.open(gallery_path(args), model_id=bundle.model_id, dim=dim, create=create)


def valid_name(text: str) -> str:
    """Parse a person's name, for argparse: a usage error says what is wrong with it."""
    try:
        return require_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
