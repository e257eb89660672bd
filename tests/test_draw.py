"""Result pictures: labels stay inside, any name can be drawn, the photo stays as it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgeface.draw import KNOWN, ascii_text, draw_faces
from edgeface.face import Face
from edgeface.pipeline import Pipeline


@pytest.fixture(scope="module")
def face(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> Face:
    return pipeline.largest_face(astronaut_bgr)


def test_box_is_drawn_on_a_copy(face: Face, astronaut_bgr: np.ndarray) -> None:
    before = astronaut_bgr.copy()
    drawn = draw_faces(astronaut_bgr, [face], labels=["Eileen"], colours=[KNOWN])
    x, y, width, height = (int(round(value)) for value in face.box)
    assert (drawn[y + height, x : x + width] == KNOWN).all(axis=1).mean() > 0.9
    assert (astronaut_bgr == before).all()


@pytest.mark.parametrize("box", [(-60, -40, 90, 90), (450, 470, 90, 90), (0, 0, 512, 512)])
def test_label_stays_inside_the_picture(face: Face, astronaut_bgr: np.ndarray, box: tuple) -> None:
    moved = dataclasses.replace(face, box=box)
    blank = np.zeros_like(astronaut_bgr)
    plain = draw_faces(blank, [moved], labels=[""], colours=[KNOWN])
    labelled = draw_faces(blank, [moved], labels=["Eileen Collins"], colours=[KNOWN])
    assert (labelled != plain).any(axis=2).sum() > 500


def test_tiny_picture_can_be_drawn_on(face: Face) -> None:
    tiny = dataclasses.replace(face, box=(0, 0, 1, 1), landmarks=np.zeros((5, 2), np.float32))
    assert draw_faces(np.zeros((1, 1, 3), np.uint8), [tiny]).shape == (1, 1, 3)


def test_no_faces_change_nothing(astronaut_bgr: np.ndarray) -> None:
    assert (draw_faces(astronaut_bgr, []) == astronaut_bgr).all()


@pytest.mark.parametrize(
    ("name", "expected"), [("Zoë Žižek", "Zoe Zizek"), ("Ångström", "Angstrom"), ("王", "?")]
)
def test_names_are_drawn_in_the_letters_there_are(name: str, expected: str) -> None:
    assert ascii_text(name) == expected
