"""The native attention head against its NumPy twin, torch and the shipped checkpoint."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeface import _native, _reference_head
from tests.kernels.arrays import ISAS, misaligned

torch = pytest.importorskip("torch")

from export.checkpoint import load_checkpoint  # noqa: E402
from export.dsanet import DsaNetConfig, Head  # noqa: E402

FLOAT_TOLERANCE = 1e-5  # of an element of a unit embedding
INT8_COSINE = 0.999
SMALL = DsaNetConfig(
    feature_channels=(8, 8, 11), head_dim=24, heads=3, attention_blocks=1, queries=3
)
CONFIGS = {
    "small": SMALL,
    "gate": replace(SMALL, spatial_gate=True),
    "no blocks": replace(SMALL, attention_blocks=0),
    "one query": replace(SMALL, queries=1),
}


def weights_of(head: Head) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in head.state_dict().items()}


def random_head(config: DsaNetConfig) -> Head:
    torch.manual_seed(0)
    head = Head(config).eval().requires_grad_(False)
    for values in head.parameters():  # no bias may go untested because it is zero
        if values.dim() == 1:
            values += 0.3 * torch.randn_like(values)
    return head


def features(count: int, channels: int, *, offset: int = 0) -> np.ndarray:
    values = np.random.default_rng(count).standard_normal((count, channels, 7, 7), np.float32)
    return misaligned(values, offset)


def embed_in_torch(head: Head, feature: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return torch.nn.functional.normalize(head(torch.from_numpy(feature)).double()).numpy()


@pytest.fixture(scope="module")
def shipped() -> tuple[Head, np.ndarray]:
    """The shipped checkpoint's head, and maps that its own backbone makes of smooth noise."""
    root = Path(__file__).resolve().parents[2]
    net = load_checkpoint(root / "export" / "checkpoints" / "dsanet_s.pt")
    torch.manual_seed(1)
    coarse = torch.randn(12, 3, 14, 14)
    images = torch.nn.functional.interpolate(coarse, size=(112, 112), mode="bilinear")
    with torch.no_grad():
        feature = net.backbone(images).contiguous().numpy()
    return net.head.requires_grad_(False), feature


SMALL_WEIGHTS = weights_of(random_head(SMALL))
SMALL_CHANNELS = SMALL.feature_channels[-1]


def small_head(**options) -> _native.AttentionHead:
    return _native.AttentionHead(SMALL_WEIGHTS, heads=SMALL.heads, **options)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("offset", [0, 1])
def test_float_head_is_torchs_head(isa: str, name: str, offset: int) -> None:
    config = CONFIGS[name]
    head = random_head(config)
    feature = features(5, SMALL_CHANNELS, offset=offset)
    native = _native.AttentionHead(weights_of(head), heads=config.heads, max_batch=2, isa=isa)
    found = native.embed(feature)
    assert found.shape == (5, 512) and found.dtype == np.float32
    np.testing.assert_allclose(found, embed_in_torch(head, feature), rtol=0, atol=FLOAT_TOLERANCE)
    twin = _reference_head.embed(feature, weights_of(head), heads=config.heads)
    np.testing.assert_allclose(found, twin, rtol=0, atol=FLOAT_TOLERANCE)


@pytest.mark.parametrize("isa", ISAS)
def test_shipped_head_is_torchs_in_float_and_close_in_int8(isa: str, shipped) -> None:
    head, feature = shipped
    expected = embed_in_torch(head, feature)
    weights = weights_of(head)
    found = _native.AttentionHead(weights, heads=4, isa=isa).embed(feature)
    np.testing.assert_allclose(found, expected, rtol=0, atol=FLOAT_TOLERANCE)
    rounded = _native.AttentionHead(weights, heads=4, precision="int8", isa=isa)
    cosines = (rounded.embed(feature) * expected).sum(axis=1)
    assert cosines.min() >= INT8_COSINE
    assert cosines.max() < 1 - 1e-7  # it is INT8 that ran


def test_int8_weights_give_what_float_weights_round_to(shipped) -> None:
    head, feature = shipped
    weights = weights_of(head)
    layers = [name for name in weights if weights[name].ndim == 2 and name.endswith(".weight")]
    for name in set(layers) - {"pool.scores.weight"}:
        weights[name], weights[f"{name}.scale"] = _native.quantise_rows(weights[name])
    found = _native.AttentionHead(weights, heads=4, precision="int8").embed(feature)
    same = _native.AttentionHead(weights_of(head), heads=4, precision="int8").embed(feature)
    np.testing.assert_array_equal(found, same)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 17])
def test_a_batch_is_its_images_one_by_one(precision: str, count: int) -> None:
    head = small_head(precision=precision)
    feature = features(count, SMALL_CHANNELS)
    found = head.embed(feature)
    assert found.shape == (count, 512)
    for row, one in zip(found, feature):
        np.testing.assert_allclose(row, head.embed(one[np.newaxis])[0], rtol=0, atol=1e-6)


def test_properties_say_what_was_built(shipped) -> None:
    weights = weights_of(shipped[0])
    head = _native.AttentionHead(weights, heads=4, precision="int8", isa="scalar")
    assert (head.dim, head.channels, head.tokens) == (512, 100, 49)
    assert (head.precision, head.isa) == ("int8", "scalar")
    floats = _native.AttentionHead(weights, heads=4, isa="scalar")
    assert floats.packed_bytes >= sum(array.nbytes for array in weights.values())
    assert head.packed_bytes < floats.packed_bytes / 3
    assert floats.isa == "scalar" and floats.precision == "float32"


def test_weights_are_copied() -> None:
    weights = {name: array.copy() for name, array in SMALL_WEIGHTS.items()}
    head = _native.AttentionHead(weights, heads=SMALL.heads)
    feature = features(1, SMALL_CHANNELS)
    before = head.embed(feature)
    for array in weights.values():
        array[:] = np.nan
    np.testing.assert_array_equal(head.embed(feature), before)


def test_threads_share_a_head_and_other_threads_run_meanwhile() -> None:
    head = small_head(isa="scalar")
    feature = features(40, SMALL_CHANNELS)
    expected, results = head.embed(feature), []
    threads = [
        threading.Thread(target=lambda: results.append(head.embed(feature))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    ticks = 0
    while any(thread.is_alive() for thread in threads):
        threading.Event().wait(0.001)
        ticks += 1
    assert ticks >= 5  # holding the GIL, a thread would be over at its first tick
    assert len(results) == 3
    for found in results:
        np.testing.assert_array_equal(found, expected)
