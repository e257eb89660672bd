"""A whole verification on each emulated board, from two photos to the answer. In every CI run."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeface.image import read_image
from edgeface.pipeline import Pipeline
from tests.emulated.board import EmulatedBoard

SCORE_TOLERANCE = 0.02  # two embeddings, each as near as docs/emulated.md says


def test_whole_verification_gives_this_machines_answer(
    board: EmulatedBoard, pipeline: Pipeline, photos: Path
) -> None:
    files = [photos / "collins.png", photos / "collins_mirrored.jpg"]
    here = pipeline.verify(*(read_image(file) for file in files))
    there = board.answer("verify", *files)
    assert there["same"] is here.same is True
    assert there["score"] == pytest.approx(here.score, abs=SCORE_TOLERANCE)
    assert there["threshold"] == pytest.approx(here.threshold, abs=1e-4)
