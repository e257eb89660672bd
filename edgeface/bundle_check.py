"""A bundle's members against its manifest: exactly those, of the lengths and hashes it lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeface.errors import BundleFormatError, BundleIncompatibleError, BundleIntegrityError
from edgeface.manifest import MANIFEST_NAME, SIGNATURE_NAME

# What the manifest cannot list: itself, and the signature over it.
_UNLISTED = frozenset({MANIFEST_NAME, SIGNATURE_NAME})


def require_board(manifest: Mapping, board: str | None, *, path: Path) -> None:
    """Raise ``BundleIncompatibleError`` unless the bundle may run on `board` (None: anywhere)."""
    compatible = manifest["compatible"]
    if board is not None and "any" not in compatible and board not in compatible:
        raise BundleIncompatibleError(
            f"bundle {path} is for {', '.join(compatible)}; this board is {board!r}: use "
            "a bundle made for it, or one for 'any'"
        )


def require_sizes(manifest: Mapping, sizes: Mapping[str, int], *, path: Path) -> None:
    """Raise a ``BundleError`` unless the file's members are the listed ones, in name and length."""
    expected = manifest["members"]
    found = set(sizes) - _UNLISTED
    lacking, extra = set(expected) - found, found - set(expected)
    for problem, names in (("lacks", lacking), ("has in excess", extra)):
        if names:
            raise BundleFormatError(
                f"bundle {path} {problem} {', '.join(sorted(names))}: its members must be "
                f"exactly those of {MANIFEST_NAME}"
            )
    for name in sorted(expected):
        if sizes[name] != expected[name]["bytes"]:
            raise BundleIntegrityError(
                f"bundle {path}: {name} has {sizes[name]} bytes, the manifest says "
                f"{expected[name]['bytes']}: copy or download it again"
            )


def require_hashes(manifest: Mapping, found: Mapping[str, str], *, path: Path) -> None:
    """Raise ``BundleIntegrityError`` unless members' SHA-256 (hex, by name) are the listed ones."""
    for name in sorted(set(found) - _UNLISTED):
        expected = manifest["members"][name]["sha256"]
        if found[name] != expected:
            raise BundleIntegrityError(
                f"bundle {path}: {name} has SHA-256 {found[name][:16]}…, the manifest says "
                f"{expected[:16]}…: the file is damaged or was changed; copy or download it again"
            )
