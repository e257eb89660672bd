"""VIPLite that fails, hangs or lies: every fault is an error, and nothing is left behind."""

from __future__ import annotations

import ctypes
import time

import numpy as np
import pytest

from edgeface.backends import viplite_abi as abi
from edgeface.errors import BackendUnavailableError, InferenceError
from tests.backends.viplite_board import WORDS, FakeVip, opened, pictures, reckoned

CREATING = [
    *("vip_init", "vip_query_hardware", "vip_create_network", "vip_set_network"),
    *("vip_query_network", "vip_query_input", "vip_query_output", "vip_create_buffer"),
    *("vip_prepare_network", "vip_set_input", "vip_set_output"),
]
RUNNING = ["vip_flush_buffer", "vip_run_network", "vip_unmap_buffer"]
FREEING = ["vip_finish_network", "vip_destroy_network", "vip_destroy_buffer", "vip_destroy"]


@pytest.mark.parametrize("function", CREATING)
@pytest.mark.parametrize("code", [*abi.STATUS, -99])
def test_every_status_while_opening_is_named_and_leaves_nothing(
    vip: FakeVip, monkeypatch: pytest.MonkeyPatch, function: str, code: int
) -> None:
    monkeypatch.setenv(WORDS, f"{function}={code}")
    text = f"{function} failed: {abi.STATUS.get(code, 'unknown status')}"
    with pytest.raises((InferenceError, BackendUnavailableError), match=text):
        opened()
    assert vip.alive == 0


@pytest.mark.parametrize("function", RUNNING)
@pytest.mark.parametrize("code", [*abi.STATUS, -99])
def test_every_status_of_a_run_is_an_error_and_the_next_run_is_sound(
    vip: FakeVip, monkeypatch: pytest.MonkeyPatch, function: str, code: int
) -> None:
    with opened() as backend:
        monkeypatch.setenv(WORDS, f"{function}={code}")
        with pytest.raises(InferenceError, match=f"{function} failed") as caught:
            backend.run(pictures(1))
        assert caught.value.code == code
        assert caught.value.step.endswith(function)
        monkeypatch.setenv(WORDS, "")
        rows = pictures(1, seed=1)
        assert np.array_equal(backend.run(rows)["feature"], reckoned(rows))


@pytest.mark.parametrize("function", ["vip_prepare_network", "vip_set_input", "vip_set_output"])
def test_a_network_that_could_not_start_anew_does_so_later(vip, monkeypatch, function: str) -> None:
    with opened() as backend:
        for words in ("vip_run_network=-1", f"{function}=-5"):
            monkeypatch.setenv(WORDS, words)
            with pytest.raises(InferenceError, match=f"{words.split('=')[0]} failed"):
                backend.run(pictures(1))
        monkeypatch.setenv(WORDS, "")
        rows = pictures(1)
        assert np.array_equal(backend.run(rows)["feature"], reckoned(rows))


@pytest.mark.parametrize("function", FREEING)
def test_a_failure_while_freeing_is_told_after_the_rest_is_freed(
    vip: FakeVip, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    backend = opened()
    monkeypatch.setenv(WORDS, f"{function}=-11")
    with pytest.raises(InferenceError, match=f"{function} failed: failure"):
        backend.close()
    assert vip.alive == 0


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("unwritten", "did not write 768 of 768 bytes"),
        ("half", "did not write 384 of 768 bytes"),
        ("nan", "1 of 192 values of output 'feature' are NaN or Inf"),
        ("vip_map_buffer", "it gave no address"),
    ],
)
def test_what_the_npu_did_not_compute_is_no_answer(vip, monkeypatch, word, expected) -> None:
    with opened() as backend:
        backend.run(pictures(1))
        monkeypatch.setenv(WORDS, word)
        with pytest.raises(InferenceError, match=expected):
            backend.run(pictures(1, seed=1))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("small", "VIPLite gave 96 bytes for 192"),
        ("inputs=2", "2 inputs, expected one"),
        ("outputs=0", "0 outputs, expected one"),
    ],
)
def test_a_network_of_another_kind_is_refused(vip, monkeypatch, words: str, expected: str) -> None:
    monkeypatch.setenv(WORDS, words)
    with pytest.raises(InferenceError, match=expected):
        opened()


def test_a_hanging_npu_is_left_after_the_time_out(vip: FakeVip, monkeypatch) -> None:
    monkeypatch.setenv("EDGEFACE_NPU_TIMEOUT_MS", "50")
    with opened() as backend:
        monkeypatch.setenv(WORDS, "hang")
        start = time.monotonic()
        with pytest.raises(InferenceError, match=r"timed out \(-1\); .*EDGEFACE_NPU_TIMEOUT_MS"):
            backend.run(pictures(1))
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", str(2**31)])
def test_a_time_out_that_is_none_is_refused(vip: FakeVip, monkeypatch, text: str) -> None:
    monkeypatch.setenv("EDGEFACE_NPU_TIMEOUT_MS", text)
    with pytest.raises(BackendUnavailableError, match="expected milliseconds"):
        opened()


def test_the_fake_gives_the_old_result_where_a_flush_is_missing(vip: FakeVip, monkeypatch) -> None:
    """What every other test rests on: the fake does not forgive what the backend must do."""
    with opened() as backend:
        network = backend._network
        old, new = pictures(1), pictures(1, seed=1)
        backend.run(old)
        flush = vip.library.vip_flush_buffer
        network.input._copy(
            lambda at: ctypes.memmove(at, new["image"].ctypes.data, network.input.bytes)
        )
        handle = network._handle
        assert vip.library.vip_run_network(handle) == 0
        assert flush(network.output.handle, abi.FROM_DEVICE) == 0
        assert np.array_equal(network.output.read(), reckoned(old)[0][None])


def test_an_earlier_result_is_never_an_answer(
    vip: FakeVip, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as backend:
        rows = pictures(1)
        backend.run(rows)
        monkeypatch.setenv(WORDS, "stale")
        with pytest.raises(InferenceError, match="the previous picture's output") as caught:
            backend.run(pictures(1, seed=1))
        assert caught.value.step == "embedder stale output"
    with pytest.raises(InferenceError, match="the previous picture's output"):
        opened()
    assert vip.alive == 0


def test_an_npu_that_is_one_picture_late_cannot_be_opened(vip: FakeVip, monkeypatch) -> None:
    monkeypatch.setenv(WORDS, "late")  # its outputs always differ, and are all of other pictures
    with pytest.raises(InferenceError, match="the previous picture's output"):
        opened()
    assert vip.alive == 0


def test_an_npu_that_falls_behind_never_gives_the_previous_face(vip: FakeVip, monkeypatch) -> None:
    with opened() as backend:
        backend.run(pictures(1))
        monkeypatch.setenv(WORDS, "late")
        for seed in (1, 2, 3):  # as a door does, which tries the next frame
            with pytest.raises(InferenceError, match="the previous picture's output"):
                backend.run(pictures(1, seed=seed))
        monkeypatch.setenv(WORDS, "")
        rows = pictures(1)
        assert np.array_equal(backend.run(rows)["feature"], reckoned(rows))


def test_pictures_that_the_network_cannot_tell_apart_are_answered(vip: FakeVip) -> None:
    bright = {"image": np.full((2, 8, 8, 3), 210, np.uint8)}
    bright["image"][1] = 230  # both are above what the network lets through
    with opened() as backend:
        assert np.array_equal(backend.run(bright)["feature"], reckoned(bright))
