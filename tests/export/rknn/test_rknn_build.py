"""Real conversions by rknn-toolkit2 and its simulator: `make rknn-test`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from export import rknn
from export.artefact import Artefact
from export.errors import ExportError
from export.rknn.convert import NEEDS
from export.rknn.header import check_target, read_header
from export.rknn.layers import read_layers, refuse_cpu
from export.rknn.toolkit import run_job

pytestmark = pytest.mark.rknn

MIN_COSINE = 0.97  # of two portraits' views, ranges from 24 of them


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rk3576")


@pytest.fixture(scope="module")
def split(source, face_crops, folder: Path, environment: Path) -> Artefact:
    return rknn.convert(source, variant="split", calibration=face_crops(32), folder=folder)


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = one.reshape(len(one), -1), other.reshape(len(other), -1)
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def test_the_backbone_is_built_for_the_rk3576_and_all_int8(split: Artefact, folder: Path) -> None:
    header = read_header((folder / "backbone.rknn").read_bytes())
    check_target(header, target="rk3576")
    assert [name for name, _, _ in header.outputs] == split.outputs == ["feature"]
    assert split.details["tried"][0]["layers"]["dtypes"] == {"INT8": 39}
    assert split.details["tried"][0]["layers"]["cycles"] > 100_000
    assert split.input["dtype"] == "uint8"
    assert split.details["needs"] == NEEDS
    assert Artefact.load(folder / "backbone.rknn.json") == split
    assert (folder / "backbone.layers.csv").exists()


def test_the_simulator_agrees_with_the_float_backbone(
    source, split: Artefact, face_crops, folder: Path
) -> None:
    inputs = source.preprocessing.apply(face_crops(40)[32:])
    found = rknn.run(split, folder, inputs)
    with torch.inference_mode():
        wanted = source.net.backbone(torch.from_numpy(inputs)).numpy()
    assert found.shape == wanted.shape == (8, 100, 7, 7)
    assert found.dtype == np.float32
    assert cosines(found, wanted).min() > MIN_COSINE
    assert np.array_equal(rknn.run(split, folder, inputs[:2]), found[:2])


def test_the_file_takes_the_source_s_colour_order(
    source, split: Artefact, face_crops, folder: Path
) -> None:
    crops = face_crops(34)[32:]
    inputs = source.preprocessing.apply(crops)
    with torch.inference_mode():
        wanted = source.net.backbone(torch.from_numpy(inputs)).numpy()
    right = rknn.run(split, folder, inputs)
    swapped = rknn.run(split, folder, source.preprocessing.apply(crops[..., ::-1]))
    assert (cosines(right, wanted) > cosines(swapped, wanted) + 0.005).all()


def test_float16_is_the_reference(source, face_crops, folder: Path, environment: Path) -> None:
    made = rknn.convert(
        source,
        variant="whole",
        calibration=face_crops(8),
        folder=folder,
        precision="float16",
    )
    assert made.file == "embedder_float16.rknn"
    assert made.details["tried"][0]["cosine_min"] > 0.9999


def test_ranges_of_a_qdq_model_are_carried_over(
    source, face_crops, folder: Path, environment: Path
) -> None:
    made = rknn.convert(
        source, variant="split", calibration=face_crops(32), folder=folder, precision="qdq"
    )
    assert (made.file, made.precision) == ("backbone_qdq.rknn", "int8")
    assert made.details["tried"][0]["layers"]["dtypes"] == {"INT8": 39}
    found = rknn.run(made, folder, source.preprocessing.apply(face_crops(33)[32:]))
    scale, zero = output_grid(folder / "backbone_qdq.build" / "model.onnx")
    steps = found / scale + zero
    assert np.abs(steps - np.rint(steps)).max() < 1e-3
    assert made.details["tried"][0]["cosine_min"] > MIN_COSINE


def output_grid(path: Path) -> tuple[float, int]:
    """Scale and zero point of the output's quantiser."""
    graph = onnx.load(str(path)).graph
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    last = next(n for n in graph.node if n.output[0] == graph.output[0].name)
    return float(arrays[last.input[1]]), int(arrays[last.input[2]])


def test_attention_with_quantisers_kills_the_compiler_and_we_say_so(
    source, face_crops, folder: Path, environment: Path
) -> None:
    with pytest.raises(ExportError, match=r"died by SIG(SEGV|FPE) at build"):
        rknn.convert(
            source, variant="whole", calibration=face_crops(8), folder=folder, precision="qdq"
        )


def test_the_operators_of_a_gelu_taken_apart_land_on_the_cpu_and_are_refused(
    tmp_path: Path, environment: Path
) -> None:
    write_bare_erf(tmp_path / "model.onnx")
    job = {
        "onnx": "model.onnx",
        "rknn": "built.rknn",
        "platform": "rk3576",
        "mean": [0.0] * 3,
        "std": [1.0] * 3,
        "precision": "float16",
        "algorithm": "normal",
        "calibration": None,
        "proposal_images": 1,
        "inputs": None,
        "outputs": None,
    }
    run_job(job, folder=tmp_path, name="convert", environment=environment)
    layers = read_layers((tmp_path / "convert.log").read_text(errors="replace"))
    with pytest.raises(ExportError, match="would run on the board's CPU.*Erf"):
        refuse_cpu(layers)


def write_bare_erf(path: Path) -> None:
    """Conv and then an Erf that belongs to no GELU."""
    weight = np.random.default_rng(0).standard_normal((8, 3, 1, 1)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "weight"], ["conv"]),
            helper.make_node("Erf", ["conv"], ["erf"]),
        ],
        "bare_erf",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("erf", TensorProto.FLOAT, [1, 8, 16, 16])],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
