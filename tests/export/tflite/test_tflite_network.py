"""DSA-Net as TFLite: float32 is the PyTorch network, int8 is near it, every configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from edgeface import _native
from edgeface.pipeline import Pipeline
from export import tflite
from export.artefact import Artefact
from export.checkpoint import load_checkpoint
from export.dsanet import CONFIGS, DsaNet
from export.errors import ExportError
from export.preprocessing import Preprocessing
from export.source import Source
from export.split import head_weights
from export.tflite.flatbuffer import written
from export.tflite.network import dsanet_graph
from export.tflite.operators import OPERATORS
from tests.export.tflite.crops import CHECKPOINT, views

LEAST_TRAINED, LEAST_RANDOM = 0.95, 0.8
"""Least cosine of int8 to float. With trained weights 1 000 FairFace crops, calibrated on 256, have
a worst case of 0.97. Random networks amplify noise: only that the wiring is right shows there."""

XS, S = CONFIGS["dsanet_xs"], CONFIGS["dsanet_s"]
CONFIGURATIONS = {
    "xs": XS,
    "groups": replace(XS, groups=2),
    "average pooling": replace(XS, pooling="gap"),
    "depthwise pooling": replace(XS, pooling="gdconv"),
    "spatial gate": replace(XS, spatial_gate=True),
    "no attention block": replace(XS, attention_blocks=0),
}
NEWEST_IN_2_14 = {
    "ADD": 5,
    "BATCH_MATMUL": 4,
    "CONV_2D": 7,
    "DEPTHWISE_CONV_2D": 7,
    "FULLY_CONNECTED": 10,
    "GELU": 2,
    "LOGISTIC": 3,
    "MEAN": 3,
    "MUL": 7,
    "RESHAPE": 1,
    "RSQRT": 2,
    "SOFTMAX": 3,
    "SQUARED_DIFFERENCE": 2,
    "SUB": 5,
    "TRANSPOSE": 6,
}
"""Found by loading one file for each operator and version into tflite-runtime 2.14.0."""


@pytest.fixture(scope="module")
def crops(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> np.ndarray:
    """The portraits, moved by a few pixels and mirrored: (N, 112, 112, 3) RGB uint8."""
    return np.concatenate([views(pipeline, p) for p in (astronaut_bgr, grace_hopper_bgr)])


@pytest.fixture(scope="module")
def trained() -> Source:
    net = load_checkpoint(CHECKPOINT)
    return Source("dsanet_s", Path("none.onnx"), Preprocessing(), 512, net)


def random_source(config) -> Source:
    torch.manual_seed(0)
    net = DsaNet(config)
    with torch.no_grad():  # statistics that are not the initial zeros and ones
        net.train()(torch.randn(4, 3, 112, 112))
    return Source("random", Path("none.onnx"), Preprocessing(), 512, net.eval())


def embeddings(source: Source, crops: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return source.net(torch.from_numpy(source.preprocessing.apply(crops))).numpy()


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def converted(source: Source, crops: np.ndarray, folder: Path, **options) -> np.ndarray:
    made = tflite.convert(source, calibration=crops, folder=folder, **options)
    return tflite.run(made, folder, source.preprocessing.apply(crops))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_configuration_is_the_same_network_in_float_and_near_it_in_int8(
    name: str, crops: np.ndarray, tmp_path: Path
) -> None:
    source = random_source(CONFIGURATIONS[name])
    expected = embeddings(source, crops)
    found = converted(source, crops, tmp_path, variant="whole", precision="float32")
    assert cosines(found, expected).min() > 0.999999
    found = converted(source, crops, tmp_path, variant="whole")
    assert cosines(found, expected).min() > LEAST_RANDOM


def test_trained_network_whole(trained: Source, crops: np.ndarray, tmp_path: Path) -> None:
    expected = embeddings(trained, crops)
    found = converted(trained, crops, tmp_path, variant="whole", precision="float32")
    assert cosines(found, expected).min() > 0.999999
    found = converted(trained, crops, tmp_path, variant="whole")
    assert cosines(found, expected).min() > LEAST_TRAINED


def test_trained_backbone_with_the_native_head(
    trained: Source, crops: np.ndarray, tmp_path: Path
) -> None:
    expected = embeddings(trained, crops)
    head = _native.AttentionHead(
        head_weights(trained.net, "int8"), heads=trained.net.config.heads, precision="int8"
    )
    feature = converted(trained, crops, tmp_path, variant="split")
    assert feature.shape == (len(crops), 100, 7, 7)
    assert cosines(head.embed(feature), expected).min() > LEAST_TRAINED


def test_other_means_and_colours_are_folded_exactly(crops: np.ndarray, tmp_path: Path) -> None:
    imagenet = Preprocessing("BGR", (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
    source = replace(random_source(XS), preprocessing=imagenet)
    found = converted(source, crops, tmp_path, variant="whole", precision="float32")
    assert cosines(found, embeddings(source, crops)).min() > 0.999999


@pytest.mark.parametrize("variant", ["split", "whole"])
def test_everything_in_the_file_is_integer_and_known_to_old_runtimes(
    variant: str, trained: Source, crops: np.ndarray, tmp_path: Path
) -> None:
    made = tflite.convert(trained, variant=variant, calibration=crops, folder=tmp_path)
    model = schema.ModelT.InitFromPackedBuf((tmp_path / made.file).read_bytes(), 0)
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    for code in model.operatorCodes:
        assert code.version <= NEWEST_IN_2_14[kinds[code.builtinCode]]
    integers = {schema.TensorType.INT8, schema.TensorType.INT32}
    assert {tensor.type for tensor in model.subgraphs[0].tensors} <= integers
    assert made.details["needs"] == {"tflite": "2.9.0" if variant == "whole" else "1.14.0"}


def test_int8_files_are_at_most_30_percent_of_float_ones_and_the_same_every_time(
    trained: Source, crops: np.ndarray, tmp_path: Path
) -> None:
    for variant in trained.variants:
        made = [
            tflite.convert(
                trained, variant=variant, calibration=crops[:4], folder=tmp_path / folder, **kind
            )
            for folder, kind in (("a", {}), ("b", {}), ("c", {"precision": "float32"}))
        ]
        first, again, whole = (
            (tmp_path / folder / artefact.file).read_bytes()
            for folder, artefact in zip("abc", made)
        )
        assert first == again
        assert len(first) <= 0.3 * len(whole)


def test_artefact_says_how_it_is_fed(trained: Source, crops: np.ndarray, tmp_path: Path) -> None:
    made = tflite.convert(trained, variant="split", calibration=crops[:4], folder=tmp_path)
    assert made == Artefact.load(tmp_path / f"{made.file}.json")
    assert (made.input["layout"], made.input["colour"]) == ("NHWC", "RGB")
    assert (made.input["mean"], made.input["std"]) == ([0, 0, 0], [1, 1, 1])
    assert made.details["quantisation"]["input"] == {"scale": 1.0, "zero_point": -128}


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({}, {"variant": "halved"}),
        ({}, {"variant": "whole", "precision": "float16"}),
        ({"net": DsaNet(replace(XS, pooling="gap"))}, {"variant": "split"}),
    ],
    ids=str,
)
def test_what_cannot_be_written_is_refused(
    change: dict, options: dict, trained: Source, crops: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="cannot be written: expected one of"):
        tflite.convert(replace(trained, **change), calibration=crops, folder=tmp_path, **options)


def test_no_calibration_faces_is_an_error(trained: Source, tmp_path: Path) -> None:
    nothing = np.empty((0, 112, 112, 3), np.uint8)
    with pytest.raises(ValueError, match="no calibration faces"):
        tflite.convert(trained, variant="split", calibration=nothing, folder=tmp_path)


def test_dead_channels_do_not_overflow_their_bias(trained: Source, crops: np.ndarray) -> None:
    from export.tflite import ranges
    from export.tflite.quantise import quantisations

    net = load_checkpoint(CHECKPOINT)
    first = net.backbone.segments[0][0]
    first.weight.data[3] = 0
    first.bias.data[3] = 2.0
    graph = dsanet_graph(net, preprocessing=Preprocessing(), variant="split")
    scales = quantisations(graph, ranges.measured(graph, crops[:4].astype(np.float32)))
    bias = graph.tensors["segments.0.0.bias"].data
    stored = scales["segments.0.0.bias"].quantised(bias).astype(np.float64)
    assert stored * scales["segments.0.0.bias"].scale == pytest.approx(bias, rel=1e-4, abs=1e-5)
    assert written(graph, scales)[4:8] == b"TFL3"


def test_operator_table_has_every_operator_that_networks_use() -> None:
    used = {
        op.kind
        for config in CONFIGURATIONS.values()
        for op in dsanet_graph(
            DsaNet(config).eval(), preprocessing=Preprocessing(), variant="whole"
        ).ops
    }
    assert used == set(OPERATORS)
