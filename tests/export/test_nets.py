"""Blocks, attention and fusion against their formulas and the native kernels; trial network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck

from edgeface import kernels
from export.ablation import multiply_adds, rows
from export.dsanet import AttentionBlock, Block
from export.nets import attention, blocks, fusion
from export.nets.standardised import Standardised
from export.nets.trial import TrialConfig, TrialNet


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def tokens(count: int = 7, dim: int = 8, *, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, count, dim, dtype=torch.float64)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def bn(x: np.ndarray, layer: nn.BatchNorm2d) -> np.ndarray:
    """Evaluation-mode BatchNorm of one pixel's channels (C,)."""
    mean, var, gamma, beta = (
        t.detach().numpy()
        for t in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (x - mean) / np.sqrt(var + layer.eps) * gamma + beta


def settled(net: nn.Module, *shape: int) -> nn.Module:
    """The network in evaluation mode, with BatchNorm statistics that are not 0 and 1."""
    net = net.double().train()
    net(torch.randn(*shape, dtype=torch.float64) * 2 + 1)
    return net.eval()


def centre(x: np.ndarray, weight: np.ndarray, *, groups: int = 1) -> np.ndarray:
    """3×3 convolution (C, 3, 3) → (C,) at the middle pixel, by loops over the definition."""
    inputs, outputs = weight.shape[1], len(weight)
    share = outputs // groups
    return np.array(
        [
            (x[o // share * inputs : (o // share + 1) * inputs] * weight[o]).sum()
            for o in range(outputs)
        ]
    )


def test_residual_block_is_its_formula() -> None:
    block = settled(blocks.ResidualBlock(4), 8, 4, 5, 5)
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    (conv1, norm1), (conv2, norm2) = block.first, block.second
    padded, hidden = x[0].numpy(), np.zeros((4, 3, 3))
    for row in range(3):
        for column in range(3):
            seen = padded[:, row : row + 3, column : column + 3]
            hidden[:, row, column] = np.maximum(
                bn(centre(seen, conv1.weight.detach().numpy()), norm1), 0
            )
    expected = padded[:, 2, 2] + bn(centre(hidden, conv2.weight.detach().numpy()), norm2)
    found = block(x)[0, :, 2, 2].detach().numpy()
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-9)


def test_group_block_is_its_formula() -> None:
    block = settled(blocks.GroupBlock(8, groups=4), 8, 8, 3, 3)
    x = torch.randn(1, 8, 3, 3, dtype=torch.float64)
    enter, grouped, leave = (
        part[0].weight.detach().numpy() for part in (block.enter, block.grouped, block.leave)
    )
    entered = np.einsum("oi,ihw->ohw", enter[:, :, 0, 0], x[0].numpy())
    for row in range(3):
        for column in range(3):
            entered[:, row, column] = np.maximum(bn(entered[:, row, column], block.enter[1]), 0)
    middle = np.maximum(bn(centre(entered, grouped, groups=4), block.grouped[1]), 0)
    left = bn(leave[:, :, 0, 0] @ middle, block.leave[1])
    found = block(x)[0, :, 1, 1].detach().numpy()
    np.testing.assert_allclose(found, np.maximum(x[0, :, 1, 1].numpy() + left, 0), rtol=1e-9)


def test_depthwise_block_is_dsanets() -> None:
    assert type(blocks.block("depthwise", 8)) is Block


@pytest.mark.parametrize("kind", blocks.BLOCKS)
def test_blocks_keep_the_shape_and_pass_gradients(kind) -> None:
    block = blocks.block(kind, 8).double().train()
    x = torch.randn(3, 8, 4, 6, dtype=torch.float64, requires_grad=True)
    assert block(x).shape == x.shape
    assert gradcheck(lambda y: block.eval()(y), (x[:1, :, :2, :2].detach().requires_grad_(),))


def test_reductions_halve_and_the_strided_one_is_a_matrix_over_each_2x2_patch() -> None:
    x = torch.randn(2, 3, 6, 4, dtype=torch.float64)
    reduce = settled(blocks.reduction("stride", 3, 5), 4, 3, 4, 4)
    found = reduce(x)
    assert found.shape == (2, 5, 3, 2)
    patch = x[1, :, 2:4, 0:2].numpy()
    expected = bn(
        np.einsum("oihw,ihw->o", reduce.reduce.weight.detach().numpy(), patch), reduce.norm
    )
    np.testing.assert_allclose(found[1, :, 1, 0].detach().numpy(), expected, rtol=1e-9)
    for kind, pool in (("max", np.max), ("average", np.mean)):
        pooled = settled(blocks.reduction(kind, 3, 5), 4, 3, 4, 4)
        mixed = pooled.mix[0].weight.detach().numpy()[:, :, 0, 0] @ pool(patch, axis=(1, 2))
        found = pooled(x)[1, :, 1, 0].detach().numpy()
        np.testing.assert_allclose(found, bn(mixed, pooled.mix[1]), rtol=1e-9)


def test_spatial_gate_weighs_pixels_between_zero_and_one_by_mean_and_maximum() -> None:
    gate = attention.SpatialGate(kernel=1).double()
    x = torch.randn(2, 6, 4, 4, dtype=torch.float64)
    weight, bias = gate.weigh.weight[0, :, 0, 0], gate.weigh.bias[0]
    seen = weight[0] * x.mean(1) + weight[1] * x.max(1).values + bias
    torch.testing.assert_close(gate(x), x * (1 / (1 + torch.exp(-seen)))[:, None])
    assert attention.SpatialGate()(x.float()).shape == x.shape


def test_additive_attention_is_the_native_kernels() -> None:
    layer = attention.AdditiveAttention(8, hidden=5)
    q, k, v = (tokens(n, batch=1).float() for n in (4, 6, 6))
    weights = {n: getattr(layer, n).weight.detach().numpy() for n in ("w_q", "w_k")}
    expected = kernels.additive_attention(
        q[0].numpy(), k[0].numpy(), v[0].numpy(), w=layer.w.weight[0].detach().numpy(), **weights
    )
    np.testing.assert_allclose(layer(q, k, v)[0].detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("kind", "scale"), [("dot", 1.0), ("scaled-dot", None)])
def test_dot_attention_is_the_native_kernels(kind, scale) -> None:
    q, k, v = (tokens(n, batch=1).float() for n in (4, 6, 6))
    found = attention.attention(kind, 8)(q, k, v)[0].numpy()
    expected = kernels.attention(q[0].numpy(), k[0].numpy(), v[0].numpy(), scale=scale)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_multi_head_attention_is_the_native_kernels_between_its_linear_layers() -> None:
    layer, x = attention.MultiHeadAttention(8, heads=4), tokens(batch=1).float()
    q, k, v = (
        np.ascontiguousarray(y)
        for y in layer.qkv(x)[0].detach().numpy().reshape(7, 3, 8).swapaxes(0, 1)
    )
    middle = torch.from_numpy(kernels.attention(q, k, v, heads=4))
    torch.testing.assert_close(layer(x)[0], layer.fuse.out(middle), rtol=0, atol=1e-5)


def test_multi_head_attention_with_concat_is_dsanets_attention() -> None:
    block = AttentionBlock(8, heads=2, mlp_ratio=2)
    layer = attention.MultiHeadAttention(8, heads=2)
    layer.qkv.load_state_dict(block.qkv.state_dict())
    layer.fuse.out.load_state_dict(block.out.state_dict())
    x = tokens().float()
    torch.testing.assert_close(layer(x), block.attend(x))


@pytest.mark.parametrize("kind", attention.HEAD_FUSIONS)
def test_head_fusion_is_the_weighted_sum_of_the_heads_projections(kind) -> None:
    fuse = attention.HeadFusion(8, heads=4, kind=kind).double()
    for parameter in fuse.parameters():
        nn.init.normal_(parameter)
    heads, x = torch.randn(2, 4, 7, 2, dtype=torch.float64), tokens()
    gains = np.ones((2, 7, 4))
    if kind == "softmax":
        gains = gains * 4 * softmax(fuse.score.detach().numpy())
    if kind == "gated":
        asked = x.numpy() @ fuse.gate.weight.detach().numpy().T + fuse.gate.bias.detach().numpy()
        gains = 2 / (1 + np.exp(-asked))
    columns = np.split(fuse.out.weight.detach().numpy(), 4, axis=1)
    expected = fuse.out.bias.detach().numpy() + sum(
        gains[:, :, h, None] * (heads[:, h].numpy() @ columns[h].T) for h in range(4)
    )
    np.testing.assert_allclose(fuse(heads, x).detach().numpy(), expected, rtol=1e-9)


def test_head_fusions_begin_as_the_plain_one() -> None:
    heads, x = torch.randn(2, 4, 7, 2), tokens().float()
    plain = attention.HeadFusion(8, heads=4, kind="concat")
    for kind in ("softmax", "gated"):
        other = attention.HeadFusion(8, heads=4, kind=kind)
        other.out.load_state_dict(plain.out.state_dict())
        torch.testing.assert_close(other(heads, x), plain(heads, x))


@pytest.mark.parametrize("kind", [*attention.ATTENTIONS, *attention.HEAD_FUSIONS])
def test_every_attention_passes_gradients(kind) -> None:
    if kind in attention.HEAD_FUSIONS:
        layer = attention.MultiHeadAttention(4, heads=2, fusion=kind).double()
    else:
        layer = attention.SelfAttention(4, kind=kind).double()
    x = tokens(3, 4).requires_grad_()
    assert layer(x).shape == x.shape
    assert gradcheck(layer, (x,))
    layer(x).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_weighted_fusion_is_its_formula_and_starts_from_the_last_stage() -> None:
    fuse = fusion.AttentionFeatureFusion(8, stages=3).double()
    stages = [tokens() for _ in range(3)]
    hidden, score = fuse.hidden, fuse.score.weight.detach().numpy()[0]
    scores = np.stack(
        [
            np.tanh(f.numpy() @ hidden.weight.detach().numpy().T + hidden.bias.detach().numpy())
            @ score
            for f in stages
        ],
        axis=-1,
    )
    weights = softmax(scores)
    expected = stages[-1].numpy() + sum(
        weights[..., i, None] * f.numpy() for i, f in enumerate(stages)
    )
    np.testing.assert_allclose(fuse(stages).detach().numpy(), expected, rtol=1e-9)


def test_self_attention_fusion_is_its_formula() -> None:
    fuse = fusion.SelfAttentionFusion(8, stages=2, heads=2).double()
    stages = [tokens(3), tokens(3)]
    z = torch.cat([s + fuse.stage[i] for i, s in enumerate(stages)], 1)  # another order of tokens
    y = z + fuse.attend(F.layer_norm(z, (8,), fuse.norm.weight, fuse.norm.bias))
    torch.testing.assert_close(fuse(stages), (y[:, :3] + y[:, 3:]) / 2)


def test_maps_become_tokens_of_one_grid_by_averaging() -> None:
    feature = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
    found = fusion.tokens_of(feature, (2, 2))
    assert found.shape == (2, 4, 3)
    assert found[1, 2, 0] == feature[1, 0, 2:4, 0:2].mean()
    assert torch.equal(fusion.tokens_of(feature, (4, 4))[0, 5], feature[0, :, 1, 1])


def test_wrong_shapes_and_names_are_refused() -> None:
    q = tokens(3, 4)
    with pytest.raises(ValueError, match=r"key \(2, 3, 5\).*expected \(N, Tq, D\)"):
        attention.DotAttention()(q, tokens(3, 5), q)
    with pytest.raises(ValueError, match=r"value \(2, 2, 4\)"):
        attention.AdditiveAttention(4, hidden=2)(q, q, tokens(2, 4))
    with pytest.raises(ValueError, match="10 channels in 4 heads"):
        attention.MultiHeadAttention(10, heads=4)
    with pytest.raises(ValueError, match="'mean'.*concat, softmax, gated"):
        attention.MultiHeadAttention(8, heads=4, fusion="mean")
    with pytest.raises(ValueError, match="'cosine'.*additive, dot, scaled-dot"):
        attention.SelfAttention(8, kind="cosine")
    with pytest.raises(ValueError, match="expected 3 of one shape"):
        fusion.AttentionFeatureFusion(8, stages=3)([tokens(), tokens()])
    with pytest.raises(ValueError, match="10 channels in 4 groups"):
        blocks.GroupBlock(10)
    with pytest.raises(ValueError, match="'median'; expected max or average"):
        blocks.reduction("median", 4, 4)
    with pytest.raises(ValueError, match="'dense'; expected one of residual, group"):
        blocks.block("dense", 4)
    for switch in ({"pooling": "max"}, {"fusion": "sum"}):
        with pytest.raises(ValueError, match=next(iter(switch.values()))):
            TrialNet(replace(TrialConfig(), **switch))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_every_row_of_the_ablation_is_a_network_of_15_to_35_million_multiply_adds(row) -> None:
    net = TrialNet(replace(TrialConfig(), **row.network))
    assert net.eval()(torch.randn(2, 3, 112, 112)).shape == (2, 512)
    assert 15e6 < multiply_adds(net) < 35e6


def test_other_blocks_cost_what_the_base_costs() -> None:
    base = multiply_adds(TrialNet(TrialConfig()))
    for row in rows():
        if row.group == "blocks":
            cost = multiply_adds(TrialNet(replace(TrialConfig(), **row.network)))
            assert abs(cost / base - 1) < 0.1, row.name


def test_standardised_embeddings_have_mean_zero_and_variance_one_in_a_batch() -> None:
    net = Standardised(nn.Sequential(nn.Flatten(), nn.Linear(12, 512)))
    found = net(torch.randn(64, 3, 2, 2) + 5).detach()
    assert found.mean(0).abs().max() < 1e-4
    assert (found.var(0, unbiased=False) - 1).abs().max() < 1e-3
