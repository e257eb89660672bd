"""One command from the checkpoint to a bundle, on real networks and augmented public portraits."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.bundle import Bundle
from edgeface.pipeline import Pipeline
from export import faces
from export.__main__ import main
from tests.export.verify.build import portrait_crops

CHECKPOINT = Path(__file__).parents[2] / "export" / "checkpoints" / "dsanet_s.pt"
VIEWS = 34  # of each person: over 1000 impostor pairs


@pytest.fixture(scope="module")
def crops(pipeline, astronaut_bgr, grace_hopper_bgr) -> list:
    return portrait_crops(pipeline, astronaut_bgr, grace_hopper_bgr)


@pytest.fixture(scope="module")
def people(tmp_path_factory, crops) -> Path:
    """A folder ``person/photo.png`` of two people, 34 augmented views each."""
    return photographed(crops, tmp_path_factory.mktemp("people"), seed=0)


@pytest.fixture(scope="module")
def calibration(tmp_path_factory, crops) -> Path:
    """Other views of them."""
    return photographed(crops, tmp_path_factory.mktemp("calibration"), seed=1)


def photographed(crops: list, root: Path, *, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for name, crop in zip(("collins", "hopper"), crops):
        (root / name).mkdir()
        for i in range(VIEWS):
            view = faces.view(crop, rng)
            cv2.imwrite(str(root / name / f"{i:02}.png"), view[:, :, ::-1])
    return root


@pytest.fixture(scope="module")
def build(people, calibration, tmp_path_factory) -> Path:
    """A finished build for ONNX and TFLite: the bundle's path; its work folder is beside it."""
    out = tmp_path_factory.mktemp("build") / "door.efb"
    assert main(words(people, calibration, out)) == 0
    return out


def words(people: Path, calibration: Path, out: Path) -> list[str]:
    options = {
        "--model": "dsanet_s",
        "--checkpoint": CHECKPOINT,
        "--targets": "onnx,tflite",
        "--calibration": calibration,
        "--count": 64,
        "--people": people,
        "--out": out,
    }
    return ["build", *(str(word) for pair in options.items() for word in pair)]


@pytest.mark.parametrize(
    "how",
    [{}, {"variant": "split"}, {"runtime": "tflite"}, {"runtime": "tflite", "variant": "split"}],
    ids=str,
)
def test_the_bundle_tells_people_apart_in_every_way_it_runs(
    build, how, astronaut_bgr, grace_hopper_bgr
):
    with Pipeline.open(build, **how) as pipeline:
        assert not pipeline.verify(astronaut_bgr, grace_hopper_bgr).same
        mirrored = np.ascontiguousarray(astronaut_bgr[:, ::-1])
        assert pipeline.verify(astronaut_bgr, mirrored).score > 0.8


def test_the_bundle_says_what_it_was_made_from_and_what_it_passed(build):
    bundle = Bundle.open(build)
    listed = json.loads(bundle.read("calibration.json"))
    assert len(listed["photos"]) == 64 and listed["seed"] == 0
    assert {len(digest) for digest in listed["photos"]} == {64}  # and no file name
    judged = {row["artefact"] for row in bundle.manifest["gates"]}
    assert "onnx whole int8" in judged and "tflite split int8, int8 head" in judged
    card = bundle.read("MODEL_CARD.md").decode()
    for stated in ("FairFace", "CC-BY-4.0", "EdgeFace-XS", "must not be used", "68 crops"):
        assert stated in card


def test_a_second_run_does_nothing_again(build, people, calibration, capsys):
    before = build.read_bytes()
    assert main(words(people, calibration, build)) == 0
    said = capsys.readouterr().out
    for step in ("float", "calibrate", "quantise onnx whole", "convert tflite split"):
        assert f"{step}: done before" in said
    assert build.read_bytes() == before


def test_pack_refuses_what_failed_a_gate_and_what_was_never_verified(build, people, capsys):
    work = build.with_name("door.efb.work")
    packing = ["pack", "--work", str(work), "--people", str(people)]
    figures = work / "verify" / "figures.json"
    good = figures.read_text()
    broken = json.loads(good)
    row = next(r for r in broken["gates"] if r["artefact"] == "tflite whole int8")
    row["passed"] = False
    out = build.with_name("refused.efb")
    try:
        figures.write_text(json.dumps(broken))
        assert main([*packing, "--out", str(out)]) == 1
        assert f"tflite whole int8: {row['name']}" in capsys.readouterr().err
        assert not out.exists()
        assert main([*packing, "--out", str(out), "--leave-out-failed"]) == 0
        kept = {entry["variant"] for entry in Bundle.open(out).stage("embedder")["artefacts"]}
        assert kept == {"split"}
        next(r for r in broken["gates"] if r["artefact"] == "onnx whole int8")["passed"] = False
        figures.write_text(json.dumps(broken))
        assert main([*packing, "--out", str(out), "--leave-out-failed"]) == 1
        assert "onnx whole int8: " in capsys.readouterr().err
        figures.unlink()
        assert main([*packing, "--out", str(out)]) == 1
        assert "never measured" in capsys.readouterr().err
    finally:
        figures.write_text(good)


def test_pack_refuses_a_file_made_or_changed_since_it_was_measured(build, people, capsys):
    work, out = build.with_name("door.efb.work"), build.with_name("changed.efb")
    file = work / "onnx" / "whole_int8.onnx"
    good = file.read_bytes()
    try:
        file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        assert main(["pack", "--work", str(work), "--people", str(people), "--out", str(out)]) == 1
        assert "is not the file that was measured" in capsys.readouterr().err
        assert not out.exists()
    finally:
        file.write_bytes(good)


def test_photos_that_were_calibrated_with_are_not_measured_on(build, calibration, capsys):
    work = str(build.with_name("door.efb.work"))
    assert main(["verify", "--work", work, "--people", str(calibration)]) == 1
    assert "64 of the 68 photos of folder were calibrated with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("dsanet_s", "dsanet_xs"), "holds dsanet_s, --model says dsanet_xs"),
        (("dsanet_s", "onnx"), "describes edgeface's own networks; copy it"),
        ((str(CHECKPOINT), "nowhere.pt"), "--checkpoint nowhere.pt: no such file"),
        ((str(CHECKPOINT), str(Path(__file__))), "holds no DSA-Net"),
        (("--people", "--key"), "nothing to measure on: give --data"),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_built(
    people, calibration, tmp_path, capsys, change, said
):
    arguments = words(people, calibration, tmp_path / "x.efb")
    arguments[arguments.index(change[0])] = change[1]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "x.efb.work" / "onnx").exists()
