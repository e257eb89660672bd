"""Where targets put files: a folder in RAM, where there is such, that goes when Python ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.faults import SCRATCH


@cache
def scratch(name: str) -> Path:
    """A folder of this process for a target."""
    parent = SCRATCH[1] if os.access(SCRATCH[1], os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix=f"edgeface-fuzz-{name}-", dir=parent))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
