"""The build's work folder: done stays done, changed is done again; which photos calibrate."""

from __future__ import annotations

import argparse
import json
import re

import cv2
import numpy as np
import pytest

from edgeface.align import align
from export import faces
from export.build import calibrate, verify
from export.build.work import Work
from export.errors import ExportError
from export.preprocessing import Preprocessing
from export.source import Source


@pytest.fixture
def crops(pipeline, astronaut_bgr, grace_hopper_bgr) -> np.ndarray:
    """Eighty augmented views of two public portraits, (80, 112, 112, 3) RGB uint8."""
    rng = np.random.default_rng(3)
    cut = [
        align(photo, pipeline.largest_face(photo).landmarks)[:, :, ::-1]
        for photo in (astronaut_bgr, grace_hopper_bgr)
    ]
    return np.stack([faces.view(cut[i % 2], rng) for i in range(80)])


@pytest.fixture
def folder(tmp_path, crops):
    """The same as a folder of PNG files."""
    place = tmp_path / "photos"
    place.mkdir()
    for i, crop in enumerate(crops):
        cv2.imwrite(str(place / f"{i:03}.png"), crop[:, :, ::-1])
    return place


def options(source, *, count=64, seed=0) -> argparse.Namespace:
    return argparse.Namespace(calibration=source, count=count, seed=seed)


def counting(work: Work, name: str = "a.txt"):
    """A step's ``make`` that writes one file and counts its calls."""
    calls = []

    def make():
        calls.append(1)
        (work / name).write_text("made")
        return [work / name]

    return calls, make


def test_a_step_is_done_once_and_again_when_its_key_or_its_file_changed(tmp_path):
    work = Work(tmp_path / "work")
    calls, make = counting(work)
    assert work.once("step", key={"seed": 1}, make=make)
    assert not work.once("step", key={"seed": 1}, make=make)
    assert work.once("step", key={"seed": 2}, make=make)
    (work / "a.txt").write_text("damaged")
    assert work.once("step", key={"seed": 2}, make=make)
    (work / "a.txt").unlink()
    assert work.once("step", key={"seed": 2}, make=make)
    assert len(calls) == 4


def test_fresh_does_again_what_was_done(tmp_path):
    calls, make = counting(Work(tmp_path))
    Work(tmp_path).once("step", key={}, make=make)
    assert Work(tmp_path, fresh=True).once("step", key={}, make=make)
    assert len(calls) == 2


def test_a_step_that_fails_is_not_taken_for_done(tmp_path):
    work = Work(tmp_path)
    calls, make = counting(work)
    work.once("step", key={"seed": 1}, make=make)

    def broken():
        raise ExportError("no")

    with pytest.raises(ExportError):
        work.once("step", key={"seed": 2}, make=broken)
    assert work.once("step", key={"seed": 1}, make=make)


def test_a_step_before_its_time_names_the_one_to_run(tmp_path):
    with pytest.raises(ExportError, match="run 'python -m export calibrate --work"):
        Work(tmp_path).calibration()
    with pytest.raises(ExportError, match="run 'python -m export float --work"):
        Work(tmp_path).reference()


def test_calibration_records_which_photos_and_draws_the_same_for_a_seed(tmp_path, folder):
    first, second, other = (Work(tmp_path / name) for name in "abc")
    calibrate.make(first, options(folder))
    calibrate.make(second, options(folder))
    calibrate.make(other, options(folder, seed=1))
    listed = [json.loads((w / "calibration" / "list.json").read_text()) for w in (first, other)]
    assert np.array_equal(first.calibration(), second.calibration())
    assert listed[0]["photos"] != listed[1]["photos"]
    assert len({photo["sha256"] for photo in listed[0]["photos"]}) == 64
    assert first.calibration().shape == (64, 112, 112, 3)


def test_a_large_set_keeps_its_first_thousand_for_measuring(monkeypatch, folder):
    monkeypatch.setattr(calibrate, "LEFT_FOR_MEASURING", 10)
    names, _ = calibrate.choose(folder, count=64, seed=0)
    assert min(names) >= "010.png"


def test_photos_of_one_colour_are_refused(tmp_path):
    for i in range(64):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((112, 112, 3), i * 3, np.uint8))
    with pytest.raises(ExportError, match=r"0\.0 grey levels within.*not\s+different faces"):
        calibrate.make(Work(tmp_path / "work"), options(tmp_path))


def test_one_photo_many_times_is_refused(tmp_path, crops):
    for i in range(64):
        cv2.imwrite(str(tmp_path / f"{i}.png"), crops[0])
    with pytest.raises(ExportError, match=r"0\.0 between them"):
        calibrate.make(Work(tmp_path / "work"), options(tmp_path))


def test_too_few_photos_unaligned_and_unreadable_ones_are_refused(tmp_path, folder):
    with pytest.raises(ExportError, match="80 photos for a --count of 100"):
        calibrate.choose(folder, count=100, seed=0)
    with pytest.raises(ExportError, match="not there"):
        calibrate.make(Work(tmp_path / "work"), options(tmp_path / "nowhere"))
    cv2.imwrite(str(folder / "wide.png"), np.zeros((50, 70, 3), np.uint8))
    with pytest.raises(ExportError, match="wide.png is 70x50, expected aligned faces of 112x112"):
        calibrate.choose(folder, count=64, seed=0)
    (folder / "wide.png").write_bytes(b"not a picture")
    with pytest.raises(ExportError, match=r"wide\.png: cannot be read"):
        calibrate.choose(folder, count=64, seed=0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to measure on: give --data"),
        (["--data", "nowhere"], "nowhere: none of fairface112"),
        (["--limit", "people"], "--limit people: expected SET=PHOTOS"),
        (["--limit", "rk3588:people=5"], "--limit rk3588:people=5: expected SET=PHOTOS"),
        (["--gate", "cosine min=high"], "expected NAME=LIMIT"),
    ],
)
def test_verify_refuses_what_it_cannot_measure(tmp_path, folder, words, said):
    parser = argparse.ArgumentParser()
    verify.add_options(parser)
    (folder.parent / "other").mkdir()
    (folder / "000.png").rename(folder.parent / "other" / "000.png")
    given = words if not words or "--data" in words else [*words, "--people", str(folder.parent)]
    source = Source("none", tmp_path / "none.onnx", Preprocessing(), 512)
    work = Work(tmp_path / "work")
    (work / "float").mkdir()
    source.save(work / "float")
    (work / "calibration").mkdir()
    np.save(work / "calibration" / "crops.npy", np.zeros((1, 112, 112, 3), np.uint8))
    with pytest.raises(ExportError, match=re.escape(said)):
        verify.make(work, parser.parse_args(given))
