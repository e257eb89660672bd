"""Where the gallery lies and what its key is, and opening it for a bundle's model."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from edgeface.bundle import Bundle
from edgeface.cli_output import UsageError
from edgeface.gallery import Gallery
from edgeface.gallery_key import GalleryKey
from edgeface.gallery_template import require_name

_SOURCES = ("file", "command", "passphrase_env")


def add_gallery_argument(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Add ``--gallery`` and the options that say where its key is."""
    parser.add_argument(
        "--gallery",
        metavar="FILE",
        help="gallery file (default: $EDGEFACE_GALLERY, else ~/.local/share/edgeface/gallery.db)",
        **options,
    )
    add_key_arguments(parser, "key", "of an encrypted gallery", **options)


def add_key_arguments(
    parser: argparse.ArgumentParser, name: str, of_what: str, **options: Any
) -> None:
    """Add ``--NAME FILE``, ``--NAME-command`` and ``--NAME-passphrase-env``."""
    default = ", in place of $EDGEFACE_GALLERY_KEY" if name == "key" else ""
    parser.add_argument(
        f"--{name}",
        dest=f"{name.replace('-', '_')}_file",
        metavar="FILE",
        help=f"key file {of_what}{default}",
        **options,
    )
    parser.add_argument(
        f"--{name}-command",
        metavar="COMMAND",
        help=f"command that prints the key {of_what}, such as 'tpm2_unseal -c 0x81010001'",
        **options,
    )
    parser.add_argument(
        f"--{name}-passphrase-env",
        metavar="VARIABLE",
        help=f"environment variable with the passphrase {of_what}",
        **options,
    )


def chosen_key(args: argparse.Namespace, name: str = "key") -> GalleryKey | None:
    """Return the key that the options of `add_key_arguments` name; None when they name none.

    For ``key`` itself, EDGEFACE_GALLERY_KEY's file comes after them. Raises ``UsageError`` for
    more than one, ``GalleryKeyError`` when the key cannot be had.
    """
    found = {source: getattr(args, f"{name}_{source}", None) for source in _SOURCES}
    table: dict[str, Any] = {source: value for source, value in found.items() if value}
    if len(table) > 1:
        raise UsageError(f"--{name.replace('_', '-')} is given in {len(table)} ways: give one")
    if "command" in table:
        table["command"] = shlex.split(table["command"])
    if table:
        return GalleryKey.from_settings(table, base=Path())
    return GalleryKey.from_environment() if name == "key" else None


def gallery_path(args: argparse.Namespace) -> Path:
    """Return ``--gallery``, else what `configured_gallery` says."""
    return Path(args.gallery) if args.gallery else configured_gallery()


def configured_gallery() -> Path:
    """Return $EDGEFACE_GALLERY, else the place in the user's data folder (XDG)."""
    chosen = os.environ.get("EDGEFACE_GALLERY")
    if chosen:
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "edgeface" / "gallery.db"


def open_gallery(
    args: argparse.Namespace,
    bundle: Bundle,
    *,
    create: bool = False,
    with_key: bool = True,
    migrate: bool = False,
) -> Gallery:
    """Open the chosen gallery for the bundle's embedder, with the chosen key.

    Raises
    ------
    GalleryError
        It is missing (unless `create`), cannot be opened, or belongs to another model (unless
        `migrate`).
    """
    return Gallery.open(
        gallery_path(args),
        model_id=bundle.model_id,
        dim=bundle.stage("embedder")["dim"],
        create=create,
        key=chosen_key(args) if with_key else None,
        migrate=migrate,
    )


def valid_name(text: str) -> str:
    """Parse a person's name, for argparse: a usage error says what is wrong with it."""
    try:
        return require_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
