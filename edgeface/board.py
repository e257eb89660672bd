"""Which board this is, and what it has: CPU clusters, NPU, memory, governors, temperatures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """CPUs that share a clock.

    Attributes
    ----------
    name
        The core's name for people: "cortex-a72", "cortex-a55", or "x86-64".
    cpus
        Their numbers, as `os.sched_setaffinity` takes them.
    max_khz
        Highest clock, or None where the kernel does not say.
    governor
        Its frequency governor, such as "performance", or None.
    """

    name: str
    cpus: tuple[int, ...]
    max_khz: int | None
    governor: str | None


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
    """

    name: str
    model: str
    clusters: tuple[Cluster, ...]
    features: tuple[str, ...]
    npu: Npu | None
    memory_bytes: int
    runtimes: tuple[str, ...]
