"""Machines as their kernels show them under /proc, /sys and /dev, written from facts.

`write_tree` makes one in a folder, for EDGEFACE_BOARD_ROOT. Facts: public device trees and logs of
such boards. Device nodes are plain files: nothing here opens them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

V80 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
V82 = f"{V80} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
A53, A55, A72 = 0xD03, 0xD05, 0xD08
_CPU = "sys/devices/system/cpu"


def write_tree(folder: Path, name: str) -> Path:
    """Write the named machine's tree into `folder`, and return it."""
    for path, content in MACHINES[name]():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            file.unlink(missing_ok=True)
            file.symlink_to(os.path.relpath(folder / content, file.parent))
        else:
            file.write_text(content)
    return folder


Entries = Iterator[tuple[str, "str | Path"]]


def rk3576_vendor() -> Entries:
    """A ROCK 4D under Rockchip's kernel 6.1: rknpu 0.9.8 drives the NPU."""
    yield from _rk3576(little_khz=2208000, big_khz=2304000)
    npu = "sys/devices/platform/27700000.npu"
    yield f"{npu}/of_node/compatible", "rockchip,rk3576-rknpu\0"
    yield "sys/bus/platform/drivers/RKNPU/uevent", ""
    yield f"{npu}/driver", Path("sys/bus/platform/drivers/RKNPU")
    yield from _render_node(129, npu)
    yield "sys/module/rknpu/version", "0.9.8\n"
    yield "sys/kernel/debug/rknpu/version", "RKNPU driver: v0.9.8\n"
    yield "sys/class/devfreq/27700000.npu/governor", "rknpu_ondemand\n"
    yield "sys/class/devfreq/27700000.npu/cur_freq", "300000000\n"
    yield from _cooling(["cpufreq-cpu0", "cpufreq-cpu4", "devfreq-27700000.npu", "pwm-fan"])


def rk3576_mainline() -> Entries:
    """The same board under a kernel of kernel.org: no driver for the NPU."""
    yield from _rk3576(little_khz=2016000, big_khz=2208000)
    yield from _cooling(["cpufreq-cpu0", "cpufreq-cpu4"])


def t527_vendor() -> Entries:
    """A T527 under Allwinner's kernel 5.15, whose device tree names the die only."""
    yield from _sun55i("arm,sun55iw3p1", "sun55iw3", max_khz=1800000)
    yield "dev/vipcore", ""
    yield "sys/class/misc/vipcore/dev", "10:124\n"


def t527_mainline() -> Entries:
    """A T527 board under a kernel of kernel.org: named exactly, no driver for the NPU."""
    yield from _sun55i("xunlong,orangepi-4a\0allwinner,sun55i-t527", "OrangePi 4A", max_khz=1800000)


def a527_vendor() -> Entries:
    """An A527 under the same kernel as `t527_vendor`: the die without its NPU."""
    yield from _sun55i("arm,sun55iw3p1", "sun55iw3", max_khz=2000000)


def x86_server() -> Entries:
    """An x86-64 machine with a policy for each CPU, hwmon in place of zones, and RAPL."""
    yield (
        "proc/cpuinfo",
        "\n".join(
            f"processor\t: {cpu}\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse4_1 avx2\n"
            for cpu in range(4)
        ),
    )
    yield "proc/meminfo", "MemTotal:       16384000 kB\nMemAvailable:   12000000 kB\n"
    yield "sys/class/dmi/id/sys_vendor", "Example\n"
    yield "sys/class/dmi/id/product_name", "Server 1\n"
    for cpu in range(4):
        yield from _policy(cpu, [cpu], max_khz=3500000, khz=1200000, governor="powersave")
        yield f"{_CPU}/cpu{cpu}/thermal_throttle/core_throttle_count", "7\n"
    yield "sys/class/hwmon/hwmon0/name", "coretemp\n"
    yield "sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"
    yield "sys/class/hwmon/hwmon0/temp1_input", "54000\n"
    yield "sys/class/powercap/intel-rapl:0/name", "package-0\n"
    yield "sys/class/powercap/intel-rapl:0/energy_uj", "262143000000\n"
    yield "sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n"


MACHINES = {
    "rk3576_vendor": rk3576_vendor,
    "rk3576_mainline": rk3576_mainline,
    "t527_vendor": t527_vendor,
    "t527_mainline": t527_mainline,
    "a527_vendor": a527_vendor,
    "x86_server": x86_server,
}


def _rk3576(*, little_khz: int, big_khz: int) -> Entries:
    yield from _device_tree("radxa,rock-4d\0rockchip,rk3576", "Radxa ROCK 4D")
    yield "proc/cpuinfo", "\n".join(_cpu(i, A72 if i > 3 else A53, V80) for i in range(8))
    yield "proc/meminfo", "MemTotal:        8032000 kB\nMemAvailable:    7000000 kB\n"
    little, big = [0, 1, 2, 3], [4, 5, 6, 7]
    yield from _policy(0, little, max_khz=little_khz, khz=408000, governor="ondemand", capacity=530)
    yield from _policy(4, big, max_khz=big_khz, khz=816000, governor="ondemand", capacity=1024)
    zones = ["soc-thermal", "bigcore-thermal", "littlecore-thermal", "npu-thermal"]
    yield from _zones(zones)
    yield from _render_node(128, "sys/devices/platform/27800000.gpu")
    yield "sys/devices/platform/27800000.gpu/of_node/compatible", "arm,mali-bifrost\0"
    yield "sys/bus/platform/drivers/mali/uevent", ""
    yield "sys/devices/platform/27800000.gpu/driver", Path("sys/bus/platform/drivers/mali")


def _sun55i(compatible: str, model: str, *, max_khz: int) -> Entries:
    yield from _device_tree(compatible, model)
    yield "proc/cpuinfo", "\n".join(_cpu(i, A55, V82) for i in range(8))
    yield "proc/meminfo", "MemTotal:        4010000 kB\nMemAvailable:    3500000 kB\n"
    yield from _policy(0, [0, 1, 2, 3], max_khz=1416000, khz=1416000, governor="performance")
    yield from _policy(4, [4, 5, 6, 7], max_khz=max_khz, khz=max_khz, governor="performance")
    yield from _zones(["cpul_thermal_zone", "cpub_thermal_zone"])
    yield from _cooling(["thermal-cpufreq-0", "thermal-cpufreq-1"])


def _device_tree(compatible: str, model: str) -> Entries:
    base = "sys/firmware/devicetree/base"
    yield f"{base}/compatible", compatible + "\0"
    yield f"{base}/model", model + "\0"
    yield "proc/device-tree", Path(base)


def _cpu(number: int, part: int, features: str) -> str:
    return (
        f"processor\t: {number}\nBogoMIPS\t: 48.00\nFeatures\t: {features}\n"
        f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: {part:#x}\n"
    )


def _policy(
    number: int, cpus: list[int], *, max_khz: int, khz: int, governor: str, capacity: int = 0
) -> Entries:
    policy = f"{_CPU}/cpufreq/policy{number}"
    yield f"{policy}/related_cpus", " ".join(map(str, cpus)) + "\n"
    yield f"{policy}/cpuinfo_max_freq", f"{max_khz}\n"
    yield f"{policy}/scaling_cur_freq", f"{khz}\n"
    yield f"{policy}/scaling_governor", f"{governor}\n"
    for cpu in cpus:
        yield f"{_CPU}/cpu{cpu}/cpufreq", Path(policy)
        if capacity:
            yield f"{_CPU}/cpu{cpu}/cpu_capacity", f"{capacity}\n"


def _zones(names: list[str]) -> Entries:
    for number, name in enumerate(names):
        yield f"sys/class/thermal/thermal_zone{number}/type", f"{name}\n"
        yield f"sys/class/thermal/thermal_zone{number}/temp", f"{41000 + number * 500}\n"


def _cooling(kinds: list[str]) -> Entries:
    for number, kind in enumerate(kinds):
        yield f"sys/class/thermal/cooling_device{number}/type", f"{kind}\n"
        yield f"sys/class/thermal/cooling_device{number}/cur_state", "0\n"
        yield f"sys/class/thermal/cooling_device{number}/max_state", "6\n"


def _render_node(number: int, device: str) -> Entries:
    yield f"sys/class/drm/renderD{number}/dev", f"226:{number}\n"
    yield f"sys/class/drm/renderD{number}/device", Path(device)
    yield f"dev/dri/renderD{number}", ""
