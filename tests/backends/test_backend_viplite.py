"""VIPLite on fakes that really compute: answers, refusals, and nothing left behind."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeface.backends import open_backend, viplite_driver
from edgeface.backends import viplite_abi as abi
from edgeface.backends.viplite import runtime_version
from edgeface.errors import BackendUnavailableError, InferenceError
from tests.backends.viplite_board import (
    FEATURE,
    PIXELS,
    SIDE,
    STAGE,
    WORDS,
    FakeVip,
    model,
    opened,
    pictures,
    reckoned,
)
from tests.fakes.make import Fakes
from tests.fakes.viplite_fake import tensor
from tests.faults import in_child


def test_each_row_is_a_run_of_its_own(vip: FakeVip) -> None:
    with open_backend(STAGE, model()) as backend:
        rows = pictures(5)
        found = backend.run(rows)["feature"]
        assert found.dtype == np.float32
        assert np.array_equal(found, reckoned(rows))


def test_the_structure_has_the_size_and_offsets_that_were_measured() -> None:
    assert ctypes.sizeof(abi.BufferParameters) == 48
    fields = ("sizes", "format", "quantisation", "parameters", "memory_type")
    assert [getattr(abi.BufferParameters, f).offset for f in fields] == [4, 28, 32, 36, 44]


def test_no_rows_in_no_rows_out_and_results_are_the_callers(vip: FakeVip) -> None:
    with opened() as backend:
        assert backend.run(pictures(0))["feature"].shape == (0, 3, SIDE, SIDE)
        rows = {"image": pictures(4)["image"][::2, :, ::-1]}
        first = backend.run(rows)["feature"]
        backend.run(pictures(2, seed=1))
        assert np.array_equal(first, reckoned(rows))


def test_pictures_whose_axes_lie_in_another_order_are_fed_right(vip: FakeVip) -> None:
    planar = np.ascontiguousarray(np.moveaxis(pictures(2)["image"], 3, 1))
    rows = {"image": np.moveaxis(planar, 1, 3)}
    with opened() as backend:
        assert np.array_equal(backend.run(rows)["feature"], reckoned(rows))


@pytest.mark.parametrize(
    ("stored", "error"),
    [
        (tensor((1, SIDE, SIDE, 3), "uint8", scale=1.0), 0),
        (tensor((1, SIDE, 3 * SIDE, 1), "uint8"), 0),
        (tensor((1, SIDE, SIDE, 3), "int8", scale=1.0, zero_point=-128), 0),
        (tensor((1, SIDE, SIDE, 3), "int8", position=-1), 1),
        (tensor((1, SIDE, SIDE, 3), "int16", position=4), 0),
        (tensor((1, SIDE, SIDE, 3), "uint16", scale=0.25, zero_point=7), 0),
        (tensor((1, SIDE, SIDE, 3), "float16"), 0),
        (tensor((1, SIDE, SIDE, 3), "float32"), 0),
    ],
    ids=["u8 scale", "u8 flat", "i8", "i8 fixed", "i16 fixed", "u16", "fp16", "fp32"],
)
def test_pixels_arrive_however_the_input_stores_them(vip: FakeVip, stored, error: int) -> None:
    with opened(model(given=stored)) as backend:
        rows = pictures(2)
        assert np.abs(backend.run(rows)["feature"] - reckoned(rows)).max() <= error


@pytest.mark.parametrize(
    ("stored", "error"),
    [
        (tensor((1, 3, SIDE, SIDE), "uint8", scale=0.8, zero_point=1), 0.41),
        (tensor((1, 3, SIDE, SIDE), "int8", scale=0.8, zero_point=-128), 0.41),
        (tensor((1, 3, SIDE, SIDE), "int8", position=-1), 1.01),
        (tensor((1, 3, SIDE, SIDE), "int16", position=7), 0.01),
        (tensor((1, 3, SIDE, SIDE), "uint16", scale=0.01), 0.01),
        (tensor((1, 3, SIDE, SIDE), "float16"), 0),
    ],
    ids=["u8", "i8", "i8 fixed", "i16 fixed", "u16", "fp16"],
)
def test_outputs_are_real_numbers_however_they_are_stored(vip, stored, error: float) -> None:
    with opened(model(found=stored)) as backend:
        rows = pictures(2)
        found = backend.run(rows)["feature"]
        assert found.dtype == np.float32
        assert np.abs(found - reckoned(rows)).max() <= error


@pytest.mark.parametrize(
    ("given", "found", "expected"),
    [
        (tensor((1, 3, SIDE, SIDE), "uint8"), FEATURE, "channels last"),
        (tensor((1, 4, 4, 3), "uint8"), FEATURE, "has shape"),
        (tensor((1, SIDE, SIDE, 3), "uint8", scale=1 / 128, zero_point=128), FEATURE, "hold pixel"),
        (tensor((1, SIDE, SIDE, 3), "int8", position=0), FEATURE, "cannot hold pixels"),
        (tensor((1, SIDE, SIDE, 3), "bfloat16"), FEATURE, "format 7"),
        (tensor((1, SIDE, SIDE, 3), "uint8", scale=0.0), FEATURE, "scale 0"),
        (tensor((1, SIDE, SIDE, 3), "uint8", scale=float("nan")), FEATURE, "scale nan"),
        (PIXELS, tensor((1, 3, SIDE, SIDE), "int8", position=100), "scale above 0"),
        (PIXELS, tensor((1, 3, SIDE, SIDE), "int8"), "without a scale"),
        (PIXELS, tensor((3, SIDE, SIDE), "float32"), "one picture's"),
        (tensor((), "uint8"), FEATURE, "0 dimensions"),
    ],
)
def test_a_file_that_would_be_fed_or_read_wrong_is_refused(vip, given, found, expected) -> None:
    with pytest.raises(InferenceError, match=expected):
        opened(model(given=given, found=found))


@pytest.mark.parametrize("shape", [(SIDE, SIDE, 3), (1, 3, SIDE, SIDE), (1, SIDE, SIDE + 1, 3)])
def test_wrong_shapes_never_reach_the_npu(vip: FakeVip, monkeypatch, shape: tuple) -> None:
    with opened() as backend:
        monkeypatch.setenv(WORDS, "vip_run_network=-11 vip_map_buffer")
        with pytest.raises(ValueError, match="channels last"):
            backend.run({"image": np.zeros(shape, np.uint8)})
        with pytest.raises(TypeError, match="float32, expected uint8"):
            backend.run({"image": np.zeros((1, SIDE, SIDE, 3), np.float32)})
        with pytest.raises(TypeError, match="list, expected uint8"):
            backend.run({"image": [[0]]})
        with pytest.raises(ValueError, match=r"\['x'\], expected \['image'\]"):
            backend.run({"x": np.zeros((1, SIDE, SIDE, 3), np.uint8)})


def test_another_chips_file_is_refused_before_it_is_loaded(vip: FakeVip, monkeypatch) -> None:
    monkeypatch.setenv(WORDS, "vip_create_network=-11")  # it must not come to that
    with pytest.raises(InferenceError, match=r"for a733 \(0x1000003b\), the manifest says chip"):
        opened(model(chip=0x1000003B))
    with pytest.raises(BackendUnavailableError, match="this board's NPU is 0x10000016"):
        opened(model(chip=0x1000003B), chip=None)
    for data in (b"", b"RKNN", model()[:80]):
        with pytest.raises(InferenceError, match="refused the model"):
            opened(data)


def test_versions_out_of_range_are_refused(vip: FakeVip, fakes: Fakes, monkeypatch) -> None:
    assert runtime_version() == "VIPLite 1.13.0"
    with pytest.raises(
        BackendUnavailableError, match=r"viplite is 1\.13\.0, the bundle needs 1\.14"
    ):
        opened(needs={"viplite": "1.14"})
    for number, said in ((0x00020003, "VIPLite 2.0.3"), (0x00030001, None)):
        monkeypatch.setattr(viplite_driver, "_DRIVERS", {})  # loaded anew
        monkeypatch.setenv(WORDS, f"version={number}")
        assert runtime_version() == said
    with pytest.raises(BackendUnavailableError, match=r"is VIPLite 3\.0\.1, .* upgrade edgeface"):
        opened()


def test_a_board_without_the_npu_says_so(vip: FakeVip, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(tmp_path))
    with pytest.raises(BackendUnavailableError, match="no /dev/vipcore: .*modprobe vipcore"):
        opened()


def test_a_board_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFACE_VIPLITE", "/nowhere/libVIPlite.so")
    with pytest.raises(BackendUnavailableError, match="libVIPlite.so cannot be loaded"):
        opened()
    assert runtime_version() is None


def test_backends_share_viplite_and_the_last_ends_it(vip: FakeVip) -> None:
    first, second = opened(), opened()
    first.close()
    first.close()
    with pytest.raises(InferenceError, match="the backend is closed"):
        first.run(pictures(1))
    rows = pictures(1)
    assert np.array_equal(second.run(rows)["feature"], reckoned(rows))
    second.close()
    assert vip.alive == 0


def test_a_backend_that_nobody_closes_is_freed(vip: FakeVip) -> None:
    backend = opened()
    assert vip.alive == 4  # VIPLite, the network, its two buffers
    del backend
    assert vip.alive == 0


def test_threads_may_share_a_backend(vip: FakeVip) -> None:
    with opened() as backend, ThreadPoolExecutor(4) as pool:
        rows = [pictures(1, seed=i) for i in range(40)]
        for given, found in zip(rows, pool.map(backend.run, rows)):
            assert np.array_equal(found["feature"], reckoned(given))


def test_a_forked_child_does_not_use_its_parents_npu(vip: FakeVip) -> None:
    with opened() as backend:
        for action in (lambda: backend.run(pictures(1)), opened):
            error, text = in_child(action)
            assert (error, "by a fork" in text) == ("InferenceError", True)
        assert in_child(backend.close) == ("", "")
        assert vip.alive == 4
