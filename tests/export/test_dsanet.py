"""DSA-Net: sizes, ablation switches, and folding that changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from export.dsanet import CONFIGS, DsaNet, DsaNetConfig
from export.to_onnx import fold

LIMITS = {"dsanet_xs": 40e6, "dsanet_s": 90e6}  # multiply-adds, docs/decisions/0001


def multiply_adds(net: DsaNet) -> int:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, 3, 112, 112))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", LIMITS)
def test_a_size_keeps_to_its_multiply_adds(name):
    assert multiply_adds(DsaNet(CONFIGS[name])) <= LIMITS[name]


@pytest.mark.parametrize(
    "switch",
    [
        {"pooling": "gap"},
        {"pooling": "gdconv"},
        {"spatial_gate": True},
        {"attention_blocks": 0},
        {"groups": 2},
    ],
)
def test_every_ablation_is_another_network_with_the_same_interface(switch):
    torch.manual_seed(0)
    net = DsaNet(replace(CONFIGS["dsanet_xs"], **switch)).eval()
    usual = sum(p.numel() for p in DsaNet(CONFIGS["dsanet_xs"]).parameters())
    assert net(torch.randn(2, 3, 112, 112)).shape == (2, 512)
    assert sum(p.numel() for p in net.parameters()) != usual


def test_unknown_pooling_is_refused_by_name():
    with pytest.raises(ValueError, match="'max'.*attention, gdconv or gap"):
        DsaNet(replace(CONFIGS["dsanet_xs"], pooling="max"))


def test_configuration_survives_its_dictionary():
    config = replace(CONFIGS["dsanet_s"], groups=4)
    assert DsaNetConfig.from_dict({**config.to_dict(), "widths": [32, 64, 128]}) == config


def test_there_is_no_pooling_layer_and_no_prelu():
    kinds = {type(m).__name__ for m in DsaNet(CONFIGS["dsanet_s"]).modules()}
    assert not any("Pool2d" in kind or "PReLU" in kind for kind in kinds)


def test_folding_keeps_every_output_and_leaves_no_batch_norm():
    torch.manual_seed(0)
    net = DsaNet(CONFIGS["dsanet_xs"])
    net.train()(torch.randn(8, 3, 112, 112))  # batch statistics that are not 0 and 1
    folded = fold(net)
    image = torch.randn(2, 3, 112, 112)
    with torch.inference_mode():
        torch.testing.assert_close(folded(image), net.eval()(image), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
