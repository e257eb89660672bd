"""Which board: by the device tree, and by what /etc/edgeface/board.toml says where it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeface.board_cpu import AARCH64, X86_64
from edgeface.board_root import read_text
from edgeface.errors import BoardError
from edgeface.manifest import RUNTIMES
from edgeface.toml import read_toml

BOARD_FILE = "etc/edgeface/board.toml"
_DEVICE_TREE = ("proc/device-tree", "sys/firmware/devicetree/base")
_DMI = ("sys_vendor", "product_name")
# The files of boards/ in short, for a board without /etc/edgeface/board.toml; a test compares them.
SOCS = {
    "rk3576": ("rockchip,rk3576",),
    "t527": ("allwinner,sun55i-t527", "allwinner,t527", "arm,sun55iw3p1"),
}
# Two chips of one die answer to these. With an NPU it is a T527, without one an A527.
_T527_OR_A527 = {"arm,sun55iw3p1", "allwinner,sun55i-a527", "allwinner,a527"}
NPU_RUNTIMES = {"rknpu": "rknn", "vipcore": "nbg"}
"""The runtime of each kind of NPU."""

CPU_RUNTIMES = ("onnx", "tflite")
_NAMED = {X86_64: "x86-64-host", AARCH64: "generic-arm64"}


@dataclass(frozen=True)
class Identity:
    """A board's name, its maker's name for it, and runtimes best first, NPUs' among them."""

    name: str
    model: str
    runtimes: tuple[str, ...]


def device_tree(root: Path) -> tuple[tuple[str, ...], str]:
    """Return the device tree's "compatible" strings, most exact first, and its model."""
    for place in _DEVICE_TREE:
        compatible = read_text(root / place / "compatible")
        if compatible:
            return tuple(compatible.split("\0")), read_text(root / place / "model") or ""
    return (), ""


def identify(root: Path, *, arch: str, npu: str | None) -> Identity:
    """Say which board a tree is of.

    Parameters
    ----------
    root
        The folder that stands for "/".
    arch
        "aarch64" or "x86_64".
    npu
        The kind of its NPU, or None.

    Raises
    ------
    BoardError
        Its board.toml is wrong, or another board's.
    """
    compatible, model = device_tree(root)
    model = model or _dmi(root)
    path = root / BOARD_FILE
    facts = read_toml(path)
    if facts is None:
        return Identity(
            _name(compatible, arch, npu), model, (*NPU_RUNTIMES.values(), *CPU_RUNTIMES)
        )
    _require_facts(facts, path)
    fits = set(facts["compatible"]) & set(compatible) if facts["compatible"] else True
    if facts["arch"] != arch or not fits:
        found = ", ".join(compatible) or "no device tree"
        raise BoardError(
            f"{path} is for {facts['name']} ({facts['arch']}; {', '.join(facts['compatible'])}), "
            f"this machine is {arch} ({found}): install this board's kit, or remove that file"
        )
    return Identity(facts["name"], model, tuple(facts["runtimes"]))


def _name(compatible: tuple[str, ...], arch: str, npu: str | None) -> str:
    for name, listed in SOCS.items():
        if (set(listed) - _T527_OR_A527) & set(compatible):
            return name
    if npu == "vipcore" and _T527_OR_A527 & set(compatible):
        return "t527"
    return _NAMED.get(arch, arch)


def _dmi(root: Path) -> str:
    found = (read_text(root / "sys/class/dmi/id" / name) for name in _DMI)
    return " ".join(text for text in found if text)


def _require_facts(facts: Mapping[str, Any], path: Path) -> None:
    for key, kind in (("name", str), ("arch", str), ("compatible", list), ("runtimes", list)):
        if not isinstance(facts.get(key), kind):
            raise BoardError(
                f"{path}: {key} is {facts.get(key)!r}, expected a {kind.__name__}; docs/boards.md "
                "describes the file"
            )
    if not all(isinstance(text, str) for text in facts["compatible"]):
        raise BoardError(
            f"{path}: compatible is {facts['compatible']}, expected texts as the device tree has, "
            'such as "rockchip,rk3576"'
        )
    wrong = [name for name in facts["runtimes"] if name not in RUNTIMES]
    if wrong or not facts["runtimes"]:
        raise BoardError(
            f"{path}: runtimes are {facts['runtimes']}, expected some of {', '.join(RUNTIMES)}"
        )
