"""The detector's decoding, merging and image handling, on encoded targets and real runtimes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.detect_grid import Candidates, decode, merge

STRIDES = (8, 16, 32)
HEIGHT, WIDTH = 192, 256


def empty_maps() -> dict[str, np.ndarray]:
    """Network outputs that say "no face" everywhere."""
    maps = {}
    for stride in STRIDES:
        shape = (HEIGHT // stride, WIDTH // stride)
        maps[f"score_{stride}"] = np.full((1, 1, *shape), -9.0, np.float32)
        maps[f"box_{stride}"] = np.zeros((1, 4, *shape), np.float32)
        maps[f"landmark_{stride}"] = np.zeros((1, 10, *shape), np.float32)
    return maps


def encode(maps, *, stride, cell, box, landmarks, logit) -> None:
    """Write one face into one cell, by the definition in `decode`'s documentation."""
    row, column = cell
    centre = (np.array([column, row]) + 0.5) * stride
    middle = np.array(box[:2]) + np.array(box[2:]) / 2
    maps[f"score_{stride}"][0, 0, row, column] = logit
    maps[f"box_{stride}"][0, :, row, column] = [
        *((middle - centre) / stride),
        *np.log(np.array(box[2:]) / stride),
    ]
    offsets = (np.asarray(landmarks) - centre) / stride
    maps[f"landmark_{stride}"][0, :, row, column] = offsets.ravel()


@given(
    stride=st.sampled_from(STRIDES),
    x=st.floats(-40, 200),
    y=st.floats(-40, 150),
    w=st.floats(8, 250),
    h=st.floats(8, 250),
    logit=st.floats(0.1, 12),
)
@settings(max_examples=60, deadline=None)
def test_an_encoded_face_is_decoded_to_itself(stride, x, y, w, h, logit) -> None:
    landmarks = np.array([[x, y], [x + w, y], [x + w / 2, y + h / 2], [x, y + h], [x + w, y + h]])
    maps = empty_maps()
    encode(maps, stride=stride, cell=(2, 3), box=(x, y, w, h), landmarks=landmarks, logit=logit)
    (face,) = merge(decode(maps, strides=STRIDES, score_threshold=0.5), overlap=0.4)
    np.testing.assert_allclose(face.box, (x, y, w, h), atol=2e-3)
    np.testing.assert_allclose(face.landmarks, landmarks, atol=2e-3)
    assert face.score == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_below_the_threshold_there_is_no_face() -> None:
    maps = empty_maps()
    points = np.full((5, 2), 50.0)
    encode(maps, stride=8, cell=(5, 5), box=(30, 30, 40, 40), landmarks=points, logit=0.3)
    assert merge(decode(maps, strides=STRIDES, score_threshold=0.6), overlap=0.4) == ()
    assert len(merge(decode(maps, strides=STRIDES, score_threshold=0.5), overlap=0.4)) == 1


def test_the_same_face_on_two_strides_is_reported_once_and_averaged() -> None:
    maps = empty_maps()
    near, far = np.full((5, 2), 60.0), np.full((5, 2), 62.0)
    encode(maps, stride=8, cell=(7, 7), box=(30, 30, 60, 60), landmarks=near, logit=2.0)
    encode(maps, stride=16, cell=(3, 3), box=(32, 30, 60, 60), landmarks=far, logit=2.0)
    (face,) = merge(decode(maps, strides=STRIDES, score_threshold=0.5), overlap=0.4)
    np.testing.assert_allclose(face.landmarks, 61.0, atol=1e-3)
    np.testing.assert_allclose(face.box, (31, 30, 60, 60), atol=1e-3)


def test_two_faces_apart_are_both_reported_best_first() -> None:
    maps = empty_maps()
    for cell, x, logit in (((4, 4), 20, 1.0), ((4, 20), 140, 3.0)):
        points = np.full((5, 2), float(x))
        encode(maps, stride=8, cell=cell, box=(x, 20, 40, 40), landmarks=points, logit=logit)
    faces = merge(decode(maps, strides=STRIDES, score_threshold=0.5), overlap=0.4)
    assert [round(face.box[0]) for face in faces] == [140, 20]
    assert faces[0].score > faces[1].score


def test_no_candidates_give_an_empty_tuple() -> None:
    nothing = Candidates(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))
    assert merge(nothing, overlap=0.4) == ()
    assert len(decode(empty_maps(), strides=STRIDES, score_threshold=0.5).scores) == 0


def test_absurd_box_sizes_stay_finite() -> None:
    maps = empty_maps()
    maps["score_32"][0, 0, 1, 1] = 5
    maps["box_32"][0, 2:, 1, 1] = 1e4
    (face,) = merge(decode(maps, strides=STRIDES, score_threshold=0.5), overlap=0.4)
    assert np.isfinite(face.box).all()
