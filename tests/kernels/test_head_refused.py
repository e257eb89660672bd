"""What a native attention head refuses, and how it says so."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface import _native
from tests.kernels.arrays import ISAS

CHANNELS, TOKENS, WIDTH, HIDDEN, QUERIES, DIM = 5, 6, 8, 12, 3, 7
SHAPES = {
    "inlet.weight": (WIDTH, CHANNELS),
    "inlet.bias": (WIDTH,),
    "position": (TOKENS, WIDTH),
    "blocks.0.norm1.weight": (WIDTH,),
    "blocks.0.norm1.bias": (WIDTH,),
    "blocks.0.norm2.weight": (WIDTH,),
    "blocks.0.norm2.bias": (WIDTH,),
    "blocks.0.qkv.weight": (3 * WIDTH, WIDTH),
    "blocks.0.qkv.bias": (3 * WIDTH,),
    "blocks.0.out.weight": (WIDTH, WIDTH),
    "blocks.0.out.bias": (WIDTH,),
    "blocks.0.fc1.weight": (HIDDEN, WIDTH),
    "blocks.0.fc1.bias": (HIDDEN,),
    "blocks.0.fc2.weight": (WIDTH, HIDDEN),
    "blocks.0.fc2.bias": (WIDTH,),
    "pool.norm.weight": (WIDTH,),
    "pool.norm.bias": (WIDTH,),
    "pool.scores.weight": (QUERIES, WIDTH),
    "pool.scores.bias": (QUERIES,),
    "project.weight": (DIM, QUERIES * WIDTH),
    "project.bias": (DIM,),
}


def weights(**changes: np.ndarray) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {name: random.standard_normal(shape, np.float32) for name, shape in SHAPES.items()}
    return {**arrays, **{name.replace("__", "."): array for name, array in changes.items()}}


def feature(count: int = 2) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, CHANNELS, 2, 3), np.float32)


def build(arrays: object, **options) -> _native.AttentionHead:
    return _native.AttentionHead(arrays, **{"heads": 2, **options})


@pytest.mark.parametrize("name", SHAPES)
def test_every_missing_array_is_named(name: str) -> None:
    arrays = weights()
    del arrays[name]
    with pytest.raises(ValueError, match="weights (lack|hold) '"):
        build(arrays)


@pytest.mark.parametrize("name", SHAPES)
def test_every_misshapen_array_is_refused(name: str) -> None:
    arrays = weights()
    arrays[name] = np.zeros([size + 1 for size in SHAPES[name]], dtype=np.float32)
    with pytest.raises(ValueError, match=r"is float32 of shape .*; expected shape|heads is 2"):
        build(arrays)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_every_array_that_is_not_finite_is_named(name: str, value: float) -> None:
    arrays = weights()
    arrays[name].flat[-1] = value
    with pytest.raises(ValueError, match=f"{name} holds NaN or infinity"):
        build(arrays)


@pytest.mark.parametrize("name", SHAPES)
def test_every_other_dtype_is_named(name: str) -> None:
    arrays = weights()
    arrays[name] = arrays[name].astype(np.float64)
    with pytest.raises(ValueError, match=f"{name} is float64 .*expected a C-contiguous float32"):
        build(arrays)


GOOD = weights()
EIGHT_BITS = np.full((DIM, QUERIES * WIDTH), 3, dtype=np.int8)
SCALE = np.ones(DIM, dtype=np.float32)
BAD_HEADS = {
    "list": ([], {}, TypeError, "weights is a list; expected a mapping"),
    "array is a list": ({**GOOD, "position": [1]}, {}, TypeError, "position is a list"),
    "superfluous": ({**GOOD, "norm.weight": SCALE}, {}, ValueError, "weights hold 'norm.weight'"),
    "gap": (
        {name: array for name, array in GOOD.items() if not name.startswith("pool")},
        {},
        ValueError,
        "pooling is gap .*; expected attention pooling",
    ),
    "gdconv": (
        {
            **{name: array for name, array in GOOD.items() if not name.startswith("pool")},
            "pool.weight": np.ones((TOKENS, WIDTH), np.float32),
        },
        {},
        ValueError,
        "pooling is gdconv; expected attention pooling",
    ),
    "fortran": (
        {**GOOD, "position": np.asfortranarray(GOOD["position"])},
        {},
        ValueError,
        "position is not C-contiguous",
    ),
    "empty": (
        {**GOOD, "inlet.weight": np.zeros((WIDTH, 0), np.float32)},
        {},
        ValueError,
        r"inlet.weight is float32 of shape \(8, 0\); expected shape \(8, any\)",
    ),
    "heads": (GOOD, {"heads": 3}, ValueError, "heads is 3; expected a divisor of the 8 columns"),
    "no heads": (GOOD, {"heads": 0}, ValueError, "heads is 0; expected 1 or more"),
    "precision": (GOOD, {"precision": "fp16"}, ValueError, "precision is 'fp16'; expected 'float3"),
    "batch": (GOOD, {"max_batch": 0}, ValueError, "max_batch is 0; expected 1 to 4096"),
    "isa": (GOOD, {"isa": "mmx"}, ValueError, "unknown ISA 'mmx'"),
    "int8 in float": (
        {**GOOD, "project.weight": EIGHT_BITS, "project.weight.scale": SCALE},
        {},
        ValueError,
        "project.weight is int8 and the head's precision is float32",
    ),
    "no scale": (
        {**GOOD, "project.weight": EIGHT_BITS},
        {"precision": "int8"},
        ValueError,
        "weights lack 'project.weight.scale'",
    ),
    "eight bits": (
        {**GOOD, "project.weight": np.full_like(EIGHT_BITS, -128), "project.weight.scale": SCALE},
        {"precision": "int8"},
        ValueError,
        r"project.weight holds -128; expected INT8 weights within \[-127, 127\]",
    ),
    "int8 scores": (
        {**GOOD, "pool.scores.weight": np.ones((QUERIES, WIDTH), np.int8)},
        {"precision": "int8"},
        ValueError,
        "pool.scores.weight is int8 .*expected a C-contiguous float32",
    ),
}


@pytest.mark.parametrize("case", BAD_HEADS)
def test_wrong_head_is_refused_with_what_was_found(case: str) -> None:
    arrays, options, error, message = BAD_HEADS[case]
    with pytest.raises(error, match=message):
        build(arrays, **options)


def test_sums_that_would_leave_int32_are_refused_in_int8_only() -> None:
    hidden = 131_073
    arrays = weights(
        blocks__0__fc1__weight=np.zeros((hidden, WIDTH), np.float32),
        blocks__0__fc1__bias=np.zeros(hidden, np.float32),
        blocks__0__fc2__weight=np.zeros((WIDTH, hidden), np.float32),
    )
    build(arrays, precision="float32")
    with pytest.raises(ValueError, match="fc2.weight has 131073 inputs; expected at most 131072"):
        build(arrays, precision="int8")


def test_the_callers_mapping_is_left_alone() -> None:
    arrays = weights()
    build(arrays)
    assert list(arrays) == list(SHAPES)


BAD_FEATURES = {
    "list": (feature().tolist(), TypeError, "feature is a list; expected"),
    "one map": (feature()[0], ValueError, r"shape \(5, 2, 3\); expected .*\(N, C, H, W\)"),
    "float64": (feature().astype(np.float64), ValueError, "feature is float64"),
    "channels": (np.ones((1, 4, 2, 3), np.float32), ValueError, "expected 5 channels and .* = 6"),
    "tokens": (np.ones((1, 5, 3, 3), np.float32), ValueError, "expected 5 channels and .* = 6"),
    "strided": (feature()[:, :, :, ::-1], ValueError, "feature is not C-contiguous"),
    "fortran": (np.asfortranarray(feature()), ValueError, "feature is not C-contiguous"),
}


@pytest.mark.parametrize("case", BAD_FEATURES)
def test_wrong_feature_is_refused_with_what_was_found(case: str) -> None:
    wrong, error, message = BAD_FEATURES[case]
    with pytest.raises(error, match=message):
        build(weights()).embed(wrong)


def test_read_only_feature_is_accepted() -> None:
    maps = feature()
    maps.flags.writeable = False
    assert build(weights()).embed(maps).shape == (2, DIM)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_feature_that_is_not_finite_is_named(isa: str, precision: str) -> None:
    head = build(weights(), isa=isa, precision=precision, max_batch=2)
    for value in (np.nan, np.inf, -np.inf):
        maps = feature(5)
        maps[3, 1, 1, 2] = value
        with pytest.raises(ValueError, match="feature map 3 holds NaN or infinity"):
            head.embed(maps)
    assert np.isfinite(head.embed(feature(5))).all()  # nothing of it stays behind


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_embedding_without_a_direction_is_an_error(isa: str, precision: str) -> None:
    silent = {
        name: np.zeros(SHAPES[name], np.float32) for name in ("project.weight", "project.bias")
    }
    head = build({**weights(), **silent}, isa=isa, precision=precision)
    with pytest.raises(ValueError, match="embedding of feature map 0 has a norm of zero"):
        head.embed(feature())
    loud = {"inlet.weight": np.full((WIDTH, CHANNELS), 3e38, np.float32)}
    head = build({**weights(), **loud}, isa=isa, precision=precision)
    with pytest.raises(ValueError, match="embedding of feature map 0 has .* overflows"):
        head.embed(feature() * 100)
