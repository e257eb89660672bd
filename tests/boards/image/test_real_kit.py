"""A whole kit in an image: the board's own wheels run out of it on an emulated A72.

`EDGEFACE_KIT` names a kit for the RK3576 with Python 3.11, as `python -m boards kit` makes it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from boards.image.build import build_image
from boards.slot import HOME
from tests.boards.image.conftest import BOARD, emulated
from tests.boards.image.test_image import extracted, unpacked

KIT = "EDGEFACE_KIT"


@pytest.mark.skipif(KIT not in os.environ, reason=f"{KIT} names no kit")
def test_installed_edgeface_passes_its_self_test(base: Path, tmp_path: Path) -> None:
    out, kit = tmp_path / "out.img", Path(os.environ[KIT])
    report = build_image(base, board=BOARD, kit=kit, out=out)
    assert report.files > 1000
    root = unpacked(extracted(out, tmp_path), tmp_path)
    done = subprocess.run(
        emulated(root, "selftest", "--json"),
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "EDGEFACE_BUNDLE": str(root / HOME / "slots/a/bundle.efb"),
            "PYTHONHOME": str(root / "usr"),
        },
    )
    assert json.loads(done.stdout)["ok"] is True, done.stderr
