"""INT8-aware training and what goes before it: function kept, error lowered, resumed exactly."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from export import equalise as equalisation
from export import int8_train
from export.checkpoint import load_checkpoint, save_checkpoint
from export.dsanet import CONFIGS, DsaNet
from export.equalise import equalise, rescale
from export.faces import normalised
from export.int8_net import Int8Backbone, Ranges, int8_weight, unfold
from export.to_onnx import fold

CHECKPOINT = Path(__file__).parents[2] / "export" / "checkpoints" / "dsanet_s.pt"


@pytest.fixture(scope="module")
def net() -> DsaNet:
    return load_checkpoint(CHECKPOINT)


@pytest.fixture(scope="module")
def images(portrait_views) -> torch.Tensor:
    return torch.from_numpy(normalised(portrait_views))


def cosine(net: DsaNet, images: torch.Tensor, wanted: torch.Tensor) -> float:
    """Mean cosine of a folded network's embeddings, its backbone in INT8, to the wanted ones."""
    model = Int8Backbone(net)
    model.calibrate(images)
    with torch.inference_mode():
        return float(F.cosine_similarity(net.head(model(images)[-1]), wanted).mean())


def test_without_rounding_the_simulation_is_the_network(net, images):
    folded = fold(net)
    with torch.inference_mode():
        found = Int8Backbone(folded, bits=None)(images[:4])[-1]
        torch.testing.assert_close(found, net.backbone(images[:4]), rtol=1e-3, atol=1e-3)


def test_weights_are_rounded_to_as_many_levels_per_channel_as_they_have_bits():
    weight = torch.randn(4, 500) * torch.tensor([[1.0], [10.0], [0.1], [0.0]])
    for bits in (7, 8):
        rounded, step = int8_weight(weight, bits=bits), weight.abs().amax(1) / (2 ** (bits - 1) - 1)
        levels = rounded[:3] / step[:3, None]
        torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)
        assert levels.abs().max().round() == 2 ** (bits - 1) - 1
        assert (rounded - weight).abs().max() <= step.max() / 2 + 1e-6


def test_ranges_are_percentiles_that_hold_zero():
    ranges = Ranges(percentile=99)
    ranges.mode = "observe"
    ranges("x", torch.arange(1, 1001) / 1000.0)
    ranges.close()
    low, high = ranges.limits["x"]
    assert low == 0 and high == pytest.approx(0.996)  # half of 1 % is above 0.995
    ranges.mode = "int8"
    assert ranges("x", torch.tensor([5.0])).item() == pytest.approx(high)


def test_folded_weights_survive_the_way_back_to_a_checkpoint(net, images, tmp_path):
    folded = fold(net)
    save_checkpoint(unfold(folded, net), tmp_path / "back.pt")
    back = load_checkpoint(tmp_path / "back.pt")
    assert back.config == net.config
    again = fold(back).state_dict()
    for name, value in folded.state_dict().items():
        torch.testing.assert_close(again[name], value, rtol=1e-6, atol=1e-7, msg=name)


def test_equalising_keeps_the_function_and_lowers_the_int8_error(net, images):
    folded = fold(net)
    with torch.inference_mode():
        wanted = folded(images)
    equal = copy.deepcopy(folded)
    equalise(equal, images[:32])
    with torch.inference_mode():
        assert F.cosine_similarity(equal(images), wanted).min() > 0.9999
    assert 1 - cosine(equal, images, wanted) < 0.9 * (1 - cosine(folded, images, wanted))


def test_equalising_a_network_with_grouped_matrices_keeps_its_function(images):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        grouped = fold(DsaNet(replace(CONFIGS["dsanet_xs"], groups=2)).eval())
    equal = copy.deepcopy(grouped)
    rescale(equal, {k: torch.rand(n) + 0.5 for k, n in group_sizes(grouped).items()})
    with torch.inference_mode():
        torch.testing.assert_close(equal(images[:4]), grouped(images[:4]), rtol=1e-3, atol=1e-4)


def group_sizes(net: DsaNet) -> dict[str, int]:
    sizes = {}
    for i, (width, depth) in enumerate(zip(net.config.widths, net.config.depths)):
        sizes[f"{i}.stream"] = width
        for j in range(depth):
            sizes[f"{i}.{j}.depthwise"] = width
            sizes[f"{i}.{j}.expand"] = width * net.config.expansion
    return sizes


def job(views: np.ndarray, *, steps: int = 20, **changes) -> int8_train.Recovery:
    """A short run of a small untrained network: its INT8 error is large, and falls at once."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        net = DsaNet(CONFIGS["dsanet_xs"]).eval()
    return int8_train.Recovery(
        net, crops=views[:48], calibration=views, steps=steps, batch=8, seed=3, **changes
    )


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(int8_train, "RANGE_FACES", 16)
    monkeypatch.setattr(int8_train, "WARMUP_STEPS", 2)
    monkeypatch.setattr(int8_train, "REFRESH_STEPS", 3)
    monkeypatch.setattr(int8_train, "VALIDATE_STEPS", 5)
    monkeypatch.setattr(equalisation, "STEPS", 20)


def test_a_few_steps_lower_the_int8_error_on_other_views(net, portrait_views, short):
    run = int8_train.Recovery(
        net, crops=portrait_views[:48], calibration=portrait_views[32:],
        steps=16, batch=8, rate=2e-4, seed=3,
    )  # fmt: skip
    before = run.validate()
    for _ in range(16):
        run.train_step()
    after = run.validate()
    assert 1 - after["mean7"] < 0.95 * (1 - before["mean7"])


def test_the_result_is_a_plain_checkpoint_and_the_head_is_untouched(
    net, portrait_views, short, tmp_path
):
    run = int8_train.Recovery(
        net, crops=portrait_views[:16], calibration=portrait_views[:32], steps=2, batch=4
    )
    int8_train.train(run, tmp_path)
    save_checkpoint(run.result(), tmp_path / "int8.pt")
    made = load_checkpoint(tmp_path / "int8.pt")
    assert made.config == net.config
    for name, value in net.head.state_dict().items():
        torch.testing.assert_close(made.head.state_dict()[name], value, rtol=0, atol=0, msg=name)
    with torch.inference_mode():
        picture = torch.from_numpy(normalised(portrait_views[:4]))
        assert F.cosine_similarity(made(picture), net(picture)).min() > 0.97


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(portrait_views, short, tmp_path):
    whole = job(portrait_views, steps=7)
    while whole.step < whole.steps:
        whole.train_step()
    cut = job(portrait_views, steps=7)
    for _ in range(5):  # not where ranges are measured anew
        cut.train_step()
    int8_train.save(cut, tmp_path)
    resumed = job(portrait_views, steps=7)
    resumed.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    int8_train.train(resumed, tmp_path)
    found = resumed.student.state_dict()
    for name, value in whole.student.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0, msg=name)
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 7 and {"loss", "mean8", "min7"} <= set(last)
