"""Which NPU the kernel drives, found by its driver and not by a fixed node."""

from __future__ import annotations

import os
from pathlib import Path

ROOT_VARIABLE = "EDGEFACE_BOARD_ROOT"
RKNPU_DRIVER = "RKNPU"
VIPCORE_NODE = "/dev/vipcore"


def find_rknpu(root: str | os.PathLike[str] | None = None) -> tuple[str, str | None] | None:
    """Return Rockchip's NPU as (device node, driver version), or None where there is none.

    On an RK3576 the GPU and the NPU both are DRM render nodes, numbered as they came up.

    Parameters
    ----------
    root
        The folder that stands for "/"; None for EDGEFACE_BOARD_ROOT's, else "/".

    Returns
    -------
    tuple or None
        Such as ("/dev/dri/renderD129", "0.9.8"); the version is None where it cannot be read.
    """
    place = board_root(root)
    for node in sorted((place / "sys/class/drm").glob("renderD*")):
        driver = node / "device" / "driver"
        if driver.exists() and driver.resolve().name.upper() == RKNPU_DRIVER:
            return f"/dev/dri/{node.name}", _version(place / "sys/module/rknpu/version")
    return None


def find_vipcore(root: str | os.PathLike[str] | None = None) -> str | None:
    """Return the device node of VeriSilicon's NPU, or None; `root` as for `find_rknpu`."""
    return VIPCORE_NODE if (board_root(root) / VIPCORE_NODE.lstrip("/")).exists() else None


def board_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that stands for "/": `root`, else EDGEFACE_BOARD_ROOT's, else "/"."""
    return Path(root if root is not None else os.environ.get(ROOT_VARIABLE) or "/")


def _version(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
