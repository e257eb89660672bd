"""Packing: from a checkpoint and labelled faces to a bundle that opens and works."""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.align import align
from edgeface.bundle import Bundle
from edgeface.pipeline import Pipeline
from export import faces, pack, threshold

CHECKPOINT = Path(__file__).parents[2] / "export" / "checkpoints" / "dsanet_s.pt"
VIEWS = 34  # of each person: over 1000 impostor pairs


def write_tar(path, pictures):
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w") as archive:
        for name, picture in pictures:
            data = cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


@pytest.fixture
def data(tmp_path, pipeline, astronaut_bgr, grace_hopper_bgr):
    """A data folder in the project's format, of augmented views of two public portraits."""
    rng = np.random.default_rng(0)
    named = []
    for name, photo in (("collins", astronaut_bgr), ("hopper", grace_hopper_bgr)):
        crop = align(photo, pipeline.largest_face(photo).landmarks)[:, :, ::-1]
        named += [(f"{name}/{i}.png", faces.view(crop, rng)) for i in range(VIEWS)]
    write_tar(tmp_path / "celeba240" / "aligned112.tar", named)
    write_tar(tmp_path / "fairface112" / "val.tar", named[::2])
    return tmp_path


def test_a_packed_bundle_opens_tells_people_apart_and_states_its_sources(
    data, tmp_path, astronaut_bgr, grace_hopper_bgr
):
    shipped = Bundle.open()
    (tmp_path / "detector_int8.onnx").write_bytes(shipped.read("detector.onnx"))
    (tmp_path / "stage.json").write_text(json.dumps(shipped.stage("detector")))
    out = tmp_path / "packed.efb"
    parser = argparse.ArgumentParser()
    pack.add_arguments(parser)
    words = ["--embedder", CHECKPOINT, "--detector", tmp_path, "--data", data, "--out", out]
    assert pack.run(parser.parse_args([str(word) for word in words])) == 0
    with Pipeline.open(out) as pipeline:
        assert not pipeline.verify(astronaut_bgr, grace_hopper_bgr).same
        mirrored = np.ascontiguousarray(astronaut_bgr[:, ::-1])
        assert pipeline.verify(astronaut_bgr, mirrored).score > 0.8
    with Pipeline.open(out, variant="split") as pipeline:
        assert not pipeline.verify(astronaut_bgr, grace_hopper_bgr).same
        assert pipeline.verify(astronaut_bgr, mirrored).score > 0.8
    card = Bundle.open(out).read("MODEL_CARD.md").decode()
    for stated in ("FairFace", "CC-BY-4.0", "EdgeFace-XS", "must not be used", "68 aligned photos"):
        assert stated in card


def test_thresholds_hold_the_rate_they_are_named_after():
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(60), 4)
    centres = rng.normal(size=(60, 32))[people]
    rows = centres + 0.5 * rng.normal(size=centres.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    chosen = threshold.choose(rows, people, source="synthetic", margin=0.1)
    scores, genuine = threshold.all_pairs(rows, people)
    for row in chosen["by_far"]:
        assert (scores[~genuine] >= row["cosine"] + 5e-5).mean() <= row["far"]
    assert "360 genuine and 28320 impostor pairs" in chosen["source"]


def test_too_few_people_for_the_default_rate_is_an_error_with_the_numbers():
    with pytest.raises(ValueError, match=r"4 impostor pairs.*0\.001.*1000"):
        threshold.choose(np.eye(4), np.array([0, 0, 1, 1]), source="two", margin=0.1)
