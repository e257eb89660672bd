"""The distillation: it learns, it resumes exactly, and it keeps held-out faces out."""

from __future__ import annotations

import argparse
import json
import shutil

import numpy as np
import pytest
import torch

from export import distil_train, hints
from export.checkpoint import load_checkpoint
from export.distil import Distiller, embedding_loss
from export.dsanet import CONFIGS, DsaNet
from export.muon import orthogonalise
from export.teacher import FEATURES

FACES = 24


def write_view(folder, *, seed):
    """A view whose teacher maps are a fixed function of its (random) pictures."""
    rng = np.random.default_rng(seed)
    hints._create(folder, FACES)
    view = hints.load(folder, mode="r+")
    coarse = rng.integers(0, 256, (FACES, 7, 7, 1), np.uint8)
    view["images"][:] = coarse.repeat(16, 1).repeat(16, 2)
    for i, (channels, side) in enumerate(FEATURES):
        fine = coarse.repeat(side // 7, 1).repeat(side // 7, 2).astype(np.float32)
        view[f"feature{i}"][:] = (fine - 127.5) / 74 * np.where(np.arange(channels) % 2, 1, -1)
    unit = rng.normal(size=(FACES, 512))
    view["embedding"][:] = unit / np.linalg.norm(unit, axis=1, keepdims=True)


@pytest.fixture
def cache(tmp_path):
    for name, seed in (("train0", 1), ("val", 2)):
        write_view(tmp_path / "cache" / name, seed=seed)
    return tmp_path / "cache"


def trainer(cache, out, *, samples, phases=("head", "backbone", "joint")):
    out.mkdir(exist_ok=True)
    recipe = {
        "model": "dsanet_xs", "seed": 3, "views": 1, "ema": 0.5,
        "phases": [
            {"name": n, "samples": samples, "batch": 8, "bank": 16, "rate": 0.01, "forcing": 0.5}
            for n in phases
        ],
    }  # fmt: skip
    args = argparse.Namespace(cache=cache, out=out, init=None)
    return distil_train.Trainer(args, recipe, 0, 1)


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    monkeypatch.setattr(distil_train, "VALIDATION_FACES", 20)
    monkeypatch.setattr(distil_train, "WARMUP_STEPS", 2)


def log(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_all_phases_run_and_leave_a_checkpoint(cache, tmp_path):
    trainer(cache, tmp_path / "run", samples=16).run()
    net = load_checkpoint(tmp_path / "run" / "dsanet_xs.pt")
    assert net(torch.zeros(1, 3, 112, 112)).shape == (1, 512)
    assert [row["phase"] for row in log(tmp_path / "run")] == ["head", "backbone", "joint"]


def test_hints_are_learnt(cache, tmp_path):
    job = trainer(cache, tmp_path / "run", samples=8 * 25, phases=("backbone",))
    before = job.validate()
    job.run()
    assert log(tmp_path / "run")[-1]["val_hint0"] < 0.8 * before["val_hint0"]


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(cache, tmp_path, monkeypatch):
    trainer(cache, tmp_path / "whole", samples=64, phases=("joint",)).run()
    monkeypatch.setattr(distil_train, "SAVE_EVERY_S", -1)  # save after every step
    cut = trainer(cache, tmp_path / "cut", samples=64, phases=("joint",))
    step = cut.train_step

    def dies_in_the_fifth(*args):
        if cut.step == 4:
            raise KeyboardInterrupt
        return step(*args)

    cut.train_step = dies_in_the_fifth
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    resumed = trainer(cache, tmp_path / "cut", samples=64, phases=("joint",))
    resumed.run()
    whole, cut = (
        load_checkpoint(tmp_path / name / "dsanet_xs.pt").state_dict() for name in ("whole", "cut")
    )
    for name, value in whole.items():
        torch.testing.assert_close(cut[name], value, rtol=0, atol=0, msg=name)


def test_the_own_face_in_the_bank_is_no_negative():
    raw, target, other = torch.nn.functional.normalize(torch.randn(3, 1, 512), dim=2)
    batch = {
        "embedding": target,
        "rows": torch.tensor([5]),
        "bank_rows": torch.tensor([5, 6]),
        "bank": torch.cat([target, other]),
    }
    logits = 20 * torch.cat([raw @ target.T, raw @ other.T], 1)
    expected = -logits.log_softmax(1)[0, 0]
    torch.testing.assert_close(embedding_loss(raw, batch)["contrast"], expected)


def test_a_phase_trains_only_its_part():
    net = DsaNet(CONFIGS["dsanet_xs"])
    Distiller(net, "head")
    assert not any(p.requires_grad for p in net.backbone.parameters())
    Distiller(net, "backbone")
    assert not any(p.requires_grad for p in net.head.parameters())


@pytest.mark.parametrize("shape", [(64, 192), (192, 64), (32, 32)])
def test_muons_update_is_nearly_orthogonal(shape):
    torch.manual_seed(0)
    singular = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
    # The quintic's fixed band, 0.68 to 1.13 (Jordan 2024); small values rise last.
    assert singular.max() < 1.3 and singular.median() > 0.6


def test_a_view_that_was_cut_off_is_not_taken_for_a_finished_one(cache):
    shutil.copytree(cache / "train0", cache / "train1.partial")
    assert len(hints.views(cache)) == 1
