"""Temperatures, clocks, governors, throttling and energy, as the kernel gives them now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeface.board_cpu import find_clusters, policy_folder, read_cpu_info
from edgeface.board_npu import npu_frequency_folder
from edgeface.board_root import board_root, read_int, read_text

_ZONES = "sys/class/thermal"
_HWMON = "sys/class/hwmon"
_POWERCAP = "sys/class/powercap"
_CPUS = "sys/devices/system/cpu"
_SANE_C = (-60.0, 200.0)  # a zone without a sensor gives -274, or millions
# Cooling devices that slow a processor down; fans and chargers are not among them.
_SLOWS = ("cpufreq", "devfreq", "processor")


@dataclass(frozen=True)
class Sample:
    """What the sensors said at one moment.

    Attributes
    ----------
    temperatures_c
        Thermal zone, by its name, to degrees Celsius; zones that did not answer are missing.
    clocks_khz
        Cluster, by its name, to its clock in kHz; the NPU's as "npu".
    governors
        The same names, to the governor.
    throttled
        Whether the kernel slows a processor down because of heat; None where it does not say.
    energy_uj
        Energy counter, by its name, to microjoules since some moment; it never falls. Of a power
        sensor, what its readings make since the first `sample`.
    """

    temperatures_c: Mapping[str, float]
    clocks_khz: Mapping[str, int]
    governors: Mapping[str, str]
    throttled: bool | None
    energy_uj: Mapping[str, int]


class Sensors:
    """The sensors of a machine. `sample` costs some file reads; use one object from one thread.

    Parameters
    ----------
    root
        The folder that stands for "/". None takes EDGEFACE_BOARD_ROOT's, else "/".

    Raises
    ------
    BoardError
        `root` is no machine's tree.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        place = board_root(root)
        self._temperatures = _temperature_files(place)
        clusters = find_clusters(place, read_cpu_info(place))
        self._policies = {cluster.name: policy_folder(place, cluster) for cluster in clusters}
        self._npu = npu_frequency_folder(place)
        self._cooling = _cooling_files(place)
        counters = (place / _CPUS).glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
        self._throttle_counters = sorted(counters)
        self._throttle_count = self._read_throttle_count()
        self._energy = _energy_counters(place)

    def sample(self) -> Sample:
        """Read all sensors now."""
        temperatures = {name: _celsius(file) for name, file in self._temperatures.items()}
        clocks = {n: read_int(p / "scaling_cur_freq") for n, p in self._policies.items()}
        governors = {n: read_text(p / "scaling_governor") for n, p in self._policies.items()}
        if self._npu:
            hertz = read_int(self._npu / "cur_freq")
            clocks["npu"] = hertz // 1000 if hertz is not None else None
            governors["npu"] = read_text(self._npu / "governor")
        energy = {name: counter.read() for name, counter in self._energy.items()}
        return Sample(
            temperatures_c={n: value for n, value in temperatures.items() if value is not None},
            clocks_khz={n: value for n, value in clocks.items() if value is not None},
            governors={n: value for n, value in governors.items() if value},
            throttled=self._throttled(),
            energy_uj={n: value for n, value in energy.items() if value is not None},
        )

    def _throttled(self) -> bool | None:
        states = [state for file in self._cooling if (state := read_int(file)) is not None]
        before, self._throttle_count = self._throttle_count, self._read_throttle_count()
        if not states and not self._throttle_counters:
            return None
        return any(state > 0 for state in states) or self._throttle_count > before

    def _read_throttle_count(self) -> int:
        return sum(read_int(file) or 0 for file in self._throttle_counters)


def thermal_zones(root: Path) -> tuple[str, ...]:
    """Return the names of a machine's thermal zones."""
    return tuple(_temperature_files(root))


def _temperature_files(root: Path) -> dict[str, Path]:
    """Thermal zones; where the kernel has none (x86 servers), the chips of hwmon."""
    zones = sorted((root / _ZONES).glob("thermal_zone*"), key=_number)
    named = [(read_text(zone / "type") or zone.name, zone / "temp") for zone in zones]
    if not named:
        for chip in sorted((root / _HWMON).glob("hwmon*"), key=_number):
            named += [(_channel(chip, file), file) for file in sorted(chip.glob("temp*_input"))]
    return _unique(named)


def _cooling_files(root: Path) -> list[Path]:
    devices = sorted((root / _ZONES).glob("cooling_device*"), key=_number)
    kinds = ((device, (read_text(device / "type") or "").lower()) for device in devices)
    return [device / "cur_state" for device, kind in kinds if any(word in kind for word in _SLOWS)]


def _energy_counters(root: Path) -> dict[str, _Counter | _Meter]:
    """Counters of powercap and hwmon that may be read (powercap's for root only, mostly).

    Where a chip of hwmon has no counter but power, as on boards with a measuring resistor, a
    `_Meter` of that.
    """
    named = []
    for zone in sorted((root / _POWERCAP).glob("*:*")):
        named.append((read_text(zone / "name") or zone.name, zone / "energy_uj"))
    for chip in sorted((root / _HWMON).glob("hwmon*"), key=_number):
        files = sorted(chip.glob("energy*_input")) or sorted(chip.glob("power*_input"))
        named += [(_channel(chip, file), file) for file in files]
    readable = ((name, file) for name, file in named if read_int(file) is not None)
    return {
        name: _Meter(file) if file.name.startswith("power") else _Counter(file)
        for name, file in _unique(readable).items()
    }


def _channel(chip: Path, file: Path) -> str:
    """The name of one of a hwmon chip's sensors."""
    label = read_text(chip / file.name.replace("_input", "_label"))
    return f"{read_text(chip / 'name') or chip.name} {label or file.name.split('_')[0]}"


class _Counter:
    """An energy counter that goes on where the kernel's starts anew."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._range = read_int(file.parent / "max_energy_range_uj") or 0
        self._last = self._base = 0

    def read(self) -> int | None:
        now = read_int(self._file)
        if now is None:
            return None
        if now < self._last:
            self._base += self._range
        self._last = now
        return self._base + now


class _Meter:
    """Energy by a power sensor, in microwatts: its readings, each over the time since the last."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._last: tuple[float, int] | None = None
        self._energy = 0.0

    def read(self) -> int | None:
        now, power = time.monotonic(), read_int(self._file)
        if power is None:
            return None
        if self._last is not None:
            before, earlier = self._last
            self._energy += max(0, power + earlier) / 2 * (now - before)
        self._last = (now, power)
        return int(self._energy)


def _unique(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, path in named:
        twin = 2
        unique = name
        while unique in found:
            unique, twin = f"{name}-{twin}", twin + 1
        found[unique] = path
    return found


def _number(path: Path) -> int:
    return int("".join(c for c in path.name if c.isdigit()) or 0)


def _celsius(file: Path) -> float | None:
    value = read_int(file)
    if value is None or not _SANE_C[0] <= value / 1000 <= _SANE_C[1]:
        return None
    return value / 1000
