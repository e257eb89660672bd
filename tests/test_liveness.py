"""Passive liveness: the score of one face in one frame, and the bundle's stage for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeface.bundle import Bundle
from edgeface.cli import main
from edgeface.errors import (
    BundleFormatError,
    BundleIncompatibleError,
    BundleIntegrityError,
    InferenceError,
)
from edgeface.face import Face
from edgeface.liveness import live_scores
from edgeface.liveness_view import cut_view, view_square
from edgeface.pipeline import Pipeline
from tests import bundles, networks

LANDMARKS = np.array([[60, 70], [100, 70], [80, 95], [65, 120], [95, 120]], np.float32)
BOX = (40.0, 40.0, 80.0, 100.0)


@pytest.fixture(scope="module")
def live() -> Iterator[Pipeline]:
    """The default bundle with its liveness stage."""
    with Pipeline.open(liveness=True) as opened:
        yield opened


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (200, 180, 3), dtype=np.uint8)


def _face(box: tuple = BOX, landmarks: np.ndarray = LANDMARKS) -> Face:
    return Face(box, 0.9, landmarks, None, np.zeros(512, np.float32))


def _without_stage(bundle: Bundle, path: Path) -> Path:
    """The bundle as it was before it had liveness."""
    vectors = bundle.selftest_vectors()
    kept = {name: rows for name, rows in vectors.items() if not name.startswith("liveness_")}
    members = {bundle.stage("liveness")["file"]: None, "selftest.npz": bundles.npz(kept)}
    return bundles.rebuilt(
        bundle, path, members=members, change=lambda manifest: manifest["stages"].pop("liveness")
    )


def _with_network(bundle: Bundle, path: Path, network: bytes) -> Path:
    return bundles.rebuilt(bundle, path, members={bundle.stage("liveness")["file"]: network})


def _constant_logit(value: float) -> bytes:
    """A network that gives the same logit for every face."""
    return networks.network(
        [
            ("ReduceMean", ["tight"], "mean", {"axes": [1, 2, 3], "keepdims": 0}),
            ("ReduceMean", ["wide"], "unused", {"axes": [1, 2, 3], "keepdims": 0}),
            ("Add", ["mean", "unused"], "both"),
            ("Mul", ["both", "nought"], "zero"),
            ("Add", ["zero", "value"], "row"),
            ("Unsqueeze", ["row", "axis"], "logit"),
        ],
        inputs={"tight": ["n", 3, 112, 112], "wide": ["n", 3, 80, 80]},
        outputs=["logit"],
        nought=np.float32(0),
        value=np.float32(value),
        axis=np.array([1], np.int64),
    )


def test_person_in_a_portrait_is_taken_for_live(live: Pipeline, astronaut_bgr: np.ndarray) -> None:
    score = live.live_score(astronaut_bgr, live.largest_face(astronaut_bgr))
    assert live.live_threshold <= score <= 1


def test_equal_frames_give_equal_scores_from_any_thread(
    live: Pipeline, astronaut_bgr: np.ndarray
) -> None:
    face = live.largest_face(astronaut_bgr)
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(lambda _: live.live_score(astronaut_bgr.copy(), face), range(12)))
    assert len(set(scores)) == 1


def test_info_and_selftest_speak_of_liveness(capsys) -> None:
    assert main(["info", "--json"]) == 0
    stage = json.loads(capsys.readouterr().out)["bundle"]["stages"]["liveness"]
    assert 0 < stage["threshold"] < 1 and stage["bpcer"] == 0.05
    assert main(["info"]) == 0
    assert "weak evidence" in capsys.readouterr().out
    assert main(["selftest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["liveness_error"] < 0.02


def test_selftest_of_a_bundle_without_liveness_passes_and_does_not_name_it(
    live: Pipeline, tmp_path, capsys
) -> None:
    path = _without_stage(live.bundle, tmp_path / "before.efb")
    assert main(["selftest", "--bundle", str(path), "--json"]) == 0
    assert "liveness_error" not in json.loads(capsys.readouterr().out)


def test_card_says_that_it_was_never_measured_on_real_attacks(live: Pipeline) -> None:
    card = " ".join(live.bundle.read("MODEL_CARD.md").decode().split())
    assert "never measured on a public attack set, nor on a real presentation attack beyond" in card
    assert "One RGB frame is weak evidence" in card


def test_selftest_measures_liveness_only_where_it_is_open(
    live: Pipeline, pipeline: Pipeline
) -> None:
    assert live.selftest.liveness_error < 0.02
    assert pipeline.selftest.liveness_error is None


def test_pipeline_opened_without_liveness_says_how_to_open_it(pipeline: Pipeline, frame) -> None:
    with pytest.raises(ValueError, match="liveness=True"):
        pipeline.live_score(frame, _face())
    with pytest.raises(ValueError, match="liveness=True"):
        assert pipeline.live_threshold


def test_bundle_without_the_stage_opens_but_not_with_liveness(live: Pipeline, tmp_path) -> None:
    path = _without_stage(live.bundle, tmp_path / "before.efb")
    with Pipeline.open(path) as opened:
        assert opened.bundle.model_id == live.bundle.model_id
    with pytest.raises(BundleIncompatibleError, match="python -m export liveness"):
        Pipeline.open(path, liveness=True)


@pytest.mark.parametrize("logit", [-5.0, 5.0])
def test_network_that_says_the_same_of_every_face_is_refused(
    live: Pipeline, tmp_path, logit
) -> None:
    path = _with_network(live.bundle, tmp_path / "constant.efb", _constant_logit(logit))
    with pytest.raises(BundleIntegrityError, match="live score is off by"):
        Pipeline.open(path, liveness=True)


def test_network_that_gives_nan_is_refused(live: Pipeline, tmp_path) -> None:
    path = _with_network(live.bundle, tmp_path / "nan.efb", _constant_logit(np.nan))
    with pytest.raises(InferenceError, match="liveness"):
        Pipeline.open(path, liveness=True)


def test_golden_pair_on_one_side_of_the_threshold_is_refused(live: Pipeline, tmp_path) -> None:
    def lower(manifest: dict) -> None:
        manifest["stages"]["liveness"]["threshold"] = 1e-6

    path = bundles.rebuilt(live.bundle, tmp_path / "low.efb", members={}, change=lower)
    with pytest.raises(BundleIntegrityError, match="about a threshold of"):
        Pipeline.open(path, liveness=True)


def test_golden_inputs_with_nan_are_refused(live: Pipeline, tmp_path) -> None:
    vectors = live.bundle.selftest_vectors()
    vectors["liveness_wide"] = vectors["liveness_wide"] * np.float32(np.nan)
    members = {"selftest.npz": bundles.npz(vectors)}
    path = bundles.rebuilt(live.bundle, tmp_path / "nan.efb", members=members)
    with pytest.raises(BundleFormatError, match="NaN or Inf in 'liveness_wide'"):
        Pipeline.open(path, liveness=True)


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ((np.nan, 0, 10, 10), "NaN"),
        ((0, 0, np.inf, 10), "NaN or Inf"),
        ((0, 0, 0, 10), "positive area"),
        ((0, 0, 10, -3), "positive area"),
        ((500, 0, 10, 10), "outside the 180x200 image"),
        ((-50, -50, 40, 40), "outside the 180x200 image"),
        ((0, 0, 10), "shape"),
    ],
)
def test_impossible_box_is_refused(live: Pipeline, frame, box, text) -> None:
    with pytest.raises(ValueError, match=text):
        live.live_score(frame, _face(box))


def test_landmarks_with_nan_are_refused(live: Pipeline, frame) -> None:
    points = LANDMARKS.copy()
    points[2, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or Inf"):
        live.live_score(frame, _face(landmarks=points))


@pytest.mark.parametrize("change", [lambda i: i[..., 0], lambda i: i / 255.0, lambda i: i[:0]])
def test_what_is_no_photo_is_refused(live: Pipeline, frame, change) -> None:
    with pytest.raises((TypeError, ValueError)):
        live.live_score(change(frame), _face())


@pytest.mark.parametrize("shift", [(-60, -60), (120, 0), (0, 140), (120, 150)])
def test_face_across_the_frames_edge_has_a_score(live: Pipeline, frame, shift) -> None:
    box = (BOX[0] + shift[0], BOX[1] + shift[1], *BOX[2:])
    score = live.live_score(frame, _face(box, LANDMARKS + np.float32(shift)))
    assert 0 <= score <= 1


def test_view_holds_pixels_of_the_frame_only() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        width, height = (int(v) for v in rng.integers(8, 400, 2))
        box = np.array([*rng.uniform(-50, 300, 2), *rng.uniform(1, 400, 2)])
        left, top, side = view_square(
            box=box,
            centre=rng.uniform(-100, 500, 2),
            scale=float(rng.uniform(0.5, 4)),
            width=width,
            height=height,
        )
        assert 0 <= left <= left + side <= width
        assert 0 <= top <= top + side <= height
        assert side >= 1


def test_wide_view_is_centred_on_the_box_where_there_is_room() -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    image[180:220, 180:220] = 255
    view = cut_view(
        image, box=(180, 180, 40, 40), landmarks=LANDMARKS, scale=2.0, size=80, anchor="box"
    )
    assert view[20:60, 20:60].min() == 255
    assert view[:19].max() == view[61:].max() == 0


def test_scores_stay_finite_for_any_finite_logit() -> None:
    scores = live_scores(np.array([[-3e38], [0.0], [3e38]], np.float32))
    assert scores[1] == 0.5
    assert 0 <= scores[0] < 1e-9
    assert 1 - 1e-9 < scores[2] <= 1
