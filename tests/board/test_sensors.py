"""Sensors: what the kernel gives, under names that stay, and nothing that it does not give."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from edgeface import board_sensors
from edgeface.board_sensors import Sensors
from edgeface.errors import BoardError

MakeTree = Callable[[str], Path]
THERMAL = "sys/class/thermal"


def test_rk3576_gives_temperatures_clocks_and_governors(tree: MakeTree) -> None:
    sample = Sensors(tree("rk3576_vendor")).sample()
    assert sample.temperatures_c == {
        "soc-thermal": 41.0, "bigcore-thermal": 41.5, "littlecore-thermal": 42.0,
        "npu-thermal": 42.5,
    }  # fmt: skip
    assert sample.clocks_khz == {"cortex-a72": 816000, "cortex-a53": 408000, "npu": 300000}
    assert sample.governors["npu"] == "rknpu_ondemand"
    assert sample.throttled is False and sample.energy_uj == {}


def test_sample_is_of_now(tree: MakeTree) -> None:
    root = tree("rk3576_vendor")
    sensors = Sensors(root)
    (root / THERMAL / "thermal_zone0/temp").write_text("88000\n")
    assert sensors.sample().temperatures_c["soc-thermal"] == 88.0


@pytest.mark.parametrize("text", ["-274000", "", "nonsense", "4294967295"])
def test_zone_without_a_reading_is_left_out(tree: MakeTree, text: str) -> None:
    root = tree("rk3576_vendor")
    (root / THERMAL / "thermal_zone0/temp").write_text(text)
    assert "soc-thermal" not in Sensors(root).sample().temperatures_c


def test_zones_of_one_name_are_told_apart(tree: MakeTree) -> None:
    root = tree("rk3576_vendor")
    for zone in range(4):
        (root / THERMAL / f"thermal_zone{zone}/type").write_text("soc\n")
    assert list(Sensors(root).sample().temperatures_c) == ["soc", "soc-2", "soc-3", "soc-4"]


@pytest.mark.parametrize(("device", "throttled"), [(1, True), (2, True), (3, False)])
def test_cooling_of_a_processor_is_throttling_a_fan_is_not(
    tree: MakeTree, device: int, throttled: bool
) -> None:
    root = tree("rk3576_vendor")
    (root / THERMAL / f"cooling_device{device}/cur_state").write_text("1\n")
    assert Sensors(root).sample().throttled is throttled


def test_throttle_counter_speaks_of_the_time_since_the_last_sample(tree: MakeTree) -> None:
    root = tree("x86_server")
    sensors = Sensors(root)
    assert sensors.sample().throttled is False  # it throttled before, 7 times
    (root / "sys/devices/system/cpu/cpu2/thermal_throttle/core_throttle_count").write_text("8\n")
    assert [sensors.sample().throttled for _ in range(2)] == [True, False]


def test_nothing_is_made_up_where_the_kernel_says_nothing(tree: MakeTree) -> None:
    root = tree("rk3576_mainline")
    for kind in (root / THERMAL).glob("cooling_device*/type"):
        kind.unlink()
    assert Sensors(root).sample().throttled is None


def test_energy_goes_on_where_the_counter_starts_anew(tree: MakeTree) -> None:
    root = tree("x86_server")
    sensors = Sensors(root)
    before = sensors.sample().energy_uj["package-0"]
    (root / "sys/class/powercap/intel-rapl:0/energy_uj").write_text("1000\n")
    after = sensors.sample().energy_uj["package-0"]
    assert after - before == 262143328850 - 262143000000 + 1000


def test_energy_of_hwmon_is_read_too(tree: MakeTree) -> None:
    root = tree("x86_server")
    (root / "sys/class/hwmon/hwmon0/energy1_input").write_text("5000\n")
    assert Sensors(root).sample().energy_uj["coretemp energy1"] == 5000


def test_energy_of_a_power_sensor_is_its_power_times_the_time(tree: MakeTree, monkeypatch) -> None:
    root = tree("rk3576_vendor")
    chip = root / "sys/class/hwmon/hwmon9"
    chip.mkdir(parents=True)
    (chip / "name").write_text("ina226\n")
    (chip / "power1_label").write_text("board\n")
    clock = iter((100.0, 102.0, 103.0))
    monkeypatch.setattr(board_sensors.time, "monotonic", lambda: next(clock))
    (chip / "power1_input").write_text("3000000\n")
    sensors = Sensors(root)
    assert sensors.sample().energy_uj == {"ina226 board": 0}
    assert sensors.sample().energy_uj == {"ina226 board": 6000000}
    (chip / "power1_input").write_text("5000000\n")
    assert sensors.sample().energy_uj == {"ina226 board": 10000000}


def test_x86_temperatures_come_from_hwmon(tree: MakeTree) -> None:
    assert Sensors(tree("x86_server")).sample().temperatures_c == {"coretemp Package id 0": 54.0}


def test_folder_that_is_no_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="found no CPU"):
        Sensors(tmp_path)
