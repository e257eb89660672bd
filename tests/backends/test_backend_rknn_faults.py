"""What goes wrong on an RKNN board ends in an error that says what, and never in an answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeface.backends.npu import find_rknpu, find_vipcore
from edgeface.backends.rknn import RknnBackend
from edgeface.backends.rknn_abi import CODES
from edgeface.errors import BackendUnavailableError, InferenceError
from tests.backends.rknn_board import HIGH, STAGE, WORDS, FakeNpu, opened, pictures, reckoned
from tests.fakes.rknn_fake import rknn_file

OPENING = {"init": "rknn_init", "query": "rknn_query", "cores": "rknn_set_core_mask"}
RUNNING = {
    "set": "rknn_inputs_set",
    "run": "rknn_run",
    "get": "rknn_outputs_get",
    "release": "rknn_outputs_release",
}


@pytest.mark.parametrize("code", sorted(CODES))
@pytest.mark.parametrize("call", OPENING)
def test_every_code_of_every_call_that_opens_is_an_error(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    monkeypatch.setenv("EDGEFACE_RKNN_CORES", "0")
    monkeypatch.setenv(WORDS, f"{call}={code}")
    with pytest.raises(InferenceError, match=f"{OPENING[call]} returned {code} ") as caught:
        opened()
    assert CODES[code] in str(caught.value)
    assert (caught.value.code, caught.value.step) == (code, f"embedder {OPENING[call]}")
    assert npu.contexts == 0


@pytest.mark.parametrize("code", [*sorted(CODES), -99, 1])
@pytest.mark.parametrize("call", RUNNING)
def test_every_code_of_every_call_that_runs_is_an_error_and_the_next_call_is_sound(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    with opened() as backend:
        backend.run(pictures(1))
        monkeypatch.setenv(WORDS, f"{call}={code}")
        with pytest.raises(InferenceError, match=f"{RUNNING[call]} returned {code} ") as caught:
            backend.run(pictures(2, seed=1))
        assert caught.value.code == code
        assert (npu.contexts, npu.outputs) == (0, 0)
        monkeypatch.delenv(WORDS)
        assert np.array_equal(backend.run(pictures(1))["feature"], reckoned(pictures(1)))


def test_a_context_that_cannot_be_destroyed_is_told(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened()
    monkeypatch.setenv(WORDS, "destroy=-7")
    with pytest.raises(InferenceError, match="rknn_destroy returned -7"):
        backend.close()


def test_nan_is_an_error_not_an_answer(npu: FakeNpu, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened() as backend:
        monkeypatch.setenv(WORDS, "nan")
        with pytest.raises(InferenceError, match="1 of 192 values of output 'feature' are NaN"):
            backend.run(pictures(1))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("unwritten", "wrote 768 bytes and left 192 of 192 values unwritten"),
        ("half", "wrote 768 bytes and left 96 of 192 values unwritten"),
        ("short", "wrote 384 bytes and left 96 of 192 values unwritten"),
    ],
)
def test_an_output_that_is_not_wholly_written_is_an_error(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, word: str, said: str
) -> None:
    with opened() as backend:
        backend.run(pictures(1))
        monkeypatch.setenv(WORDS, word)
        with pytest.raises(InferenceError, match=said):
            backend.run(pictures(1, seed=1))


def test_the_previous_output_is_never_the_answer_to_another_picture(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as backend:
        backend.run(pictures(1))
        monkeypatch.setenv(WORDS, "stale")
        with pytest.raises(InferenceError, match="the previous picture's output") as caught:
            backend.run(pictures(1, seed=1))
        assert caught.value.step == "embedder stale output"


@pytest.mark.parametrize("run", [5, 6, 8])
def test_one_stale_run_among_sound_ones_is_found(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, run: int
) -> None:
    monkeypatch.setenv(WORDS, f"stale={run}")  # the first four are the backend's own
    with opened() as backend:
        with pytest.raises(InferenceError, match="the previous picture's output"):
            backend.run(pictures(4))


def test_an_npu_that_never_computes_cannot_be_opened(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORDS, "stale")
    with pytest.raises(InferenceError, match="the previous picture's output"):
        opened()


def test_an_npu_that_is_one_picture_late_cannot_be_opened(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORDS, "late")  # its outputs always differ, and are all of other pictures
    with pytest.raises(InferenceError, match="the previous picture's output"):
        opened()


def test_an_npu_that_falls_behind_never_gives_the_previous_face(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as backend:
        backend.run(pictures(1))
        monkeypatch.setenv(WORDS, "late")
        for seed in (1, 2, 3):  # as a door does, which tries the next frame
            with pytest.raises(InferenceError, match="the previous picture's output"):
                backend.run(pictures(1, seed=seed))
        monkeypatch.delenv(WORDS)
        assert np.array_equal(backend.run(pictures(1))["feature"], reckoned(pictures(1)))


def test_pictures_that_rightly_give_one_output_are_answered(npu: FakeNpu) -> None:
    rows = {"image": np.full((3, 8, 8, 3), HIGH, np.uint8)}
    rows["image"][1] += 1
    with opened() as backend:
        found = backend.run(rows)["feature"]
    assert (found == HIGH).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("api=2.2.0", "librknnrt is 2.2.0, the bundle needs 2.3.0 or newer"),
        ("api=1.6.0", "librknnrt is 1.6.0"),
        ("driver=0.9.2", "rknpu is 0.9.2, the bundle needs 0.9.6 or newer"),
        ("api=unknown", "is no version"),
    ],
)
def test_what_is_older_than_the_bundle_needs_is_refused(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.setenv(WORDS, words)
    with pytest.raises(BackendUnavailableError, match=said):
        opened()


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"rknn-toolkit2": "2.6"}, r"rknn-toolkit2 is 2\.5\.0, the bundle needs 2\.6 or newer"),
        ({"rknn-toolkit2": "2 <2.5"}, r"toolkit2 is 2\.5\.0, the bundle needs one below 2\.5"),
        ({"librknnrt": "2 <2.3.1"}, r"librknnrt is 2\.3\.2, the bundle needs one below 2\.3\.1"),
        ({"rknpu": "0.9 <0.9.8"}, r"rknpu is 0\.9\.8, the bundle needs one below 0\.9\.8"),
        ({"firmware": "1"}, "the bundle needs firmware 1, this edgeface can tell"),
    ],
)
def test_what_is_outside_the_manifests_range_is_refused(
    npu: FakeNpu, needs: dict[str, str], said: str
) -> None:
    with pytest.raises(BackendUnavailableError, match=said):
        opened(needs=needs)


def test_version_numbers_compare_as_numbers(npu: FakeNpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORDS, "api=2.10.0 driver=0.10.1")
    with opened():
        assert npu.contexts == 1


@pytest.fixture
def tree(npu: FakeNpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The board's /sys, /proc and /dev, to change."""
    root = tmp_path / "root"
    shutil.copytree(npu.root, root, symlinks=True)
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(root))
    return root


def test_an_old_driver_is_refused_before_the_library_is_loaded(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "sys/module/rknpu/version").write_text("0.9.2\n")
    monkeypatch.setenv("EDGEFACE_RKNNRT", "/nowhere/librknnrt.so")
    with pytest.raises(BackendUnavailableError, match=r"rknpu is 0\.9\.2.*update the board's"):
        opened()


def test_a_driver_that_hides_its_version_is_asked_through_the_library(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "sys/module/rknpu/version").unlink()
    monkeypatch.setenv(WORDS, "driver=0.9.2")
    with pytest.raises(BackendUnavailableError, match=r"rknpu is 0\.9\.2"):
        opened()


def test_the_npu_is_found_by_its_driver_whatever_its_number(tree: Path) -> None:
    drm = tree / "sys/class/drm"
    assert find_rknpu(tree) == ("/dev/dri/renderD129", "0.9.8")
    (drm / "renderD129").rename(drm / "swap")
    (drm / "renderD128").rename(drm / "renderD129")
    (drm / "swap").rename(drm / "renderD128")
    assert find_rknpu() == ("/dev/dri/renderD128", "0.9.8")
    assert find_vipcore() is None


def test_a_board_without_the_driver_says_so(tree: Path) -> None:
    shutil.rmtree(tree / "sys/class/drm/renderD129")
    assert find_rknpu() is None
    with pytest.raises(BackendUnavailableError, match="no Rockchip NPU.*--runtime onnx"):
        opened()


def test_a_node_that_may_not_be_opened_says_what_to_do(tree: Path) -> None:
    (tree / "dev/dri/renderD129").unlink()  # root may open any file that is there
    with pytest.raises(BackendUnavailableError, match=r"renderD129 may not be opened.*udev rule"):
        opened()


def test_a_missing_library_says_where_it_comes_from(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEFACE_RKNNRT", "/nowhere/librknnrt.so")
    with pytest.raises(BackendUnavailableError, match=r"librknnrt\.so cannot be loaded.*/usr/lib"):
        opened()


def test_a_library_that_is_another_is_refused(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEFACE_RKNNRT", "libm.so.6")
    with pytest.raises(InferenceError, match=r"librknnrt\.so has no rknn_init"):
        opened()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("inputs=2", "it has 2 inputs and 1 outputs"),
        ("side=16", r"it turns 'image' \(1, 16, 8, 3\)"),
        ("output=embedding", "it turns .* into 'embedding', the manifest says .* into 'feature'"),
    ],
)
def test_a_model_that_is_not_the_manifests_is_refused(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.setenv(WORDS, words)
    with pytest.raises(InferenceError, match=f"the .rknn file is refused: {said}"):
        opened()


def test_a_body_that_the_library_does_not_read_is_its_error_minus_six(npu: FakeNpu) -> None:
    with pytest.raises(InferenceError, match="rknn_init returned -6") as caught:
        RknnBackend(rknn_file(b"nonsense"), stage=STAGE)
    assert caught.value.code == -6
