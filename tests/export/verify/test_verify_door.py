"""A door's own code and the measured figures agree, from a BGR photo to the embedding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeface.align import align
from export import onnx_target
from export.artefact import Artefact
from export.build.verify import parse_limits
from export.verify.door import door_agreement, door_embedder, open_door
from export.verify.embed import embed, unit_rows
from export.verify.gates import refuse
from export.verify.latency import latencies
from export.verify.report import write_report
from export.verify.size import find_artefacts, measure_size
from export.verify.verification import measure_one, verify
from tests.export.verify import build

# Not 1: another order of a float sum turns roundings, as on another machine (0.9945 was seen).
SAME = 0.985


@pytest.mark.parametrize("variant", [0, 1], ids=["whole", "split"])
def test_a_photo_becomes_the_embedding_that_was_measured(
    sound, source, tmp_path, pipeline, astronaut_bgr, variant
) -> None:
    """End to end: BGR photo, the default bundle's landmarks, manifest entry, backend, head."""
    crop = align(astronaut_bgr, pipeline.largest_face(astronaut_bgr).landmarks)
    with open_door(sound[variant], source=source) as backend:
        seen = door_embedder(sound[variant], backend, source=source).embed(crop)
    faces = build.views([crop[:, :, ::-1]], seed=0, count=1)
    faces = replace(faces, crops=crop[None, :, :, ::-1])
    measured = embed(sound[variant], faces, source=source, cache=tmp_path)[0]
    assert float(seen @ measured) > SAME


@pytest.mark.parametrize("variant", [0, 1], ids=["whole", "split"])
def test_a_door_fed_otherwise_than_measured_is_noticed(
    sound, source, portrait_crops, tmp_path, variant
) -> None:
    faces = build.views(portrait_crops, seed=3, count=3)
    found = embed(sound[variant], faces, source=source, cache=tmp_path)
    agree = door_agreement(sound[variant], faces.crops, source=source, found=found)
    assert agree > SAME
    swapped = build.with_input(sound[variant], colour="BGR")
    assert door_agreement(swapped, faces.crops, source=source, found=found) < 0.95


def test_a_tflite_artefact_runs_on_its_own_runtime_and_on_a_door(
    tflite, source, portrait_crops, tmp_path
) -> None:
    """It takes pixels and normalises inside: the manifest entry says so and the door obeys."""
    faces = build.views(portrait_crops, seed=3, count=4)
    result = measure_one(tflite, {"folder": faces}, source=source, work=tmp_path)
    assert result.input_error == 0
    assert result.door_cosine > SAME
    assert result.sets["folder"].agreement.mean > 0.95
    swapped = build.with_input(tflite, colour="BGR")
    damaged = measure_one(swapped, {"folder": faces}, source=source, work=tmp_path)
    assert damaged.input_error > 0.1 and damaged.sets["folder"].agreement.mean < 0.95
    normalised = build.with_input(tflite, mean=[127.5] * 3, std=[127.5] * 3)
    found = embed(tflite, faces, source=source, cache=tmp_path)
    seen = door_agreement(normalised, faces.crops, source=source, found=found)
    assert seen < 0.5  # normalised twice, which only a door's own code shows


def test_embeddings_are_computed_once_and_again_when_the_file_changes(
    sound, source, portrait_crops, tmp_path
) -> None:
    calls = []

    def counted(artefact, folder, inputs):
        calls.append(len(inputs))
        return onnx_target.run(artefact, folder, inputs)

    faces = build.views(portrait_crops, seed=4, count=2)
    one = replace(sound[0], runner=counted)
    first = embed(one, faces, source=source, cache=tmp_path)
    assert np.array_equal(embed(one, faces, source=source, cache=tmp_path), first)
    assert calls == [4]
    other = tmp_path / "other"
    other.mkdir()
    (other / one.artefact.file).write_bytes(one.file.read_bytes() + b"\n")
    embed(replace(one, folder=other, runner=lambda a, f, v: counted(a, sound[0].folder, v)), faces,
          source=source, cache=tmp_path)  # fmt: skip
    embed(build.with_input(one, colour="BGR"), faces, source=source, cache=tmp_path)
    embed(one, replace(faces, crops=faces.crops[::-1].copy()), source=source, cache=tmp_path)
    assert calls == [4, 4, 4, 4]


def test_a_split_artefact_runs_once_for_both_heads(sound, source, portrait_crops, tmp_path) -> None:
    calls = []

    def counted(artefact, folder, inputs):
        calls.append(len(inputs))
        return onnx_target.run(artefact, folder, inputs)

    faces = build.views(portrait_crops, seed=4, count=2)
    one = replace(sound[1], runner=counted)
    other = replace(one, head="float32")
    both = [embed(each, faces, source=source, cache=tmp_path) for each in (one, other)]
    assert calls == [4]
    cosine = (both[0] * both[1]).sum(axis=1)
    assert 0.99 < cosine.min() < cosine.max() < 1


def test_rows_without_length_or_finite_values_are_nan() -> None:
    raw = np.float32([[3, 4], [0, 0], [np.inf, 1], [np.nan, 1], [1e-15, 0]])
    found = unit_rows(raw)
    assert np.allclose(found[[0, 4]], [[0.6, 0.8], [1, 0]])
    assert np.isnan(found[1:4]).all()


def test_a_split_artefact_is_weighed_with_its_head(sound, source, work) -> None:
    whole, split = (measure_size(one, work=work, source=source) for one in sound)
    assert whole.float_file == "float/whole.onnx" and split.float_file == "float/backbone.onnx"
    assert split.bytes > sound[1].file.stat().st_size
    assert 0.2 < split.ratio <= 0.30
    assert split.float_bytes == pytest.approx(whole.float_bytes, rel=0.1)


def test_what_is_only_simulated_says_so_and_has_no_size(sound, source, work) -> None:
    details = {"simulated": True}
    one = replace(sound[0], artefact=replace(sound[0].artefact, target="t527", details=details))
    assert one.title == "t527 whole int8, simulated"
    assert measure_size(one, work=work, source=source).ratio is None


def test_limits_are_read_for_one_target_or_all() -> None:
    limits = parse_limits(["people=100", "rk3576:people=10", "tflite:faces=5"])
    assert limits["rk3576"] == {"people": 10}
    assert limits["tflite"] == {"people": 100, "faces": 5}


def test_latency_is_a_ratio_with_an_interval_for_each_runtime_and_thread_count(
    sound, source, work
) -> None:
    rows = latencies(work, source=source, threads=[1], rounds=120)
    assert {(row["target"], row["variant"]) for row in rows} == {
        ("onnx", "whole"),
        ("onnx", "split"),
    }
    for row in rows:
        assert 0 < row["low"] <= row["value"] <= row["high"]
        assert row["label"].startswith("onnxruntime 1.") and row["label"].endswith("1 thread")
    with pytest.raises(ValueError, match="at least 120"):
        latencies(work, source=source, rounds=10)


def test_a_build_is_verified_and_reported(sound, source, work, portrait_crops) -> None:
    """The whole step on the real checkpoint: rows for the manifest, a page, nothing to refuse."""
    sets = {"folder": build.views(portrait_crops, seed=1)}
    artefacts = find_artefacts(work)
    assert {a.variant for a in artefacts} == {"whole", "split"}
    rows = verify(
        work,
        source=source,
        artefacts=artefacts,
        sets=sets,
    )
    refuse(rows, artefacts=[a.title for a in artefacts])
    assert {"float network", "onnx whole int8", "onnx split int8, int8 head"} == {
        row["artefact"] for row in rows
    }
    assert "gates passed" in write_report(work).read_text()


def test_verify_needs_something_to_measure_and_to_measure_on(source, work) -> None:
    entry = source.preprocessing.manifest(name="image")
    one = Artefact("onnx", "whole", "int8", "whole.onnx", "onnx", entry, ["embedding"])
    with pytest.raises(ValueError, match="0 evaluation sets and 1 artefacts"):
        verify(work, source=source, artefacts=[one], sets={})
