"""``edgeface doctor`` on every machine: it sees what is wrong and says what to do."""

from __future__ import annotations

import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from edgeface.board import Board
from edgeface.board_sensors import Sensors
from edgeface.bundle import Bundle
from edgeface.cli import main
from edgeface.doctor import camera, machine, models, npu
from edgeface.doctor.examine import examine
from edgeface.doctor.finding import Finding
from tests.board.trees import MACHINES, write_tree
from tests.bundles import rebuilt
from tests.fakes.make import Fakes


@pytest.fixture
def rk3576(tmp_path: Path, monkeypatch) -> Path:
    """This process is on an RK3576 with its vendor's kernel."""
    root = write_tree(tmp_path / "rk3576", "rk3576_vendor")
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(root))
    return root


@pytest.fixture(scope="module")
def npu_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The default bundle with one file declared to be an RK3576's."""

    def declare(manifest: dict) -> None:
        needs = {"rknpu": "0.9.6", "librknnrt": "2.3.0"}
        entry = manifest["stages"]["embedder"]["artefacts"][1]
        entry.update(format="rknn", boards=["rk3576"], needs=needs)

    path = tmp_path_factory.mktemp("doctor") / "npu.efb"
    return Bundle.open(rebuilt(Bundle.open(), path, members={}, change=declare))


def library(path: Path, *, version: str = "2.3.2", machine: int = 0xB7) -> Path:
    """Write the beginning of an ELF file, and the text by which librknnrt gives its version."""
    head = b"\x7fELF" + bytes(14) + struct.pack("<H", machine)
    path.write_bytes(head + f"\0librknnrt version: {version} (0123abc)\0".encode())
    return path


def named(findings: list[Finding], check: str) -> Finding:
    """The finding of one check."""
    return next(one for one in findings if one.check == check)


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_is_examined(tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(write_tree(tmp_path, name)))
    findings = examine()
    assert {one.status for one in findings} <= {"ok", "warn", "fail"}
    assert all(one.found for one in findings)
    assert all(one.remedy for one in findings if one.status != "ok")
    assert named(findings, "self-test").status == "ok"
    assert named(findings, "tflite whole int8 against the CPU").found.startswith("least cosine 0.9")


def test_command_prints_what_was_found_and_fails_where_something_does(capfd, tmp_path) -> None:
    assert main(["doctor"]) == 0
    assert "self-test" in capfd.readouterr().out
    (tmp_path / "no.efb").write_bytes(b"nothing")
    assert main(["doctor", "--bundle", str(tmp_path / "no.efb"), "--json"]) == 1
    report = json.loads(capfd.readouterr().out)
    failed = [one for one in report["findings"] if one["status"] == "fail"]
    assert not report["ok"] and [one["check"] for one in failed] == ["bundle"]
    assert failed[0]["remedy"]


def test_wrong_settings_are_a_finding_not_the_end(capfd, tmp_path, monkeypatch) -> None:
    file = tmp_path / "edgeface.toml"
    file.write_text("[embedder]\nthreads = 0\n")
    monkeypatch.setenv("EDGEFACE_CONFIG", str(file))
    assert main(["doctor"]) == 1
    printed = capfd.readouterr().out
    assert "fail  settings" in printed and "threads: found 0" in printed


def test_settings_with_cpus_that_are_not_here_fail(rk3576: Path, tmp_path, monkeypatch) -> None:
    file = tmp_path / "edgeface.toml"
    file.write_text("[embedder]\ncpus = [6, 9]\n")
    monkeypatch.setenv("EDGEFACE_CONFIG", str(file))
    found = machine.check_settings(Board.detect())
    assert found.status == "fail" and "cpus [9] are not on this machine (0 to 7)" in found.found


def test_wrong_board_file_stops_only_what_needs_the_board(rk3576: Path) -> None:
    (rk3576 / "etc/edgeface").mkdir(parents=True)
    (rk3576 / "etc/edgeface/board.toml").write_text("name = 3\n")
    findings = examine()
    assert findings[0].check == "board" and findings[0].status == "fail"
    assert named(findings, "Python").status == "ok"


def on_npu(root: Path, bundle: Bundle | None) -> list[Finding]:
    """The checks of the NPU."""
    return npu.check_npu(root, Board.detect(root), bundle, arch="aarch64")


def test_sound_npu_is_ok(rk3576: Path, npu_bundle: Bundle, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("EDGEFACE_RKNNRT", str(library(tmp_path / "librknnrt.so")))
    findings = on_npu(rk3576, npu_bundle)
    assert [one.status for one in findings] == ["ok", "ok", "ok"]
    assert "rknpu 0.9.8 at /dev/dri/renderD129 (the bundle needs 0.9.6)" in findings[0].found
    assert findings[2].found.endswith("version 2.3.2")


def test_old_driver_fails(rk3576: Path, npu_bundle: Bundle) -> None:
    (rk3576 / "sys/module/rknpu/version").write_text("0.9.2\n")
    found = named(on_npu(rk3576, npu_bundle), "NPU driver")
    assert found.status == "fail" and "rknpu is 0.9.2" in found.found


def test_each_of_a_bundles_files_must_have_what_it_needs(
    rk3576: Path, npu_bundle: Bundle, tmp_path: Path
) -> None:
    def ask_for_more(manifest: dict) -> None:
        one, other = manifest["stages"]["embedder"]["artefacts"][:2]
        one.update(format="rknn", boards=["rk3576"], needs={"rknpu": "0.9.9"})
        other.update(needs={"rknpu": "0.9.6"})

    path = rebuilt(npu_bundle, tmp_path / "two.efb", members={}, change=ask_for_more)
    found = named(on_npu(rk3576, Bundle.open(path)), "NPU driver")
    assert found.status == "fail" and "rknpu is 0.9.8, the bundle needs 0.9.9" in found.found


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"version": "2.2.0"}, "librknnrt is 2.2.0, the bundle needs 2.3.0"),
        ({"machine": 0x3E}, "is for x86_64, this machine is aarch64"),
    ],
)
def test_library_that_cannot_serve_fails(
    rk3576: Path, npu_bundle: Bundle, tmp_path, monkeypatch, given: dict, text: str
) -> None:
    monkeypatch.setenv("EDGEFACE_RKNNRT", str(library(tmp_path / "librknnrt.so", **given)))
    found = named(on_npu(rk3576, npu_bundle), "NPU library")
    assert found.status == "fail" and text in found.found


def test_missing_library_fails_only_where_the_bundle_needs_it(
    rk3576: Path, npu_bundle: Bundle, monkeypatch
) -> None:
    monkeypatch.setenv("EDGEFACE_RKNNRT", "/nowhere/librknnrt.so")
    assert named(on_npu(rk3576, npu_bundle), "NPU library").status == "fail"
    assert named(on_npu(rk3576, Bundle.open()), "NPU library").status == "warn"
    lost = models.check_choice(npu_bundle, Board.detect())
    assert lost.status == "warn" and "not rknn: EDGEFACE_RKNNRT names /nowhere" in lost.found


def test_node_that_may_not_be_opened_names_the_udev_rule(rk3576: Path) -> None:
    (rk3576 / "dev/dri/renderD129").unlink()  # root may open any file that is there
    found = named(on_npu(rk3576, None), "NPU permission")
    assert found.status == "fail" and "70-edgeface.rules" in found.remedy


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rk3576_mainline", "rk3576 has an NPU, no rknpu driver"),
        ("t527_mainline", "t527 has an NPU, no vipcore driver"),
        ("a527_vendor", "an A527, which has no NPU, or a T527 whose driver is off"),
    ],
)
def test_kernel_without_the_driver_is_said(tmp_path: Path, name: str, text: str) -> None:
    (found,) = on_npu(write_tree(tmp_path, name), None)
    assert found.status == "warn" and text in found.found


def test_governors_that_let_clocks_fall_are_said(rk3576: Path) -> None:
    found = machine.check_governors(Sensors().sample())
    assert found.status == "warn" and "npu rknpu_ondemand" in found.found
    assert "/sys/class/devfreq/*npu*/governor" in found.remedy


@pytest.mark.parametrize(
    ("file", "text", "status", "said"),
    [
        ("thermal_zone0/temp", "86000", "warn", "near throttling"),
        ("cooling_device1/cur_state", "2", "warn", "throttled now"),
        ("thermal_zone0/temp", "60000", "ok", "60 °C, not throttled"),
    ],
)
def test_heat_is_seen(rk3576: Path, file: str, text: str, status: str, said: str) -> None:
    (rk3576 / "sys/class/thermal" / file).write_text(text)
    found = machine.check_heat(Sensors().sample())
    assert found.status == status and said in found.found


@pytest.mark.parametrize(("mib", "status"), [(50, "fail"), (150, "warn"), (900, "ok")])
def test_memory_is_compared_with_what_the_bundle_needs(rk3576: Path, mib: int, status: str) -> None:
    (rk3576 / "proc/meminfo").write_text(f"MemTotal: 999999 kB\nMemAvailable: {mib * 1024} kB\n")
    bundle = replace(Bundle.open(), manifest={"peak_memory_mb": 98})
    found = machine.check_memory(rk3576, Board.detect(), bundle)
    assert found.status == status and f"{mib} MiB free" in found.found


@pytest.mark.parametrize(("mib", "status"), [(10, "fail"), (100, "warn"), (9000, "ok")])
def test_disk_is_judged(tmp_path: Path, monkeypatch, mib: int, status: str) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=mib << 20)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    assert machine.check_disk(tmp_path).status == status


@pytest.mark.parametrize(
    ("now", "state", "status"), [(1000.0, 0, "fail"), (2e9, 5, "warn"), (2e9, 0, "ok")]
)
def test_clock_is_judged(monkeypatch, now: float, state: int, status: str) -> None:
    monkeypatch.setattr(machine.time, "time", lambda: now)
    monkeypatch.setattr(machine, "_clock_state", lambda: state)
    assert machine.check_clock().status == status


def test_clock_of_this_machine_is_read() -> None:
    assert machine._clock_state() in range(6)


class Camera:
    """What the kernel answers for one device: capabilities, and its formats."""

    def __init__(self, capabilities: int, formats: list[str]) -> None:
        self.capabilities, self.formats = capabilities, formats

    def ioctl(self, handle: int, request: int, data: bytes) -> bytes:
        if request == 0x80685600:
            return struct.pack(
                "=16s32s32sIII12x", b"", b"Cam 1", b"", 0, 1 << 31, self.capabilities
            )
        index, kind = struct.unpack_from("=II", data)
        assert kind == {0x1: 1, 0x1000: 9}[self.capabilities]
        if index >= len(self.formats):
            raise OSError(22, "Invalid argument")
        code = int.from_bytes(self.formats[index].encode(), "little")
        return struct.pack("=III32sII12x", index, kind, 0, b"", code, 0)


@pytest.mark.parametrize(
    ("device", "status", "text"),
    [
        (Camera(0x1, ["YUYV", "MJPG"]), "ok", "Cam 1: YUYV, MJPG"),
        (Camera(0x1000, ["NV12"]), "ok", "Cam 1: NV12"),
        (Camera(0x1, ["BG10"]), "warn", "Cam 1: BG10"),
    ],
)
def test_camera_formats_are_listed(tmp_path, monkeypatch, device, status: str, text: str) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/video0").touch()
    monkeypatch.setattr(camera.fcntl, "ioctl", device.ioctl)
    (found,) = camera.check_cameras(tmp_path)
    assert (found.check, found.status, found.found) == ("camera video0", status, text)


def test_node_that_gives_no_pictures_is_no_camera(tmp_path, monkeypatch) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/video1").touch()
    monkeypatch.setattr(camera.fcntl, "ioctl", Camera(0x2, []).ioctl)
    assert camera.check_cameras(tmp_path)[0].found == "none: photos only"


def test_file_that_is_no_device_is_said(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/video0").touch()
    (found,) = camera.check_cameras(tmp_path)  # the kernel itself answers
    assert found.status == "warn" and "is no camera" in found.found


def test_runtime_that_computes_something_else_fails(tmp_path: Path) -> None:
    def swap(manifest: dict) -> None:
        manifest["stages"]["embedder"]["artefacts"][0]["input"].update(mean=[127.5] * 3)

    bad = Bundle.open(rebuilt(Bundle.open(), tmp_path / "bad.efb", members={}, change=swap))
    found = models.check_agreement(bad, Board.detect("/"))
    assert [one.status for one in found] == ["fail", "ok"]
    assert "expected 0.95" in found[0].found and "do not open a door" in found[0].remedy


def test_npu_is_compared_with_the_cpu_and_a_wrong_one_fails(fakes: Fakes, monkeypatch) -> None:
    monkeypatch.setenv("EDGEFACE_RKNNRT", str(fakes.library("librknnrt.so")))
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(fakes.root("rknn")))
    bundle, board = Bundle.open(fakes.bundle), Board.detect()
    check = "rknn split int8 against the CPU"
    sound = named(models.check_agreement(bundle, board), check)
    assert sound.status == "ok" and "least cosine 0.9" in sound.found
    monkeypatch.setenv("EDGEFACE_FAKE_RKNN", "nan")
    broken = named(models.check_agreement(bundle, board), check)
    assert broken.status == "fail" and "NaN" in broken.found
