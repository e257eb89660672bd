"""Which board this is, and what it has: CPU clusters, NPU, memory, governors, temperatures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgeface.board_cpu import Cluster, find_clusters, read_cpu_info
from edgeface.board_identity import NPU_RUNTIMES, identify
from edgeface.board_npu import Npu, find_npu
from edgeface.board_root import board_root, read_text
from edgeface.board_sensors import thermal_zones

__all__ = ["Board", "Cluster", "Npu"]


@dataclass(frozen=True)
class Board:
    """This machine. Make it with `Board.detect`.

    Attributes
    ----------
    name
        "rk3576", "t527", "generic-arm64", "x86-64-host", or what /etc/edgeface/board.toml says.
    model
        The maker's name for it, from the device tree or DMI; "" where there is none.
    clusters
        Fastest first.
    features
        What its CPUs all can: Linux's names, such as "asimddp".
    npu
        None where there is none, or no driver for it.
    memory_bytes
        All of it.
    runtimes
        What may run an embedder here, best first: of `edgeface.manifest.RUNTIMES`.
    thermal_zones
        Names of its temperatures, as `edgeface.board_sensors.Sensors` gives them.
    """

    name: str
    model: str
    clusters: tuple[Cluster, ...]
    features: tuple[str, ...]
    npu: Npu | None
    memory_bytes: int
    runtimes: tuple[str, ...]
    thermal_zones: tuple[str, ...] = ()

    @classmethod
    def detect(cls, root: str | os.PathLike[str] | None = None) -> Board:
        """Look at this machine, or at another's /proc, /sys, /dev and /etc.

        Parameters
        ----------
        root
            The folder that stands for "/". None takes EDGEFACE_BOARD_ROOT's, else "/".

        Raises
        ------
        BoardError
            /etc/edgeface/board.toml is wrong or another board's, or `root` is no machine's tree.
        """
        place = board_root(root)
        cpu = read_cpu_info(place)
        npu = find_npu(place)
        kind = npu.kind if npu else None
        identity = identify(place, arch=cpu.arch, npu=kind)
        absent = {runtime for other, runtime in NPU_RUNTIMES.items() if other != kind}
        return cls(
            name=identity.name,
            model=identity.model,
            clusters=find_clusters(place, cpu),
            features=cpu.features,
            npu=npu,
            memory_bytes=_memory_bytes(place),
            runtimes=tuple(name for name in identity.runtimes if name not in absent),
            thermal_zones=thermal_zones(place),
        )


def _memory_bytes(root: Path) -> int:
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024  # it says "kB" and means KiB
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
