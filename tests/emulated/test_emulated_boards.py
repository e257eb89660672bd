"""The SDK on emulated boards, with the runtimes' real ARM wheels: ``make emulated-boards``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from export.verify.machine import prepare
from tests.emulated.board import ISAS, EmulatedBoard
from tests.emulated.package import WHEELS, from_wheel

pytestmark = pytest.mark.emulated

MATCH = Path(__file__).with_name("match_worker.py")
GALLERY_ROWS = 10_000
SCORE_ERROR = 1e-6  # float32 sums of 512 products of unit vectors
LEAST_COSINE = 0.98
DETECT = "import json, edgeface; print(json.dumps(edgeface.Board.detect().name))"


@pytest.mark.parametrize(
    ("runtime", "variant"),
    [("onnx", "whole"), ("onnx", "split"), ("tflite", "whole"), ("tflite", "split")],
)
def test_self_test_passes(board: EmulatedBoard, runtime: str, variant: str) -> None:
    found = board.answer("selftest", "--runtime", runtime, "--variant", variant)
    assert found["ok"] is True
    assert found["isa"] == ISAS[board.core]
    assert found["embedding_cosine"] >= LEAST_COSINE
    assert (found["runtime"], found["variant"]) == (runtime, variant)


def test_info_names_the_machine_and_the_pinned_wheels(board: EmulatedBoard) -> None:
    found = board.answer("info")
    assert found["machine"] == "aarch64"
    assert found["native"]["isa"] == ISAS[board.core]
    wanted = board.machine.wheel("onnxruntime").split()[1]
    assert found["runtime"]["onnxruntime"] == wanted
    assert board.machine.wheel("ai-edge-litert") in found["runtime"]["tflite"]


def test_board_is_detected(board: EmulatedBoard) -> None:
    done = board.python("-c", DETECT)
    assert done.returncode == 0, done.stderr
    expected = {"cortex-a72": "rk3576", "cortex-a55": "t527"}
    assert json.loads(done.stdout) == expected[board.core]


def test_people_are_enrolled_and_identified(board: EmulatedBoard, photos: Path) -> None:
    for name, photo in (("Eileen Collins", "collins.png"), ("Grace Hopper", "hopper.jpg")):
        done = board.edgeface("enroll", name, photos / photo)
        assert done.returncode == 0, done.stderr
    found = board.answer("identify", photos / "both.jpg")
    names = sorted(face["identity"] for face in found["faces"])
    assert names == ["Eileen Collins", "Grace Hopper"]


def test_different_people_are_told_apart(board: EmulatedBoard, photos: Path) -> None:
    assert board.answer("verify", photos / "collins.png", photos / "hopper.jpg", code=3)


def test_a_photo_without_a_face_is_an_error_in_one_line(board: EmulatedBoard, photos: Path) -> None:
    done = board.edgeface("verify", photos / "nobody.png", photos / "hopper.jpg")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_search_of_ten_thousand_is_exact(board: EmulatedBoard) -> None:
    done = board.python(MATCH, GALLERY_ROWS)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["isa"] == ISAS[board.core]
    assert found["found"] == found["expected"]
    assert found["largest_error"] <= SCORE_ERROR
    first, second, stranger = found["above_threshold"]
    assert ([first[0], second[0]], stranger) == (found["genuine"], [])


def test_vendor_image_with_python_3_9_passes_its_self_test(
    board_with: Callable[[str], EmulatedBoard], photos: Path
) -> None:
    """Debian 11: libraries older than Debian's cross compiler builds for."""
    if WHEELS not in os.environ:
        pytest.skip(f"set {WHEELS} to the folder that `make wheels` fills")
    today = board_with("cortex-a55")
    folder = today.machine.folder.with_name(f"{today.machine.folder.name}-3.9")
    machine = prepare(folder, python="3.9")
    board = replace(today, machine=machine, package=from_wheel(machine, Path(os.environ[WHEELS])))
    assert board.answer("info")["python"].startswith("3.9.")
    assert board.answer("selftest")["isa"] == "neondot"
    assert board.answer("verify", photos / "collins.png", photos / "collins_mirrored.jpg")["same"]


def test_a_core_without_dot_product_refuses_to_be_forced(board: EmulatedBoard) -> None:
    done = board.python("-m", "edgeface", "selftest", environment={"EDGEFACE_ISA": "neondot"})
    forced = ISAS[board.core] == "neondot"
    assert (done.returncode == 0) is forced, done.stderr
    if not forced:
        assert "supports: neon, scalar" in done.stderr
