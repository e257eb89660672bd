"""Training on labelled people: data, sampling, measuring, learning, resuming, both commands."""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeface.align import align
from export import ablation, faces, identity, identity_train
from export.checkpoint import load_checkpoint
from export.dsanet import CONFIGS, DsaNet
from export.errors import ExportError
from export.identity_data import People, pk_rows, read_people, split
from export.identity_train import IdentityTrainer, Plan, hidden_matrices
from export.nets.standardised import Standardised, folded
from export.nets.trial import TrialConfig, TrialNet
from export.objectives import ObjectiveConfig

TINY = TrialConfig(widths=(12, 12, 12), depths=(1, 1, 1), heads=2)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def portraits() -> dict[str, np.ndarray]:
    """Aligned RGB crops of two public portraits and of two tinted copies: four "people"."""
    from edgeface.pipeline import Pipeline

    data = pytest.importorskip("skimage.data")
    cbook = pytest.importorskip("matplotlib.cbook")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
    found = {}
    with Pipeline.open() as pipeline:
        for name, photo in (("collins", data.astronaut()[:, :, ::-1].copy()), ("hopper", hopper)):
            crop = align(photo, pipeline.largest_face(photo).landmarks)[:, :, ::-1]
            found[name] = crop
            found[f"{name}_upside_down"] = crop[::-1]
    return found


def people_of(portraits: dict[str, np.ndarray], *, views: int = 6) -> People:
    rng = np.random.default_rng(0)
    crops = [faces.view(crop, rng) for crop in portraits.values() for _ in range(views)]
    return People(np.stack(crops), np.repeat(list(portraits), views))


@pytest.fixture(scope="module")
def people(portraits) -> People:
    return people_of(portraits)


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def write_tar(path: Path, people: People) -> Path:
    with tarfile.open(path, "w") as archive:
        for i, (name, crop) in enumerate(zip(people.names, people.crops)):
            data = cv2.imencode(".png", crop[:, :, ::-1])[1].tobytes()
            add(archive, f"{name}/{i:03}.png", data)
    return path


def trainer(people: People, *, loss: str = "arcface", **plan) -> IdentityTrainer:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    teacher = rng.normal(size=(people.count, 512)).astype(np.float32)[people.labels]
    wanted = Plan(**{"samples": 30 * 16, "people": 4, "photos": 4, **plan})
    return IdentityTrainer(
        Standardised(TrialNet(TINY)), people,
        objective=ObjectiveConfig(loss), plan=wanted, teacher=teacher,
    )  # fmt: skip


def test_folder_and_tar_give_the_same_people(people, tmp_path) -> None:
    from_tar = read_people(write_tar(tmp_path / "people.tar", people))
    for i, (name, crop) in enumerate(zip(people.names, people.crops)):
        (tmp_path / "people" / name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "people" / name / f"{i:03}.png"), crop[:, :, ::-1])
    from_folder = read_people(tmp_path / "people")
    for found in (from_tar, from_folder):
        np.testing.assert_array_equal(found.crops, people.crops)
        np.testing.assert_array_equal(found.names, people.names)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("ada/large.png", np.zeros((250, 200, 3)), "ada/large.png has 200x250 pixels, expected"),
        ("loose.png", np.zeros((112, 112, 3)), "loose.png has .* expected PERSON/PHOTO.jpg"),
        ("ada/only.png", np.zeros((112, 112, 3)), "photos of 1 people, expected at least two"),
        ("ada/broken.png", b"not a picture", "ada/broken.png is no picture"),
        ("ada/empty.png", b"", "ada/empty.png is no picture"),
    ],
)
def test_photos_that_are_not_aligned_crops_are_refused_by_name(
    tmp_path, name, data, message
) -> None:
    if isinstance(data, np.ndarray):
        data = cv2.imencode(".png", data)[1].tobytes()
    with tarfile.open(tmp_path / "people.tar", "w") as archive:
        add(archive, name, data)
    with pytest.raises(ExportError, match=message):
        read_people(tmp_path / "people.tar")
    with pytest.raises(ExportError, match="found 0 people"):
        read_people(tmp_path)
    with pytest.raises(ExportError, match="nowhere: not there"):
        read_people(tmp_path / "nowhere")


def test_people_are_held_out_whole_and_the_draw_is_the_seeds() -> None:
    names = np.repeat([f"p{i}" for i in range(20)], 3)
    everyone = People(np.arange(60, dtype=np.uint8).reshape(60, 1, 1, 1), names)
    train, held_out = split(everyone, held_out=6, seed=1)
    assert (train.count, held_out.count) == (14, 6)
    assert not set(train.names) & set(held_out.names)
    both = np.concatenate([train.crops, held_out.crops]).reshape(-1)
    assert sorted(both) == list(range(60))
    assert set(split(everyone, held_out=6, seed=1)[1].names) == set(held_out.names)
    assert set(split(everyone, held_out=6, seed=2)[1].names) != set(held_out.names)
    with pytest.raises(ExportError, match="19 of 20 people held out: expected 0 to 18"):
        split(everyone, held_out=19, seed=0)


def test_pk_batches_have_p_people_with_k_photos_each() -> None:
    labels = np.repeat(np.arange(10), 5)
    rows = pk_rows(labels, people=4, photos=3, seed=(1, 2))
    drawn, counts = np.unique(labels[rows], return_counts=True)
    assert len(drawn) == 4 and (counts == 3).all() and len(set(rows)) == 12
    np.testing.assert_array_equal(rows, pk_rows(labels, people=4, photos=3, seed=(1, 2)))
    assert set(rows) != set(pk_rows(labels, people=4, photos=3, seed=(1, 3)))
    few = pk_rows(np.array([0, 1, 1]), people=8, photos=2, seed=(0,))
    assert sorted(few) == [0, 0, 1, 2]  # one photo is given twice; all people are drawn


def test_muon_gets_the_matrices_and_every_weight_is_trained(people) -> None:
    job = trainer(people)
    depthwise = job.net.net.stages[0][1].depthwise.weight
    chosen = {id(p) for p in hidden_matrices(job.net)}
    assert id(job.net.net.stages[1][0].reduce.weight) in chosen and id(depthwise) not in chosen
    before = {name: p.detach().clone() for name, p in job.net.named_parameters()}
    for _ in range(3):
        job.train_step()
    after = dict(job.net.named_parameters())
    unmoved = {name for name in before if torch.equal(before[name], after[name])}
    assert unmoved <= {"net.project.bias"}  # the BatchNorm behind it takes it out


@pytest.mark.parametrize("loss", ["softmax", "arcface", "triplet", "distil", "distil+arcface"])
def test_thirty_steps_lower_the_loss(people, loss) -> None:
    job = trainer(people, loss=loss)
    losses = [job.train_step()["loss"] for _ in range(job.plan.steps)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_staged_training_goes_from_arcface_to_triplets(people) -> None:
    job = trainer(people, loss="staged")
    seen = [set(job.train_step()) - {"loss"} for _ in range(job.plan.steps)]
    assert seen[0] == {"arcface"} and seen[20] == {"arcface", "triplet"}
    assert seen[-1] == {"triplet"}


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    people, tmp_path, monkeypatch
) -> None:
    whole = trainer(people, samples=6 * 16)
    whole.run(state=tmp_path / "whole.pt")
    monkeypatch.setattr(identity_train, "SAVE_EVERY_S", -1)  # save after every step
    cut = trainer(people, samples=6 * 16)
    step = cut.train_step

    def dies_in_the_fourth():
        if cut.step == 3:
            raise KeyboardInterrupt
        return step()

    cut.train_step = dies_in_the_fourth
    with pytest.raises(KeyboardInterrupt):
        cut.run(state=tmp_path / "cut.pt")
    resumed = trainer(people, samples=6 * 16)
    torch.manual_seed(99)
    resumed.run(state=tmp_path / "cut.pt")
    for part in ("net", "objective"):
        expected = getattr(whole, part).state_dict()
        for name, value in getattr(resumed, part).state_dict().items():
            assert torch.equal(value, expected[name]), name
    with pytest.raises(ExportError, match="use the same options, or another folder"):
        trainer(people, samples=7 * 16).run(state=tmp_path / "cut.pt")


def test_the_norm_behind_a_dsanet_folds_into_its_last_layer() -> None:
    torch.manual_seed(0)
    both = Standardised(DsaNet(CONFIGS["dsanet_xs"])).train()
    both(torch.randn(8, 3, 112, 112))
    torch.nn.init.normal_(both.norm.weight)
    torch.nn.init.normal_(both.norm.bias)
    image = torch.randn(2, 3, 112, 112)
    with torch.inference_mode():
        torch.testing.assert_close(folded(both)(image), both.eval()(image), rtol=1e-4, atol=1e-4)


def options(command, *words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def test_the_command_trains_measures_saves_and_goes_on(people, tmp_path, capsys) -> None:
    data, out = write_tar(tmp_path / "own.tar", people), tmp_path / "run"
    words = ["--data", data, "--out", out, "--model", "dsanet_xs", "--loss", "distil+arcface"]
    words += ["--teacher", Path(identity.CHECKPOINT), "--samples", 16, "--people", 2]
    words += ["--photos", 4, "--held-out", 2]
    assert identity.run(options(identity, *words)) == 0
    assert load_checkpoint(out / "dsanet_xs.pt")(torch.zeros(1, 3, 112, 112)).shape == (1, 512)
    assert json.loads((out / "figures.json").read_text())["people"] == 2
    assert "2 held-out people: rank-1" in capsys.readouterr().out
    saved = load_checkpoint(out / "dsanet_xs.pt").state_dict()
    assert identity.run(options(identity, *words)) == 0  # nothing is left to do
    again = load_checkpoint(out / "dsanet_xs.pt").state_dict()
    assert all(torch.equal(value, saved[name]) for name, value in again.items())


def test_the_ablation_writes_its_page_and_keeps_finished_rows(
    portraits, tmp_path, monkeypatch
) -> None:
    data = write_tar(tmp_path / "people.tar", people_of(portraits, views=12))
    monkeypatch.setattr(ablation, "TrialConfig", lambda: TINY)
    words = ["--data", data, "--out", tmp_path / "page.md", "--work", tmp_path / "work"]
    words += ["--samples", 16, "--people", 2, "--photos", 4, "--held-out", 2]
    words += ["--seeds", 1, "--base-seeds", 2]
    words += ["--only", "max-pool", "loss distil"]
    assert ablation.run(options(ablation, *words)) == 0
    text = (tmp_path / "page.md").read_text()
    assert text.count("| max-pool |") == 1 and text.count("| loss distil |") == 1
    assert "2 people, 24 photos to train on; 2 other people" in text
    assert "1 of a row, 2 of the base" in text and "a mean of 1 against a mean of 2" in text
    assert "have a standard deviation" in text
    assert not list((tmp_path / "work").glob("*.pt"))  # no weights are kept
    monkeypatch.setattr(ablation.Job, "trained", None)  # nothing is trained again
    assert ablation.run(options(ablation, *words)) == 0
    assert (tmp_path / "page.md").read_text() == text
    with pytest.raises(ExportError, match="no row min-pool; there are: base, residual blocks"):
        ablation.run(options(ablation, *words, "min-pool"))


def test_a_file_of_other_settings_is_not_taken(people, tmp_path) -> None:
    data = write_tar(tmp_path / "people.tar", people)
    words = ["--data", data, "--out", tmp_path / "page.md", "--work", tmp_path]
    job = ablation.Job(options(ablation, *words), *split(people, held_out=2, seed=0))
    trained = []
    job.trained = lambda row, plan, state: trained.append(row.name) or state.touch() or {}
    row = ablation.rows()[3]
    job.result(row, 1)
    job.result(row, 1)
    job.result(replace(row, network={"reduction": "average"}), 1)
    assert trained == [row.name] * 2
