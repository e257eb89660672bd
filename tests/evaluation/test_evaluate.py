"""``edgeface eval`` on real photos, and the accuracy that the default bundle promises."""

from __future__ import annotations

import json
import tarfile

import cv2
import numpy as np
import pytest

from edgeface import cli
from edgeface.evaluate import evaluate
from edgeface.pairs import read_lfw_pairs


@pytest.fixture
def people(tmp_path, astronaut_bgr, grace_hopper_bgr):
    """Two people, two photos each: as published, and mirrored and dark."""
    for name, photo in (("Collins", astronaut_bgr), ("Hopper", grace_hopper_bgr)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.jpg"), photo)
        cv2.imwrite(str(tmp_path / name / "b.jpg"), (photo[:, ::-1] * 0.6).astype(np.uint8))
    return tmp_path


def test_eval_reports_every_figure_as_json(people, tmp_path, capsys):
    picture = tmp_path / "roc.png"
    code = cli.main(["eval", "--images", str(people), "--roc", str(picture), "--json"])
    report = json.loads(capsys.readouterr().out)[0]
    assert code == 0
    assert (report["genuine_pairs"], report["impostor_pairs"]) == (2, 4)
    assert report["photos_without_face"] == 0
    assert report["mean_genuine"] > report["mean_impostor"] + 0.2
    assert report["tar_at_far"]["0.001"] is None  # four impostor pairs cannot show 0.001
    assert cv2.imread(str(picture)).shape == (640, 900, 3)


def test_eval_puts_bundles_side_by_side(people, capsys):
    from edgeface.bundle import DEFAULT_BUNDLE

    twice = ["--bundle", str(DEFAULT_BUNDLE)] * 2
    assert cli.main(["eval", "--images", str(people), *twice]) == 0
    assert capsys.readouterr().out.count("(int8, split)") == 2


def test_eval_measures_the_variant_asked_for_and_says_which(people, capsys):
    assert cli.main(["eval", "--images", str(people), "--variant", "split", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)[0]
    assert report["variant"] == "split" and report["bundle"] == "edgeface-default (int8, split)"
    assert report["mean_genuine"] > report["mean_impostor"] + 0.2


def test_a_photo_without_a_face_is_a_rejected_pair_not_a_crash(people, capsys):
    cv2.imwrite(str(people / "Hopper" / "c.png"), np.full((90, 90, 3), 128, np.uint8))
    assert cli.main(["eval", "--images", str(people), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["photos_without_face"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--images", "nowhere"], 2, "not a folder"),
        (["--images", "."], 1, "sub-folder per person"),
    ],
)
def test_eval_refuses_what_it_cannot_measure(arguments, code, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["eval", *arguments]) == code
    assert says in capsys.readouterr().err


def test_aligned_crops_of_another_size_are_refused(people, capsys):
    assert cli.main(["eval", "--images", str(people), "--aligned"]) == 1
    assert "expects 112x112" in capsys.readouterr().err


def test_lfw_dev_test_from_raw_photos_is_at_least_92_percent(pipeline, data_folder, tmp_path):
    with tarfile.open(data_folder / "lfw_view1" / "dev_test_raw.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    pairs = read_lfw_pairs(data_folder / "lfw_view1" / "pairsDevTest.txt", tmp_path)
    report, scores = evaluate(pipeline, pairs, str(tmp_path))
    assert len(scores) == 999 and pairs.missing == 1
    assert report["photos_without_face"] <= 0.01 * report["photos"]
    assert report["accuracy_10_fold"]["mean"] >= 0.92
