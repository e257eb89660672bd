"""Fine-tuning with rounding: what goes in comes out, but for the rounding."""

from __future__ import annotations

import pytest
import torch

from export.dsanet import CONFIGS, DsaNet
from export.quantise_aware import (
    WEIGHT_STEPS,
    FakeWeight,
    insert_rounding,
    quantised_modules,
    unfold,
)
from export.to_onnx import fold


@pytest.fixture
def net():
    torch.manual_seed(0)
    made = DsaNet(CONFIGS["dsanet_xs"])
    made.train()(torch.randn(8, 3, 112, 112))  # batch statistics that are not 0 and 1
    return made.eval()


def test_unfolding_a_folded_network_gives_an_ordinary_one_with_the_same_outputs(net):
    image = torch.randn(2, 3, 112, 112)
    with torch.inference_mode():
        again = unfold(fold(net))
        torch.testing.assert_close(again(image), net(image), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(fold(again)(image), net(image), rtol=1e-3, atol=1e-4)
    assert again.state_dict().keys() == net.state_dict().keys()


def test_rounded_weights_have_127_levels_per_channel_and_pass_gradients():
    weight = torch.randn(4, 300, requires_grad=True)
    rounded = FakeWeight()(weight)
    rounded.sum().backward()
    assert max(len(row.unique()) for row in rounded) <= 2 * WEIGHT_STEPS + 1
    assert (rounded - weight).abs().max() <= weight.abs().max() / WEIGHT_STEPS / 2 + 1e-6
    assert weight.grad.count_nonzero() == weight.numel()


def test_rounding_changes_outputs_a_little_and_unfolding_takes_it_out(net):
    image = torch.randn(8, 3, 112, 112)
    rounded = fold(net)
    insert_rounding(rounded, image)
    with torch.inference_mode():
        plain, coarse = net(image), rounded(image)
        assert 0.95 < torch.cosine_similarity(plain, coarse).min() < 0.99999
        torch.testing.assert_close(unfold(rounded)(image), plain, rtol=1e-3, atol=1e-4)


def test_the_first_segment_stays_in_float(net):
    folded = fold(net)
    first = set(folded.backbone.segments[0].modules())
    assert not first.intersection(quantised_modules(folded))
