"""The whole pipeline with its backbone on the fake T527: the same answers as on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgeface.errors import BundleIntegrityError, InferenceError
from edgeface.pipeline import Pipeline
from tests.backends.viplite_board import WORDS, FakeVip
from tests.fakes.make import Fakes

MIN_COSINE = 0.98


@pytest.fixture
def on_npu(fakes: Fakes, vip: FakeVip) -> Iterator[Pipeline]:
    with Pipeline.open(fakes.bundle, runtime="nbg") as opened:
        yield opened


def test_selftest_passes_and_the_backbone_is_on_the_npu(on_npu: Pipeline, vip: FakeVip) -> None:
    assert (on_npu.runtime, on_npu.variant) == ("nbg", "split")
    assert on_npu.selftest.embedding_cosine > MIN_COSINE
    assert vip.alive == 4


def test_portraits_verify_as_on_the_cpu(
    pipeline: Pipeline, on_npu: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> None:
    mirrored = np.ascontiguousarray(astronaut_bgr[:, ::-1])
    for other, same in ((mirrored, True), (grace_hopper_bgr, False)):
        assert pipeline.embedding(other) @ on_npu.embedding(other) > MIN_COSINE
        found = on_npu.verify(astronaut_bgr, other)
        assert found.same == pipeline.verify(astronaut_bgr, other).same == same


def test_an_npu_that_repeats_itself_opens_no_pipeline(
    fakes: Fakes, vip: FakeVip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORDS, "stale")
    with pytest.raises((BundleIntegrityError, InferenceError)):
        Pipeline.open(fakes.bundle, runtime="nbg")


def test_an_npu_of_another_chip_opens_no_pipeline(
    fakes: Fakes, vip: FakeVip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORDS, "chip=0x1000003b")
    with pytest.raises(Exception, match="this board's NPU is 0x1000003b"):
        Pipeline.open(fakes.bundle, runtime="nbg")
