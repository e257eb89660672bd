"""Which board a tree is of, and what it has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import pytest

import edgeface
from edgeface.board import Board
from edgeface.errors import BoardError

MakeTree = Callable[[str], Path]
FILE = "etc/edgeface/board.toml"


def board_file(root: Path, **changes: object) -> None:
    """Write a board.toml of an RK3576, with fields changed (None: left out)."""
    fields = {"name": "rk3576", "arch": "aarch64", "compatible": ["rockchip,rk3576"],
              "runtimes": ["onnx", "rknn"], **changes}  # fmt: skip
    (root / FILE).parent.mkdir(parents=True)
    lines = [f"{key} = {value!r}\n" for key, value in fields.items() if value is not None]
    (root / FILE).write_text("".join(lines))


@pytest.mark.parametrize(
    ("name", "board", "runtimes"),
    [
        ("rk3576_vendor", "rk3576", ("rknn", "onnx", "tflite")),
        ("rk3576_mainline", "rk3576", ("onnx", "tflite")),
        ("t527_vendor", "t527", ("nbg", "onnx", "tflite")),
        ("t527_mainline", "t527", ("onnx", "tflite")),
        ("a527_vendor", "generic-arm64", ("onnx", "tflite")),
        ("x86_server", "x86-64-host", ("onnx", "tflite")),
    ],
)
def test_machine_is_named_and_runs(tree: MakeTree, name: str, board: str, runtimes: tuple) -> None:
    found = Board.detect(tree(name))
    assert (found.name, found.runtimes) == (board, runtimes)


def test_rk3576_is_seen_whole(tree: MakeTree) -> None:
    board = Board.detect(tree("rk3576_vendor"))
    assert board.model == "Radxa ROCK 4D"
    assert board.memory_bytes == 8032000 * 1024
    assert "asimd" in board.features and "asimddp" not in board.features
    assert [(c.name, c.cpus, c.max_khz, c.governor) for c in board.clusters] == [
        ("cortex-a72", (4, 5, 6, 7), 2304000, "ondemand"),
        ("cortex-a53", (0, 1, 2, 3), 2208000, "ondemand"),
    ]
    assert board.npu is not None
    assert (board.npu.kind, board.npu.node) == ("rknpu", "/dev/dri/renderD129")
    assert board.npu.governor == "rknpu_ondemand"
    assert "npu-thermal" in board.thermal_zones


def test_clusters_of_one_core_have_names_of_their_own_fastest_first(tree: MakeTree) -> None:
    board = Board.detect(tree("t527_vendor"))
    assert [(c.name, c.cpus) for c in board.clusters] == [
        ("cortex-a55", (4, 5, 6, 7)),
        ("cortex-a55-2", (0, 1, 2, 3)),
    ]
    assert board.npu is not None and board.npu.node == "/dev/vipcore"
    assert "asimddp" in board.features


def test_policies_of_one_cpu_each_are_one_cluster(tree: MakeTree) -> None:
    board = Board.detect(tree("x86_server"))
    assert [(c.name, c.cpus, c.max_khz) for c in board.clusters] == [
        ("x86-64", (0, 1, 2, 3), 3500000)
    ]
    assert board.model == "Example Server 1"


def test_cores_without_cpufreq_are_clusters_by_part(tree: MakeTree) -> None:
    root = tree("rk3576_vendor")
    for policy in (root / "sys/devices/system/cpu/cpufreq").iterdir():
        (policy / "related_cpus").unlink()
    clusters = Board.detect(root).clusters
    assert [(c.name, c.cpus, c.max_khz) for c in clusters] == [
        ("cortex-a72", (4, 5, 6, 7), None),
        ("cortex-a53", (0, 1, 2, 3), None),
    ]


def test_features_are_those_that_all_cpus_have(tree: MakeTree) -> None:
    root = tree("t527_vendor")
    text = (root / "proc/cpuinfo").read_text()
    (root / "proc/cpuinfo").write_text(text.replace(" asimddp", "", 1))
    assert "asimddp" not in Board.detect(root).features


def test_unknown_part_is_named_by_its_numbers(tree: MakeTree) -> None:
    root = tree("t527_vendor")
    text = (root / "proc/cpuinfo").read_text()
    (root / "proc/cpuinfo").write_text(text.replace("0x41", "0x61").replace("0xd05", "0x22"))
    assert Board.detect(root).clusters[0].name == "0x61-0x22"


def test_this_machine_is_detected() -> None:
    board = edgeface.Board.detect("/")
    assert sorted(cpu for cluster in board.clusters for cpu in cluster.cpus) == sorted(
        set(range(os.cpu_count() or 1))
    )
    assert board.memory_bytes > 1 << 20 and "onnx" in board.runtimes


def test_root_is_taken_from_the_environment(tree: MakeTree, monkeypatch) -> None:
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(tree("rk3576_vendor")))
    assert Board.detect().name == "rk3576"


def test_folder_that_is_no_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="cpuinfo: found no CPU in it.*EDGEFACE_BOARD_ROOT"):
        Board.detect(tmp_path)


def test_board_file_that_fits_decides(tree: MakeTree) -> None:
    root = tree("rk3576_vendor")
    board_file(root, runtimes=["tflite", "rknn"])
    assert Board.detect(root).runtimes == ("tflite", "rknn")


def test_board_file_cannot_name_an_npu_into_being(tree: MakeTree) -> None:
    root = tree("rk3576_mainline")
    board_file(root)
    assert Board.detect(root).runtimes == ("onnx",)


@pytest.mark.parametrize("name", ["t527_vendor", "x86_server"])
def test_board_file_of_another_board_is_refused(tree: MakeTree, name: str) -> None:
    root = tree(name)
    board_file(root)
    with pytest.raises(BoardError, match="is for rk3576.*this machine is .*install this board's"):
        Board.detect(root)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": None}, "name is None, expected a str"),
        ({"compatible": "rockchip,rk3576"}, "compatible is 'rockchip,rk3576', expected a list"),
        ({"compatible": [3576]}, r"compatible is \[3576\], expected texts"),
        ({"compatible": [["rockchip,rk3576"]]}, "compatible is .*, expected texts"),
        ({"runtimes": ["cuda"]}, r"runtimes are \['cuda'\], expected some of onnx"),
        ({"runtimes": []}, "runtimes are .*, expected some of onnx"),
    ],
)
def test_board_file_that_says_nonsense_is_refused(tree: MakeTree, changes, text: str) -> None:
    root = tree("rk3576_vendor")
    board_file(root, **changes)
    with pytest.raises(BoardError, match=f"board.toml: {text}"):
        Board.detect(root)


def test_board_file_that_is_no_toml_is_refused(tree: MakeTree) -> None:
    root = tree("rk3576_vendor")
    board_file(root)
    (root / FILE).write_bytes(b"name = \xff")
    with pytest.raises(BoardError, match="is not TOML"):
        Board.detect(root)
