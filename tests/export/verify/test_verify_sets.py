"""Evaluation sets: users' folders, samples, and what the data folder has."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from export.verify.sets import FaceSet, Pairs, folder_set, lfw_pair, load_sets, sample


def test_a_folder_of_people_is_read(tmp_path, portrait_crops) -> None:
    for person, crop in zip(("collins", "hopper"), portrait_crops):
        (tmp_path / person).mkdir()
        assert cv2.imwrite(str(tmp_path / person / "1.png"), crop[:, :, ::-1])
    found = folder_set(tmp_path)
    assert found.people.tolist() == ["collins", "hopper"]
    assert np.array_equal(found.crops, np.stack(portrait_crops))


def test_a_photo_that_is_no_aligned_crop_is_refused(
    tmp_path, astronaut_bgr, portrait_crops
) -> None:
    for person in ("a", "b"):
        (tmp_path / person).mkdir()
        cv2.imwrite(str(tmp_path / person / "1.png"), portrait_crops[0])
    cv2.imwrite(str(tmp_path / "b" / "2.png"), astronaut_bgr)
    with pytest.raises(ValueError, match="512x512, expected an aligned crop of 112x112"):
        folder_set(tmp_path)
    (tmp_path / "b" / "2.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="2.png: found no picture"):
        folder_set(tmp_path)


def test_one_person_alone_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="0 people in 0 photos"):
        folder_set(tmp_path)


def test_a_data_folder_without_sets_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="fairface112"):
        load_sets(tmp_path)


def test_a_sample_holds_whole_people_and_repeats() -> None:
    crops = np.zeros((100, 2, 2, 3), np.uint8)
    people = np.repeat(np.arange(20), 5)
    whole = FaceSet("people", crops, "made", people=people, groups={"g": people % 3})
    found = sample(whole, 30, seed=1)
    assert 30 <= len(found.crops) <= 35
    assert all((found.people == person).sum() == 5 for person in np.unique(found.people))
    assert np.array_equal(found.groups["g"], found.people % 3)
    assert np.array_equal(sample(whole, 30, seed=1).people, found.people)
    assert not np.array_equal(sample(whole, 30, seed=2).people, found.people)
    assert "seed 1" in found.source
    assert sample(whole, 100, seed=1) is whole


def test_a_sample_of_listed_pairs_keeps_both_photos() -> None:
    crops = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    first, second = np.arange(0, 40, 2), np.arange(1, 40, 2)
    pairs = Pairs(first, second, first % 4 == 0, np.arange(20) % 10)
    found = sample(FaceSet("pairs", crops, "made", pairs=pairs), 10, seed=0)
    assert len(found.pairs.first) == 5 and len(found.crops) == 10
    shown = found.crops[:, 0, 0, 0].astype(int)
    assert np.array_equal(shown[found.pairs.first] + 1, shown[found.pairs.second])
    assert np.array_equal(found.pairs.genuine, shown[found.pairs.first] % 4 == 0)


def test_lfw_lines_name_their_photos() -> None:
    assert lfw_pair(["A_B", "3", "12"]) == ("A_B_0003.jpg", "A_B_0012.jpg", True)
    assert lfw_pair(["A", "1", "B", "2"]) == ("A_0001.jpg", "B_0002.jpg", False)


def test_the_data_folder_has_faces_people_and_pairs(data_folder) -> None:
    sets = load_sets(data_folder)
    faces, people, pairs = (sets[name] for name in ("faces", "people", "pairs"))
    assert len(faces.crops) == 1000 and set(faces.groups) == {"race", "gender", "age"}
    assert "3-9" in faces.groups["age"] and not any("Sep" in age for age in faces.groups["age"])
    assert len(set(people.people)) == 240
    assert len(pairs.pairs.genuine) == 999 and pairs.pairs.genuine.sum() == 500
