"""Boards over USB: the commands, their order, what is read back, and who is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from boards.__main__ import main
from boards.errors import BoardsError
from boards.flash.rockchip import find_board
from tests.boards.flash.conftest import Bench


def flash(image: Path, *more: str, tool: str, device: str, board: str) -> int:
    words = ["--board", board, "--tool", tool, "--image", str(image), "--device", device]
    return main(["flash", *words, *more])


def rockchip(image: Path, *more: str, tool: str = "rkdeveloptool", device: str = "301") -> int:
    return flash(image, *more, tool=tool, device=device, board="rk3576")


def xfel(image: Path, *more: str, device: str = "spinor") -> int:
    return flash(image, *more, tool="xfel", device=device, board="t527")


@pytest.mark.parametrize("tool", ["rkdeveloptool", "upgrade_tool"])
def test_rockchip_board_in_maskrom_mode(tool: str, image: Path, bench: Bench) -> None:
    loader = str(bench.loader)
    assert rockchip(image, "--loader", loader, "--write", tool=tool) == 0
    assert bench.asked() == [
        *([tool, "ld"], [tool, "db", loader], [tool, "rfi"], [tool, "wl", "0", str(image)]),
        *([tool, "rl", "0", "5121"], [tool, "rd"]),
    ]
    assert bench.held(image.stat().st_size) == image.read_bytes()


def test_board_that_takes_a_moment_to_start_its_loader(
    image: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.set(absent=2)
    assert rockchip(image, "--loader", str(bench.loader), "--write") == 0
    assert [words[1] for words in bench.asked()].count("rfi") == 3
    monkeypatch.setattr("boards.flash.rockchip.LOADER_SECONDS", 0.1)
    bench.set(absent=99)
    assert rockchip(image, "--loader", str(bench.loader), "--write") == 1
    assert "Did not find any rockusb device" in capsys.readouterr().err


def test_dry_run_only_lists(image: Path, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert rockchip(image, "--loader", str(bench.loader)) == 0
    assert bench.asked() == [["rkdeveloptool", "ld"]]
    said = capsys.readouterr().out
    for line in (f"db {bench.loader}", f"wl 0 {image}", "rd"):
        assert f"  rkdeveloptool {line}\n" in said


def test_board_whose_loader_runs_takes_no_other(image: Path, bench: Bench) -> None:
    bench.set(mode="Loader")
    assert rockchip(image, "--write") == 0
    assert [words[1] for words in bench.asked()] == ["ld", "rfi", "wl", "rl", "rd"]


def test_damaged_write_is_found_and_the_board_not_restarted(
    image: Path, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.set(fails="bit")
    assert rockchip(image, "--loader", str(bench.loader), "--write") == 1
    assert "differs from" in capsys.readouterr().err
    assert bench.asked()[-1][1] == "rl"


@pytest.mark.parametrize("code", [0, 1])
def test_failure_is_noticed_whatever_the_exit_code(
    code: int, image: Path, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.set(fails="wl", code=code)
    assert rockchip(image, "--loader", str(bench.loader), "--write") == 1
    assert "Write LBA failed!" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("plan", "device", "match"),
    [
        ({"boards": 0}, "301", "finds no board; expected one"),
        ({"boards": 2}, "301", "finds 2207:350e at 301, 2207:350e at 302; expected one"),
        ({"usb": "2207:350b"}, "301", "connected board is 2207:350b at 301; expected 2207:350e"),
        ({}, "302", "the board is at LocationID 301"),
        ({}, "301", "Maskrom mode, which needs the board maker's loader"),
        (
            {"mode": "Loader", "megabytes": 2},
            "301",
            "has 2097152 bytes, and .* nothing was written",
        ),
    ],
)
def test_rockchip_refusals(
    plan: dict[str, object],
    device: str,
    match: str,
    image: Path,
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench.set(**plan)
    assert rockchip(image, "--write", device=device) == 1
    assert re.search(match, capsys.readouterr().err)
    assert "wl" not in [words[1] for words in bench.asked()]


def test_update_img_goes_to_upgrade_tool_alone(
    tmp_path: Path, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "update.img"
    packed.write_bytes(b"RKFW" + bytes(2000))
    assert rockchip(packed, "--write") == 1
    assert "only --tool upgrade_tool takes it" in capsys.readouterr().err
    bench.set(mode="Loader")
    assert rockchip(packed, "--write", tool="upgrade_tool") == 0
    assert bench.asked()[-1] == ["upgrade_tool", "uf", str(packed)]
    assert "not read back here" in capsys.readouterr().out


def test_debian_s_own_rkdeveloptool_without_a_board() -> None:
    if not shutil.which("rkdeveloptool"):
        pytest.skip("needs rkdeveloptool: apt-get install rkdeveloptool")
    with pytest.raises(BoardsError, match="finds no board|rkdeveloptool ld finds"):
        find_board("rkdeveloptool", device="none", usb="2207:350e")


@pytest.mark.parametrize("device", ["spinor", "spinand"])
def test_spi_flash_by_xfel(device: str, image: Path, bench: Bench) -> None:
    assert xfel(image, "--write", device=device) == 0
    assert bench.asked() == [
        *(["xfel", "version"], ["xfel", device]),
        *(["xfel", device, "write", "0", str(image)], ["xfel", device, "read", "0", "2621540"]),
    ]
    assert bench.held(image.stat().st_size) == image.read_bytes()


@pytest.mark.parametrize(
    ("plan", "device", "match"),
    [
        ({}, "/dev/sdz", "xfel writes spinor or spinand"),
        ({"chip": "V851/V853"}, "spinor", "connected chip is AWUSBFEX .*; expected a t527"),
        ({"boards": 0}, "spinor", "Can't detect any flash"),
        ({"megabytes": 1}, "spinor", "spinor has 1048576 bytes, and .* goes onto a card"),
        ({"fails": "write"}, "spinor", "Can't write spi nor flash"),
        ({"fails": "bit"}, "spinor", "differs from .* at byte 1000"),
    ],
)
def test_xfel_refusals(
    plan: dict[str, object],
    device: str,
    match: str,
    image: Path,
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench.set(**plan)
    assert xfel(image, "--write", device=device) == 1
    assert re.search(match, capsys.readouterr().err)


def test_missing_tool_is_named_with_what_to_do(
    image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert xfel(image) == 1
    assert "xfel not found on PATH; put the vendor's tool on PATH" in capsys.readouterr().err
