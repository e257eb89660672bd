"""Runs on the board, from standard input, before anything is copied: what is there?

Standard library only, Python 3.9 or later. Arguments: name of the kit, root to install into.
Prints one line of JSON; changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path


def existing(path: Path) -> Path:
    """Return a path, or its nearest parent that is there."""
    return path if path.exists() else existing(path.parent)


def contents(folder: Path) -> dict[str, list[int | str]]:
    """Return name -> [bytes, SHA-256] of every file below a folder."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink():
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            found[str(file.relative_to(folder))] = [file.stat().st_size, digest]
    return found


def look(kit: str, root: Path) -> dict[str, object]:
    """Return what the host decides by."""
    upload = Path.home() / ".cache" / "edgeface" / kit
    tree = Path("/proc/device-tree/compatible")
    home = existing(root / "opt/edgeface")
    sudo = shutil.which("sudo")
    asked = subprocess.run([sudo, "-n", "true"], capture_output=True) if sudo else None
    return {
        "machine": platform.machine(),
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "user": os.environ.get("USER") or str(os.getuid()),
        "is_root": os.getuid() == 0,
        "writes": os.access(home, os.W_OK),
        "sudo": asked is not None and asked.returncode == 0,
        "compatible": tree.read_bytes().decode("ascii", "replace").split("\0")[:-1]
        if tree.exists()
        else [],
        "upload": str(upload),
        "upload_free": shutil.disk_usage(existing(upload)).free,
        "home_free": shutil.disk_usage(home).free,
        "same_disk": existing(upload).stat().st_dev == home.stat().st_dev,
        "files": contents(upload),
    }


print(json.dumps(look(sys.argv[1], Path(sys.argv[2]))))
