"""A board with a fake NPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgeface.backends.viplite_driver import load_driver
from tests.backends import viplite_board
from tests.backends.rknn_board import WORDS, FakeNpu
from tests.backends.viplite_board import FakeVip
from tests.fakes.make import Fakes


@pytest.fixture
def npu(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNpu]:
    """This process is on an RK3576 with librknnrt; the test must leave nothing on the NPU."""
    fake = FakeNpu(fakes)
    monkeypatch.setenv("EDGEFACE_RKNNRT", str(fake.library))
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(fake.root))
    for name in ("EDGEFACE_RKNN_CORES", WORDS):
        monkeypatch.delenv(name, raising=False)
    yield fake
    assert (fake.contexts, fake.outputs) == (0, 0)


@pytest.fixture(params=["libVIPlite.so", "libNBGlinker.so"])
def vip(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[FakeVip]:
    """This process is on a T527 with either VIPLite; the test must leave nothing on the NPU."""
    library = str(fakes.library(request.param))
    monkeypatch.setenv("EDGEFACE_VIPLITE", library)
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(fakes.root("nbg")))
    for name in ("EDGEFACE_NPU_TIMEOUT_MS", viplite_board.WORDS):
        monkeypatch.delenv(name, raising=False)
    load_driver()  # with the companion that the fake's counters are in
    fake = FakeVip(library)
    yield fake
    assert fake.alive == 0
