"""The machine: settings, governors, heat, memory, disk, clock."""

from __future__ import annotations

import ctypes
import shutil
import time
from pathlib import Path

from edgeface.board import Board
from edgeface.board_root import read_text
from edgeface.board_sensors import Sample
from edgeface.bundle import Bundle
from edgeface.configured import settings, settings_path
from edgeface.doctor.finding import FAIL, OK, WARN, Finding
from edgeface.errors import BoardError

_MIB = 1 << 20
_HOT_C = 85.0  # where the kernels of both boards begin to slow down
_LEAST_FREE_MIB = 64
_SCARCE_FREE_MIB = 512
_EARLIEST = 1_767_225_600  # 2026-01-01: this program is younger
_UNSYNCHRONISED = 5  # adjtimex(2): TIME_ERROR
_STEADY = ("performance", "userspace")


def check_settings(board: Board) -> Finding:
    """Read /etc/edgeface/edgeface.toml."""
    check, path = "settings", settings_path()
    try:
        found = settings()
    except BoardError as error:
        return Finding(check, FAIL, str(error), f"correct {path}, or run: edgeface tune")
    known = {cpu for cluster in board.clusters for cpu in cluster.cpus}
    wrong = sorted(set(found.cpus or ()) - known)
    if wrong:
        text = f"{path}: cpus {wrong} are not on this machine ({min(known)} to {max(known)})"
        return Finding(check, FAIL, text, f"correct {path}, or run: edgeface tune")
    set_here = {name: value for name, value in vars(found).items() if value is not None}
    listed = ", ".join(f"{name} {value}" for name, value in set_here.items())
    return Finding(check, OK, f"{path}: {listed}" if listed else "none: the board's choice runs")


def check_governors(sample: Sample) -> Finding:
    """Say which clocks fall when the machine idles, as it does until somebody comes."""
    if not sample.governors:
        return Finding("governors", OK, "the kernel gives none (a virtual machine does not)")
    listed = ", ".join(f"{name} {governor}" for name, governor in sample.governors.items())
    slow = [name for name, governor in sample.governors.items() if governor not in _STEADY]
    if not slow:
        return Finding("governors", OK, listed)
    places = "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor"
    if "npu" in slow:
        places += " /sys/class/devfreq/*npu*/governor"
    remedy = (
        "the first face after a pause is slow; as root: "
        f"for f in {places}; do echo performance > $f; done"
    )
    return Finding("governors", WARN, listed, remedy)


def check_heat(sample: Sample) -> Finding:
    """Say whether the kernel slows the machine down, or soon will."""
    hottest = max(sample.temperatures_c.items(), key=lambda zone: zone[1], default=None)
    text = f"{hottest[0]} {hottest[1]:.0f} °C" if hottest else "no temperature sensor"
    remedy = "cool it: heat sink, fan, air; edgeface bench --minutes 10 shows what heat costs"
    if sample.throttled:
        return Finding("heat", WARN, f"throttled now; {text}", remedy)
    if hottest and hottest[1] >= _HOT_C:
        return Finding("heat", WARN, f"{text}, near throttling", remedy)
    return Finding("heat", OK, text + ("" if sample.throttled is None else ", not throttled"))


def check_memory(root: Path, board: Board, bundle: Bundle | None) -> Finding:
    """Compare free memory with what the bundle needs at its peak."""
    check, free = "memory", _available_bytes(root)
    total = f"of {board.memory_bytes / _MIB:.0f} MiB"
    if free is None:
        return Finding(check, WARN, f"free memory unknown, {total}", "look at: free -m")
    peak = float(bundle.manifest["peak_memory_mb"]) if bundle else 0.0
    text = f"{free / _MIB:.0f} MiB free {total}"
    if not peak:
        return Finding(check, OK, text)
    text += f", the bundle needs {peak:.0f} MiB at its peak"
    if free < peak * _MIB:
        return Finding(check, FAIL, text, "stop other programs, or use a board with more memory")
    if free < 2 * peak * _MIB:
        return Finding(check, WARN, text, "little is left for cameras and a second program")
    return Finding(check, OK, text)


def check_disk(root: Path) -> Finding:
    """Say how much the file system has left, for the gallery, logs and updates."""
    free = shutil.disk_usage(root).free / _MIB
    if free >= _SCARCE_FREE_MIB:
        return Finding("disk", OK, f"{free:.0f} MiB free")
    status = FAIL if free < _LEAST_FREE_MIB else WARN
    text = f"{free:.0f} MiB free, expected {_SCARCE_FREE_MIB}"
    return Finding(
        "disk", status, text, "remove what is not needed: an update needs room for a slot"
    )


def check_clock() -> Finding:
    """Say whether the clock can be right, and whether something keeps it so."""
    now = time.time()
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    remedy = "set up NTP: timedatectl set-ntp true; offline, fit a battery-backed clock"
    if now < _EARLIEST:
        return Finding("clock", FAIL, f"{text}: the past", remedy)
    if _clock_state() == _UNSYNCHRONISED:
        return Finding("clock", WARN, f"{text}, not synchronised", remedy)
    return Finding("clock", OK, text)


def _clock_state() -> int:
    buffer = ctypes.create_string_buffer(512)  # struct timex; modes 0 only reads
    return ctypes.CDLL(None, use_errno=True).adjtimex(buffer)


def _available_bytes(root: Path) -> int | None:
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None
