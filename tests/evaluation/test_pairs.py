"""Pair lists: the LFW format with and without folds, and folders of people."""

from __future__ import annotations

import pytest

from edgeface.errors import EvaluationError
from edgeface.pairs import Pair, folder_pairs, read_lfw_pairs


@pytest.fixture
def people(tmp_path):
    """Three people with three, two and one (empty) photo files."""
    for name, count in (("Ada", 3), ("Bob", 2), ("Cy", 1)):
        (tmp_path / name).mkdir()
        for i in range(1, count + 1):
            (tmp_path / name / f"{name}_{i:04d}.jpg").touch()
    return tmp_path


def listed(folder, text):
    path = folder / "pairs.txt"
    path.write_text(text)
    return path


def test_three_words_are_genuine_and_four_are_impostors(people):
    found = read_lfw_pairs(listed(people, "1\nAda\t1\t2\nAda\t1\tBob\t2\n"), people)
    assert found.pairs == (
        Pair("Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", True),
        Pair("Ada/Ada_0001.jpg", "Bob/Bob_0002.jpg", False),
    )


def test_folds_hold_as_many_pairs_as_the_header_says(people):
    text = "2 1\nAda 1 2\nAda 1 Bob 2\nBob 1 2\nAda 2 Cy 1\n"
    assert list(read_lfw_pairs(listed(people, text), people).folds) == [0, 0, 1, 1]


def test_a_pair_without_its_photo_is_counted_not_hidden(people):
    found = read_lfw_pairs(listed(people, "2\nAda 1 2\nAda 1 9\n"), people)
    assert (len(found.pairs), found.missing) == (1, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an LFW pair list"),
        ("Ada 1 2\n", "not an LFW pair list"),
        ("1\nAda 1\n", "found 2 words"),
        ("1\nDot 1 2\n", "none of the 1 pairs"),
    ],
)
def test_a_wrong_list_is_refused_with_what_is_wrong(people, text, says):
    with pytest.raises(EvaluationError, match=says):
        read_lfw_pairs(listed(people, text), people)


def test_a_folder_gives_all_genuine_and_only_true_impostor_pairs(people):
    found = folder_pairs(people)
    genuine = [p for p in found.pairs if p.genuine]
    impostors = [p for p in found.pairs if not p.genuine]
    assert len(genuine) == 3 + 1
    assert len(set(impostors)) == len(impostors) == 3 * 2 + 3 * 1 + 2 * 1
    assert all(p.first.split("/")[0] != p.second.split("/")[0] for p in impostors)


def test_a_folder_without_two_people_is_refused(tmp_path):
    (tmp_path / "Ada").mkdir()
    with pytest.raises(EvaluationError, match="found 0 people"):
        folder_pairs(tmp_path)
