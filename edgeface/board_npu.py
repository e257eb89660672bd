"""The NPU that the kernel drives, if any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeface.backends.npu import find_rknpu, find_vipcore
from edgeface.board_root import read_text

_DEVFREQ = "sys/class/devfreq"


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
    rknpu = find_rknpu(root)
    if rknpu:
        return Npu("rknpu", rknpu[0], rknpu[1], governor)
    vipcore = find_vipcore(root)
    return Npu("vipcore", vipcore, None, governor) if vipcore else None


def npu_frequency_folder(root: Path) -> Path | None:
    """Return where devfreq speaks about the NPU, or None."""
    return next(iter(sorted((root / _DEVFREQ).glob("*npu*"))), None)
