"""The NPU that the kernel drives, if any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeface.board_root import read_text

_DEVFREQ = "sys/class/devfreq"
_DRM = "sys/class/drm"


@dataclass(frozen=True)
class Npu:
    """A neural processor that the kernel drives.

    Attributes
    ----------
    kind
        "rknpu" (Rockchip) or "vipcore" (Allwinner, VeriSilicon VIP9000).
    node
        Its device node: /dev/dri/renderD129, found by driver name, or /dev/vipcore.
    driver
        The driver's version, such as "0.9.8", or None where it cannot be read.
    governor
        Its devfreq governor, or None.
    """

    kind: str
    node: str
    driver: str | None
    governor: str | None


def find_npu(root: Path) -> Npu | None:
    """Return the machine's NPU, or None where there is none or no driver for it."""
    folder = npu_frequency_folder(root)
    governor = read_text(folder / "governor") if folder else None
    for node in sorted((root / _DRM).glob("renderD*")):
        driver = node / "device" / "driver"
        if driver.exists() and driver.resolve().name.upper() == "RKNPU":
            version = read_text(root / "sys/module/rknpu/version")
            return Npu("rknpu", f"/dev/dri/{node.name}", version, governor)
    if (root / "dev/vipcore").exists():
        return Npu("vipcore", "/dev/vipcore", None, governor)
    return None


def npu_frequency_folder(root: Path) -> Path | None:
    """Return where devfreq speaks about the NPU, or None."""
    return next(iter(sorted((root / _DEVFREQ).glob("*npu*"))), None)
