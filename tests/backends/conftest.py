"""A board with a fake NPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.rknn_board import WORDS, FakeNpu
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
