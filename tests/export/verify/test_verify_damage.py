"""Damage that a converter or its user can do: each is caught by a gate, and sound work passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export import onnx_target
from export.errors import VerifyError
from export.preprocessing import Preprocessing
from export.source import Source
from export.verify import inputs
from export.verify.embed import Candidate
from export.verify.gates import judge, judge_source, refuse
from export.verify.sets import FaceSet, load_sets, sample
from export.verify.verification import measure_one
from tests.export.verify import build


@pytest.fixture(scope="module")
def portraits(portrait_crops) -> dict[str, FaceSet]:
    return {"folder": build.views(portrait_crops, seed=1)}


def failed(candidate: Candidate, sets, source: Source, work: Path) -> set[str]:
    """The gates that a candidate fails."""
    rows = judge(measure_one(candidate, sets, source=source, work=work))
    return {row["name"] for row in rows if not row["passed"]}


@pytest.mark.parametrize("variant", [0, 1], ids=["whole", "split"])
def test_sound_artefact_passes_every_gate(sound, portraits, source, work, variant) -> None:
    assert failed(sound[variant], portraits, source, work) == set()


@pytest.mark.parametrize("variant", [0, 1], ids=["whole", "split"])
def test_swapped_colours_in_the_manifest_are_caught(
    sound, portraits, source, work, variant
) -> None:
    damaged = build.with_input(sound[variant], colour="BGR")
    assert {"input error", "cosine mean"} <= failed(damaged, portraits, source, work)


@pytest.mark.parametrize("variant", [0, 1], ids=["whole", "split"])
def test_swapped_colours_inside_the_file_are_caught(
    sound, portraits, source, work, variant
) -> None:
    """The manifest entry is right and the file swaps: only embeddings can show it."""

    def swapped(artefact, folder, values):
        return onnx_target.run(artefact, folder, np.ascontiguousarray(values[:, ::-1]))

    damaged = replace(sound[variant], runner=swapped)
    assert {"cosine mean", "cosine min"} <= failed(damaged, portraits, source, work / "swap")


@pytest.mark.parametrize("variant", [0, 1], ids=["whole", "split"])
def test_double_normalisation_is_caught(sound, portraits, source, work, variant) -> None:
    """The file normalises what the door has normalised already."""

    def twice(artefact, folder, values):
        return onnx_target.run(artefact, folder, (values - np.float32(127.5)) / np.float32(127.5))

    damaged = replace(sound[variant], runner=twice)
    found = failed(damaged, portraits, source, work / "twice")
    assert {"cosine mean", "cosine min"} <= found


def test_wrong_mean_in_the_manifest_is_caught(sound, portraits, source, work) -> None:
    damaged = build.with_input(sound[0], mean=[0.0] * 3, std=[255.0] * 3)
    assert "input error" in failed(damaged, portraits, source, work)


@pytest.fixture(scope="module")
def constant(source, work) -> list[Candidate]:
    """INT8 files whose ranges come from pictures of one grey value each."""
    greys = np.linspace(0, 255, 32).astype(np.uint8)
    flat = np.broadcast_to(greys[:, None, None, None], (32, 112, 112, 3))
    return build.int8_candidates(source, flat, work / "constant" / "onnx")


@pytest.mark.parametrize("variant", [0, 1], ids=["whole", "split"])
def test_calibration_on_constant_pictures_is_caught(
    constant, portraits, source, work, variant
) -> None:
    found = failed(constant[variant], portraits, source, work / "constant")
    assert {"cosine mean", "cosine min"} <= found


def test_nan_is_caught(sound, portraits, source, work) -> None:
    def with_nan(artefact, folder, values):
        raw = onnx_target.run(artefact, folder, values)
        raw[20] = np.nan
        return raw

    damaged = replace(sound[1], runner=with_nan)
    assert failed(damaged, portraits, source, work / "nan") == {"bad rows"}


def test_a_source_that_states_swapped_colours_is_caught(source, portraits) -> None:
    """Both float and INT8 would be fed alike and agree: PyTorch as trained is the judge."""
    wrong = replace(source, preprocessing=Preprocessing(colour="BGR"))
    crops = portraits["folder"].crops
    assert inputs.trained_parity(source, crops) > 0.9999
    assert inputs.trained_parity(wrong, crops) < 0.95
    rows = judge_source({"ONNX to PyTorch cosine min": inputs.trained_parity(wrong, crops)})
    with pytest.raises(VerifyError, match="ONNX to PyTorch.*preprocessing"):
        refuse(rows)


def test_stated_preprocessing_tells_people_apart_best(source, data_folder, tmp_path) -> None:
    """Without the network as trained, as for imported files: identities are the judge."""
    people = sample(load_sets(data_folder)["people"], 600, seed=0)
    assert inputs.preprocessing_lead(source, people, cache=tmp_path / "right") > 0
    wrong = replace(source, preprocessing=Preprocessing(colour="BGR"), net=None)
    lead = inputs.preprocessing_lead(wrong, people, cache=tmp_path / "wrong")
    assert lead < 0
    assert not judge_source({"preprocessing lead": lead})[0]["passed"]


def test_damage_is_caught_on_real_people_too(sound, constant, source, work, data_folder) -> None:
    """On FairFace and CelebA the accept rates, the collapse and the groups tell as well."""
    loaded = load_sets(data_folder)
    sets = {name: sample(loaded[name], 400, seed=0) for name in ("faces", "people")}
    folder = work / "real"
    assert failed(sound[0], sets, source, folder) <= {"cosine mean", "cosine min"}
    rates = {"FAR at the float threshold over its target", "group agreement gap"}
    assert rates <= failed(constant[0], sets, source, folder / "constant")
    twice = replace(
        sound[0], runner=lambda a, f, v: onnx_target.run(a, f, (v - 127.5) / np.float32(127.5))
    )
    collapse = {"impostor mean shift", "impostor spread ratio", *rates}
    assert collapse - {"group agreement gap"} <= failed(twice, sets, source, folder / "twice")
