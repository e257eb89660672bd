"""Any ONNX embedder in: the same numbers out, in the one form that converters start from."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from export import importers, selftest_inputs
from export.errors import ExportError
from export.preprocessing import Preprocessing
from export.quantise import quantise
from export.source import INPUT, OUTPUT, Source
from tests.importers.embedders import DIM, SIDE, Cnn, edited, export

FED = Preprocessing(size=SIDE)


def pictures(count: int = 5) -> np.ndarray:
    return np.stack([selftest_inputs.picture(112, 112, seed=seed) for seed in range(count)])


def run(source: Source, crops: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(source.onnx), providers=["CPUExecutionProvider"])
    return session.run([OUTPUT], {INPUT: source.preprocessing.apply(crops)})[0]


def wanted(net: Cnn, crops: np.ndarray, *, fed: Preprocessing = FED) -> np.ndarray:
    inputs = torch.from_numpy(fed.apply(crops))
    with torch.inference_mode():
        return net(inputs.permute(0, 2, 3, 1) if net.nhwc else inputs).numpy()


def assert_contract(source: Source) -> None:
    model = onnx.load(str(source.onnx))
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version <= 10
    assert [(e.domain, e.version in (17, 18)) for e in model.opset_import] == [("", True)]
    assert [value.name for value in model.graph.input] == [INPUT]
    assert [value.name for value in model.graph.output] == [OUTPUT]
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert dims[0].dim_param and [d.dim_value for d in dims[1:]] == [3, SIDE, SIDE]
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("free", [True, False], ids=["free batch", "fixed batch"])
@pytest.mark.parametrize("nhwc", [False, True], ids=["NCHW", "NHWC"])
def test_source_computes_what_the_file_does(tmp_path, free, nhwc):
    net = Cnn(nhwc=nhwc)
    shape = (1, SIDE, SIDE, 3) if nhwc else (1, 3, SIDE, SIDE)
    file = export(net, tmp_path / "net.onnx", shape=shape, free=free)
    source = importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")
    assert_contract(source)
    assert (source.name, source.dim) == ("net", DIM)
    assert source.licence == {"weights": "NOASSERTION", "source": "net.onnx"}
    np.testing.assert_allclose(run(source, pictures()), wanted(net, pictures()), atol=1e-4)


def test_source_is_written_beside_the_network(tmp_path):
    file = export(Cnn(), tmp_path / "net.onnx")
    source = importers.load(
        "onnx", file, preprocessing=FED, folder=tmp_path / "float", name="mine", licence="MIT"
    )
    assert Source.load(tmp_path / "float") == source
    assert source.licence["weights"] == "MIT"


def test_colour_order_and_scale_are_the_ones_given(tmp_path):
    fed = Preprocessing("BGR", (10.0, 20.0, 30.0), (50.0, 60.0, 70.0), SIDE)
    net = Cnn()
    file = export(net, tmp_path / "net.onnx")
    source = importers.load("onnx", file, preprocessing=fed, folder=tmp_path / "float")
    resized = Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3, size=SIDE).apply(pictures())
    by_hand = (resized[:, ::-1] - np.float32(fed.mean)[:, None, None]) / np.float32(fed.std)[
        :, None, None
    ]
    with torch.inference_mode():
        expected = net(torch.from_numpy(by_hand)).numpy()
    np.testing.assert_allclose(run(source, pictures()), expected, atol=1e-4)


NORMS = {
    "F.normalize": torch.nn.functional.normalize,
    "x / norm(x)": lambda x: x / x.norm(dim=1, keepdim=True),
    "x * rsqrt(sum x²)": lambda x: x * (x * x).sum(1, keepdim=True).add(1e-10).rsqrt(),
    "x / sqrt(sum x²)": lambda x: x / (x.pow(2).sum(1, keepdim=True) + 1e-12).sqrt(),
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("free", [True, False], ids=["free batch", "fixed batch"])
def test_l2_norm_at_the_end_is_taken_off_and_said(tmp_path, norm, free):
    file = export(Cnn(end=NORMS[norm]), tmp_path / "net.onnx", free=free)
    source = importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")
    assert any("L2 norm" in note for note in source.notes)
    assert_contract(source)
    np.testing.assert_allclose(run(source, pictures()), wanted(Cnn(), pictures()), atol=1e-4)


def test_lp_normalization_is_taken_off(tmp_path):
    def add_norm(model):
        node = helper.make_node("LpNormalization", ["out"], ["unit"], axis=1, p=2)
        model.graph.node.append(node)
        model.graph.output[0].name = "unit"

    file = edited(export(Cnn(), tmp_path / "net.onnx"), add_norm)
    source = importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")
    np.testing.assert_allclose(run(source, pictures()), wanted(Cnn(), pictures()), atol=1e-4)


def test_division_by_something_else_stays(tmp_path):
    def halved(x):
        return x / (x.abs().sum(1, keepdim=True) + 1)  # L1, and not to length 1

    file = export(Cnn(end=halved), tmp_path / "net.onnx")
    source = importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")
    assert source.notes == ()
    np.testing.assert_allclose(
        run(source, pictures()), wanted(Cnn(end=halved), pictures()), atol=1e-5
    )


def test_norm_of_unknown_form_is_left_and_said(tmp_path):
    def normalised(x):
        return x * torch.exp(-0.5 * torch.log((x * x).sum(1, keepdim=True)))

    file = export(Cnn(end=normalised), tmp_path / "net.onnx")
    source = importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")
    assert any("left inside" in note for note in source.notes)


@pytest.mark.parametrize("opset", [13, 20])
def test_other_opsets_are_converted_and_said(tmp_path, opset):
    net = Cnn()
    file = export(net, tmp_path / "net.onnx", opset=opset)
    source = importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")
    assert_contract(source)
    assert f"opset {opset} converted to {17 if opset < 17 else 18}" in source.notes
    np.testing.assert_allclose(run(source, pictures()), wanted(net, pictures()), atol=1e-4)


def test_one_of_several_outputs_can_be_chosen(tmp_path):
    class Two(Cnn):
        def forward(self, x):
            made = super().forward(x)
            return made.softmax(1), made

    file = export(Two(), tmp_path / "net.onnx", outputs=("classes", "features"))
    with pytest.raises(ExportError, match="outputs classes, features.*--output"):
        importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")
    with pytest.raises(ExportError, match="no output embedding; it has classes, features"):
        importers.load(
            "onnx", file, preprocessing=FED, folder=tmp_path / "float", output="embedding"
        )
    source = importers.load(
        "onnx", file, preprocessing=FED, folder=tmp_path / "float", output="features"
    )
    np.testing.assert_allclose(run(source, pictures()), wanted(Cnn(), pictures()), atol=1e-4)


def with_other_input(model):
    model.graph.input.append(helper.make_tensor_value_info("age", onnx.TensorProto.FLOAT, [1]))


def with_nan(model):
    # A bias, so that no path of the graph may hide it.
    next(t for t in model.graph.initializer if t.dims == [DIM]).raw_data = np.full(
        DIM, np.nan, np.float32
    ).tobytes()


def with_zero_weights(model):
    for tensor in model.graph.initializer:
        if list(tensor.dims) == [8, 3, 3, 3]:
            tensor.raw_data = np.zeros(tensor.dims, np.float32).tobytes()


def with_foreign_operator(model):
    model.graph.node[0].domain = "com.example"


def with_three_everywhere(model):
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for dim in dims[1:]:
        dim.dim_value = 3


def with_unknown_shape(model):
    for dim in model.graph.input[0].type.tensor_type.shape.dim:
        dim.dim_param = "?"


BROKEN = {
    "inputs data, age, expected one image": with_other_input,
    "has NaN: the file is damaged": with_nan,
    "does not look at its input": with_zero_weights,
    "outside the ONNX standard: com.example": with_foreign_operator,
    r"\[1, 3, 3, 3\], expected .* exactly one 3": with_three_everywhere,
    "'any'.*exactly one 3": with_unknown_shape,
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_sound_embedder_is_refused(tmp_path, text):
    file = export(Cnn(), tmp_path / "net.onnx", free=False)
    with pytest.raises(ExportError, match=text):
        importers.load(
            "onnx", edited(file, BROKEN[text]), preprocessing=FED, folder=tmp_path / "float"
        )
    assert not (tmp_path / "float" / "source.json").exists()


def test_without_preprocessing_it_is_refused_with_both_ways_to_say_it(tmp_path):
    file = export(Cnn(), tmp_path / "net.onnx")
    with pytest.raises(ExportError, match="never guessed.*--preprocessing NAME.*--colour.*--mean"):
        importers.load("onnx", file, folder=tmp_path / "float")


def test_preprocessing_of_another_size_is_refused(tmp_path):
    file = export(Cnn(), tmp_path / "net.onnx")
    other = dataclasses.replace(FED, size=112)
    with pytest.raises(ExportError, match=f"{SIDE}, {SIDE}.*gives 112x112"):
        importers.load("onnx", file, preprocessing=other, folder=tmp_path / "float")


def test_a_feature_map_is_no_embedding(tmp_path):
    file = export(Cnn().body, tmp_path / "net.onnx")
    with pytest.raises(ExportError, match=r"give \(3, 16, 12, 12\), expected \(3, dim\)"):
        importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")


@pytest.mark.parametrize("content", [b"", b"\x08\x07", b"not onnx at all", bytes(4096)])
def test_other_files_are_refused(tmp_path, content):
    file = tmp_path / "net.onnx"
    file.write_bytes(content)
    with pytest.raises(ExportError, match="not an ONNX file"):
        importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")


def test_truncated_file_is_refused(tmp_path):
    file = export(Cnn(), tmp_path / "net.onnx")
    file.write_bytes(file.read_bytes()[:-700])
    with pytest.raises(ExportError, match="net.onnx"):
        importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")


def test_quantised_network_is_refused(tmp_path):
    file = export(Cnn(), tmp_path / "net.onnx")
    source = importers.load("onnx", file, preprocessing=FED, folder=tmp_path / "float")
    int8 = tmp_path / "int8.onnx"
    quantise(source.onnx, target=int8, batches=[FED.apply(pictures())])
    with pytest.raises(ExportError, match="quantised already"):
        importers.load("onnx", int8, preprocessing=FED, folder=tmp_path / "again")


def test_missing_file_and_unknown_kind(tmp_path):
    with pytest.raises(ExportError, match="no such file"):
        importers.load("onnx", tmp_path / "none.onnx", folder=tmp_path)
    with pytest.raises(ValueError, match="expected one of edgeface, facenet, mobilefacenet, onnx"):
        importers.load("insightface", tmp_path / "none.onnx", folder=tmp_path)
