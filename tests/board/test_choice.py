"""Which file of the embedder runs: what is asked for, then settings, then the board's best."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from edgeface.artefact import choose, choose_artefact
from edgeface.board import Board
from edgeface.bundle import Bundle
from edgeface.cli import main
from edgeface.configured import Settings, write_settings
from edgeface.errors import BundleIncompatibleError
from edgeface.pipeline import Pipeline
from tests.bundles import rebuilt

MakeTree = Callable[[str], Path]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The default bundle with its second TFLite file declared to be an RK3576's .rknn."""

    def declare(manifest: dict) -> None:
        entry = manifest["stages"]["embedder"]["artefacts"][1]
        entry.update(format="rknn", boards=["rk3576"])

    path = tmp_path_factory.mktemp("choice") / "npu.efb"
    return Bundle.open(rebuilt(Bundle.open(), path, members={}, change=declare))


@pytest.fixture
def library(tmp_path: Path, monkeypatch) -> Path:
    """A file where librknnrt.so is looked for: choosing never loads it."""
    file = tmp_path / "librknnrt.so"
    file.touch()
    monkeypatch.setenv("EDGEFACE_RKNNRT", str(file))
    return file


def test_npu_is_chosen_where_board_file_and_library_are_there(tree, bundle, library) -> None:
    choice = choose(bundle, Board.detect(tree("rk3576_vendor")))
    assert choice.artefact.title == "rknn split int8"
    assert choice.because.startswith("the best of rk3576") and choice.passed_over == {}


def test_missing_library_is_the_reason_for_the_cpu(tree, bundle, library) -> None:
    library.unlink()
    choice = choose(bundle, Board.detect(tree("rk3576_vendor")))
    assert choice.artefact.title == "onnx split int8"
    assert choice.passed_over == {"rknn": f"EDGEFACE_RKNNRT names {library}, which is not there"}


@pytest.mark.parametrize("machine", ["rk3576_mainline", "t527_vendor", "x86_server"])
def test_other_boards_run_it_on_their_cpu(tree, bundle, library, machine: str) -> None:
    assert choose(bundle, Board.detect(tree(machine))).artefact.title == "onnx split int8"


def test_file_of_another_board_is_refused_when_asked_for(tree, bundle, library) -> None:
    with pytest.raises(
        BundleIncompatibleError,
        match="no split embedder for rknn on t527, it has: .*rknn split for rk3576",
    ):
        choose_artefact(bundle, runtime="rknn", board=Board.detect(tree("t527_vendor")))


def test_variant_decides_among_runtimes(tree, bundle, library) -> None:
    board = Board.detect(tree("rk3576_vendor"))
    assert choose_artefact(bundle, variant="whole", board=board).title == "onnx whole int8"


def test_without_a_board_any_file_may_be_looked_at(bundle) -> None:
    assert choose_artefact(bundle, runtime="rknn").boards == ("rk3576",)


def test_bundle_of_another_board_is_refused_by_detection(tmp_path, tree, monkeypatch) -> None:
    path = rebuilt(
        Bundle.open(), tmp_path / "t527.efb", members={},
        change=lambda manifest: manifest.update(compatible=["t527"]),
    )  # fmt: skip
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(tree("rk3576_vendor")))
    for opened in (path, Bundle.open(path, board=None)):
        with pytest.raises(BundleIncompatibleError, match="is for t527; this board is 'rk3576'"):
            Pipeline.open(opened)
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(tree("t527_vendor")))
    with Pipeline.open(path) as pipeline:
        assert pipeline.runtime == "onnx"


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch) -> Path:
    """Where EDGEFACE_CONFIG points."""
    monkeypatch.setenv("EDGEFACE_CONFIG", str(tmp_path / "edgeface.toml"))
    return tmp_path / "edgeface.toml"


def test_settings_choose_and_arguments_override_them(settings_file: Path) -> None:
    write_settings(Settings(runtime="tflite", variant="whole", threads=2))
    with Pipeline.open() as pipeline:
        assert pipeline.artefact.title == "tflite whole int8"
    with Pipeline.open(variant="split") as pipeline:
        assert pipeline.artefact.title == "tflite split int8"
    with Pipeline.open(runtime="onnx") as pipeline:  # the variant was set for tflite
        assert pipeline.artefact.title == "onnx split int8"


def test_info_says_what_runs_and_why(settings_file: Path, capfd) -> None:
    assert main(["info", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["embedder"]["runs"] == "onnx split int8"
    assert report["embedder"]["because"].startswith(f"the best of {report['board']['name']}")
    write_settings(Settings(runtime="tflite", threads=2))
    assert main(["info"]) == 0
    assert f"tflite split int8: set in {settings_file}" in capfd.readouterr().out


def test_info_looks_at_a_bundle_of_another_board(tmp_path, tree, monkeypatch, capfd) -> None:
    path = rebuilt(
        Bundle.open(), tmp_path / "t527.efb", members={},
        change=lambda manifest: manifest.update(compatible=["t527"]),
    )  # fmt: skip
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(tree("rk3576_vendor")))
    assert main(["info", "--bundle", str(path)]) == 0
    printed = capfd.readouterr().out
    assert "runs       nothing: " in printed and "is for t527; this board is 'rk3576'" in printed
    assert "4 x cortex-a72, 2304 MHz, ondemand" in printed


def test_cpus_of_the_settings_that_are_not_there_are_an_error(settings_file, photos, capfd) -> None:
    write_settings(Settings(cpus=(60000,)))
    pair = [str(photos / "collins.png")] * 2
    assert main(["verify", *pair]) == 1
    assert "edgeface.toml: cpus [60000] cannot be used here" in capfd.readouterr().err


def test_command_keeps_to_the_cpus_of_the_settings(settings_file: Path, tmp_path: Path) -> None:
    write_settings(Settings(cpus=(0,)))
    code = (
        "import os\nfrom edgeface.cli import main\n"
        "assert main(['info', '--json']) == 0\nprint(os.sched_getaffinity(0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "{0}"


def test_settings_that_are_wrong_stop_every_command(settings_file: Path, capfd) -> None:
    settings_file.write_text("[embedder]\nthreads = 0\n")
    assert main(["info"]) == 1
    assert "threads: found 0, expected at least 1" in capfd.readouterr().err
