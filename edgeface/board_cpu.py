"""CPU clusters and features: /proc/cpuinfo says which cores, cpufreq which share a clock."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgeface.board_root import cpu_list, read_int, read_text
from edgeface.errors import BoardError

AARCH64, X86_64 = "aarch64", "x86_64"
_CPUS = "sys/devices/system/cpu"
_ARM = 0x41  # the implementer that MIDR_EL1 names
# MIDR_EL1's part numbers. The first group runs in order: slower at the same clock.
_IN_ORDER = {
    0xD03: "cortex-a53",
    0xD04: "cortex-a35",
    0xD05: "cortex-a55",
    0xD46: "cortex-a510",
    0xD80: "cortex-a520",
}
_OUT_OF_ORDER = {
    0xD07: "cortex-a57",
    0xD08: "cortex-a72",
    0xD09: "cortex-a73",
    0xD0A: "cortex-a75",
    0xD0B: "cortex-a76",
    0xD0C: "neoverse-n1",
    0xD0D: "cortex-a77",
    0xD40: "neoverse-v1",
    0xD41: "cortex-a78",
    0xD44: "cortex-x1",
    0xD47: "cortex-a710",
    0xD49: "neoverse-n2",
    0xD4D: "cortex-a715",
    0xD4F: "neoverse-v2",
    0xD81: "cortex-a720",
}
_CORES = {**_IN_ORDER, **_OUT_OF_ORDER}


@dataclass(frozen=True)
class Cluster:
    """CPUs that share a clock.

    Attributes
    ----------
    name
        The core's name for people: "cortex-a72", "cortex-a55", or "x86-64"; a second cluster of
        the same core is "cortex-a55-2".
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
class CpuInfo:
    """What /proc/cpuinfo says.

    Attributes
    ----------
    arch
        "aarch64" or "x86_64", or what Linux calls another machine.
    names
        CPU number to its core's name.
    features
        What all of them can, in the order of the first.
    """

    arch: str
    names: Mapping[int, str]
    features: tuple[str, ...]


def read_cpu_info(root: Path) -> CpuInfo:
    """Read a machine's /proc/cpuinfo.

    Raises
    ------
    BoardError
        `root` is another machine's tree, and holds no /proc/cpuinfo that says what it is.
    """
    text = read_text(root / "proc/cpuinfo") or ""
    blocks = [dict(_fields(block)) for block in text.split("\n\n")]
    cpus = {int(b["processor"]): b for b in blocks if b.get("processor", "").isdigit()}
    arch = _arch(cpus.values(), root)
    if not cpus:  # this machine, without /proc
        return CpuInfo(arch, dict.fromkeys(range(os.cpu_count() or 1), _core({}, arch)), ())
    names = {number: _core(block, arch) for number, block in sorted(cpus.items())}
    field = "Features" if arch == AARCH64 else "flags"
    listed = [block.get(field, "").split() for block in cpus.values()]
    common = set(listed[0]).intersection(*listed[1:])
    return CpuInfo(arch, names, tuple(name for name in listed[0] if name in common))


def find_clusters(root: Path, info: CpuInfo) -> tuple[Cluster, ...]:
    """Return the CPUs by the clock they share, fastest first, under names that are unique."""
    clusters = list(_policies(root, info.names))
    clocked = {cpu for cluster in clusters for cpu in cluster.cpus}
    for name in sorted(set(info.names.values())):
        cpus = tuple(c for c, core in info.names.items() if core == name and c not in clocked)
        clusters += [Cluster(name, cpus, None, None)] if cpus else []
    clusters.sort(key=lambda cluster: _speed(root, cluster))
    return tuple(_uniquely_named(clusters))


def policy_folder(root: Path, cluster: Cluster) -> Path:
    """Return where cpufreq speaks about a cluster; it need not exist."""
    return root / _CPUS / f"cpu{cluster.cpus[0]}" / "cpufreq"


def _fields(block: str) -> Iterable[tuple[str, str]]:
    for line in block.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _arch(blocks: Iterable[Mapping[str, str]], root: Path) -> str:
    if root == Path("/"):  # under emulation /proc/cpuinfo may be the host's
        return platform.machine()
    for block in blocks:
        if "CPU implementer" in block:
            return AARCH64
        if "vendor_id" in block:
            return X86_64
    raise BoardError(
        f"{root / 'proc/cpuinfo'}: found no CPU in it, expected the tree of an arm64 or x86-64 "
        "machine with its /proc; point EDGEFACE_BOARD_ROOT at one, or unset it"
    )


def _core(block: Mapping[str, str], arch: str) -> str:
    if arch != AARCH64:
        return arch.replace("_", "-")
    maker, part = (_hex(block.get(f"CPU {field}", "")) for field in ("implementer", "part"))
    if maker is None or part is None:
        return "arm64"
    known = _CORES.get(part) if maker == _ARM else None
    return known or f"{maker:#x}-{part:#x}"


def _hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None


def _policies(root: Path, names: Mapping[int, str]) -> Iterable[Cluster]:
    """Yield cpufreq's policies; those of one CPU each, as x86 has, as one where they are alike."""
    alike: dict[tuple, list[int]] = {}
    for policy in sorted((root / _CPUS / "cpufreq").glob("policy*")):
        related = cpu_list(read_text(policy / "related_cpus") or "")
        cpus = tuple(sorted(cpu for cpu in related if cpu in names))  # those that are on
        if not cpus:
            continue
        limit = read_int(policy / "cpuinfo_max_freq")
        governor = read_text(policy / "scaling_governor")
        single = None if len(related) == 1 else policy.name
        alike.setdefault((names[cpus[0]], limit, governor, single), []).extend(cpus)
    for (name, limit, governor, _), cpus in alike.items():
        yield Cluster(name, tuple(sorted(cpus)), limit, governor)


def _speed(root: Path, cluster: Cluster) -> tuple:
    capacity = read_int(root / _CPUS / f"cpu{cluster.cpus[0]}" / "cpu_capacity") or 0
    in_order = cluster.name in _IN_ORDER.values()
    return -capacity, in_order, -(cluster.max_khz or 0), cluster.cpus


def _uniquely_named(clusters: Iterable[Cluster]) -> Iterable[Cluster]:
    seen: dict[str, int] = {}
    for cluster in clusters:
        seen[cluster.name] = count = seen.get(cluster.name, 0) + 1
        yield cluster if count == 1 else replace(cluster, name=f"{cluster.name}-{count}")
