"""RKNN on a fake librknnrt that really computes: answers, refusals, and nothing left behind."""

from __future__ import annotations

import ctypes
import errno
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgeface.artefact import choose_artefact
from edgeface.backends import open_backend, rknn_abi
from edgeface.backends.rknn import RknnBackend
from edgeface.bundle import Bundle
from edgeface.errors import BackendUnavailableError, InferenceError
from tests.backends.rknn_board import MODEL, STAGE, FakeNpu, opened, pictures, reckoned
from tests.fakes.make import Fakes
from tests.fakes.rknn_fake import rknn_file
from tests.faults import in_child


def test_each_row_is_a_run_of_its_own(npu: FakeNpu) -> None:
    with opened() as backend:
        rows = pictures(5)
        found = backend.run(rows)["feature"]
        assert found.dtype == np.float32
        assert np.array_equal(found, reckoned(rows))


def test_structures_have_the_sizes_and_offsets_of_the_public_header() -> None:
    kinds = (rknn_abi.Tensor, rknn_abi.Input, rknn_abi.Output, rknn_abi.Versions)
    assert [ctypes.sizeof(kind) for kind in kinds] == [376, 32, 24, 512]
    tensor = {"name": 72, "values": 328, "layout": 336, "zero_point": 352, "height_stride": 372}
    assert {name: getattr(rknn_abi.Tensor, name).offset for name in tensor} == tensor


def test_no_rows_in_no_rows_out(npu: FakeNpu) -> None:
    with opened() as backend:
        assert backend.run(pictures(0))["feature"].shape == (0, 3, 8, 8)


def test_results_are_the_callers(npu: FakeNpu) -> None:
    with opened() as backend:
        rows = pictures(1)
        first = backend.run(rows)["feature"]
        backend.run(pictures(1, seed=1))
        assert np.array_equal(first, reckoned(rows))
        first += 1  # and may be written to


def test_rows_that_are_not_contiguous_are_fed_right(npu: FakeNpu) -> None:
    rows = {"image": pictures(4)["image"][::2, :, ::-1]}
    with opened() as backend:
        assert np.array_equal(backend.run(rows)["feature"], reckoned(rows))


def test_the_fake_computes_what_onnxruntime_does(fakes: Fakes, npu: FakeNpu) -> None:
    bundle = Bundle.open(fakes.bundle)
    chosen = choose_artefact(bundle, variant="split", runtime="rknn")
    onnx = choose_artefact(bundle, variant="split", runtime="onnx")
    inputs = bundle.selftest_vectors()["embedder_input"]
    fed = {"image": chosen.fed(inputs, onnx.input)}
    with open_backend(chosen.stage, bundle.read(chosen.file)) as backend:
        found = backend.run(fed)["feature"]
    with open_backend(onnx.stage, bundle.read(onnx.file)) as backend:
        wanted = backend.run({"image": inputs})["feature"]
    for one, other in zip(found.reshape(len(found), -1), wanted.reshape(len(wanted), -1)):
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.998


@pytest.mark.parametrize(
    "shape", [(8, 8, 3), (1, 3, 8, 8), (1, 8, 8, 4), (1, 16, 8, 3), (1, 8, 8), (1, 1, 8, 8, 3)]
)
def test_wrong_shape_is_the_callers_mistake(npu: FakeNpu, shape: tuple) -> None:
    with opened() as backend, pytest.raises(ValueError, match=r"expected \(N, 8, 8, 3\)"):
        backend.run({"image": np.zeros(shape, np.uint8)})


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint16, np.float64])
def test_wrong_dtype_is_the_callers_mistake(npu: FakeNpu, dtype: type) -> None:
    with opened() as backend, pytest.raises(TypeError, match="expected uint8"):
        backend.run({"image": np.zeros((1, 8, 8, 3), dtype)})


def test_wrong_names_and_lists_are_the_callers_mistake(npu: FakeNpu) -> None:
    with opened() as backend:
        with pytest.raises(ValueError, match=r"\['x'\], expected \['image'\]"):
            backend.run({"x": np.zeros((1, 8, 8, 3), np.uint8)})
        with pytest.raises(TypeError, match="is list, expected uint8"):
            backend.run({"image": [[0]]})


def test_closed_backend_refuses(npu: FakeNpu) -> None:
    backend = opened()
    backend.close()
    backend.close()
    assert npu.contexts == 0
    for count in (0, 1):
        with pytest.raises(InferenceError, match="embedder: the backend is closed"):
            backend.run(pictures(count))


def test_each_thread_has_a_context_which_goes_with_it(npu: FakeNpu) -> None:
    here = threading.Barrier(4)

    def answer(seed: int) -> bool:
        rows = pictures(3, seed=seed)
        found = backend.run(rows)["feature"]
        here.wait(60)
        assert npu.contexts == 5  # one for each of four, and the one that opened it
        here.wait(60)
        return np.array_equal(found, reckoned(rows))

    with opened() as backend:
        assert npu.contexts == 1
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(answer, range(4)))
        assert npu.contexts == 1


def test_close_takes_the_contexts_of_living_threads(npu: FakeNpu) -> None:
    with ThreadPoolExecutor(1) as pool:
        with opened() as backend:
            pool.submit(backend.run, pictures(1)).result()
            assert npu.contexts == 2
        assert npu.contexts == 0
        with pytest.raises(InferenceError, match="the backend is closed"):
            pool.submit(backend.run, pictures(1)).result()


def test_threads_may_share_a_backend(npu: FakeNpu) -> None:
    def right(seed: int) -> bool:
        rows = pictures(2, seed=seed)
        return np.array_equal(backend.run(rows)["feature"], reckoned(rows))

    with opened() as backend, ThreadPoolExecutor(4) as pool:
        assert all(pool.map(right, range(200)))


@pytest.mark.parametrize(("cores", "mask"), [("auto", 0), ("0", 1), ("1", 2), ("0_1", 3)])
def test_cores_are_those_of_the_environment(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, cores: str, mask: int
) -> None:
    monkeypatch.setenv("EDGEFACE_RKNN_CORES", cores)
    with opened() as backend:
        assert npu.mask == mask
        assert np.array_equal(backend.run(pictures(1))["feature"], reckoned(pictures(1)))


@pytest.mark.parametrize("cores", ["2", "", "all", "0,1"])
def test_unknown_cores_are_refused(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, cores: str
) -> None:
    monkeypatch.setenv("EDGEFACE_RKNN_CORES", cores)
    with pytest.raises(BackendUnavailableError, match="expected one of auto, 0, 1, 0_1"):
        opened()


@pytest.mark.parametrize("platforms", [("rk3588",), (), ("rk3568", "rk35"), ("r",)])
def test_a_file_for_another_chip_is_refused_before_the_library_sees_it(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, platforms: tuple
) -> None:
    monkeypatch.setenv("EDGEFACE_RKNNRT", "/nowhere/librknnrt.so")
    with pytest.raises(InferenceError, match=r"built for .*, this board is .*rockchip,rk3576"):
        RknnBackend(rknn_file(b"", platforms=platforms), stage=STAGE)


@pytest.mark.parametrize("model", [b"", b"RKNN", MODEL[:300], MODEL[:-1], b"VPMN" + MODEL[4:]])
def test_a_damaged_file_is_refused_before_the_library_sees_it(
    npu: FakeNpu, monkeypatch: pytest.MonkeyPatch, model: bytes
) -> None:
    monkeypatch.setenv("EDGEFACE_RKNNRT", "/nowhere/librknnrt.so")
    with pytest.raises(InferenceError, match=r"truncated|not an \.rknn file"):
        RknnBackend(model, stage=STAGE)


@pytest.mark.parametrize("change", [{"dtype": "float32"}, {"layout": "NCHW"}])
def test_a_manifest_that_does_not_feed_pixels_is_refused(npu: FakeNpu, change: dict) -> None:
    with pytest.raises(InferenceError, match="expected uint8 NHWC"):
        opened(input={**STAGE["input"], **change})


def test_a_forked_child_does_not_use_its_parents_npu(npu: FakeNpu) -> None:
    with opened() as backend:
        for _ in range(2):
            error, text = in_child(lambda: backend.run(pictures(1)))
            assert (error, "by a fork" in text) == ("InferenceError", True)
        for action in (backend.close, lambda: opened().close()):
            assert in_child(action) == ("", "")
        assert npu.contexts == 1
        assert np.array_equal(backend.run(pictures(1))["feature"], reckoned(pictures(1)))


def test_a_process_that_ends_without_close_ends_well(npu: FakeNpu) -> None:
    code = "from tests.backends.rknn_board import *; b = opened(); b.run(pictures(1))"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    except OSError as error:
        assert error.errno == errno.ENOEXEC
        pytest.skip("QEMU's user mode starts no program of another machine")
    assert (done.returncode, done.stderr) == (0, "")
