"""Kits as one file, and configurations, for tests of roll-outs."""

from __future__ import annotations

import tarfile
from pathlib import Path


def pack(kit: Path, archive: Path) -> Path:
    """Write a kit's folder as a plain tar, as ``tar -cf`` does."""
    with tarfile.open(archive, "w") as tar:
        tar.add(kit, kit.name)
    return archive
