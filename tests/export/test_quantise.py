"""INT8 ONNX: presets do what they say, on the checkpoint that ships and on foreign graphs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from export import onnx_target
from export.artefact import Artefact
from export.checkpoint import load_checkpoint
from export.preprocessing import Preprocessing
from export.presets import PRESETS, Preset, preset_named
from export.quantise import NEWEST_IR, quantise
from export.source import Source
from export.to_onnx import export_float

CHECKPOINT = Path(__file__).parents[2] / "export" / "checkpoints" / "dsanet_s.pt"
LARGEST_SHARE = 0.30  # of the float file, which the issue allows


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Source:
    path, net = tmp_path_factory.mktemp("float") / "whole.onnx", load_checkpoint(CHECKPOINT)
    export_float(net, path)
    return Source(name="dsanet_s", onnx=path, preprocessing=Preprocessing(), dim=512, net=net)


@pytest.fixture(scope="module")
def made(source, portrait_views, tmp_path_factory):
    """The artefacts of presets mixed and integer, whole and split, by (preset, variant)."""
    folder = tmp_path_factory.mktemp("onnx")
    artefacts = {
        (preset, variant): onnx_target.convert(
            source, variant=variant, calibration=portrait_views, folder=folder, preset=preset
        )
        for preset in ("mixed", "integer")
        for variant in source.variants
    }
    return folder, artefacts


def graph(made, preset: str, variant: str) -> onnx.ModelProto:
    folder, artefacts = made
    return onnx.load(str(folder / artefacts[preset, variant].file))


def largest_weight(model: onnx.ModelProto) -> int:
    """Largest magnitude among the int8 weights, zero points left out."""
    weights = [numpy_helper.to_array(i) for i in model.graph.initializer if len(i.dims) > 1]
    return max(int(np.abs(w.astype(np.int32)).max()) for w in weights if w.dtype == np.int8)


def float_convolutions(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions whose weight is a float initialiser."""
    floats = {i.name for i in model.graph.initializer if i.data_type == TensorProto.FLOAT}
    return [n.name for n in model.graph.node if n.op_type == "Conv" and n.input[1] in floats]


@pytest.mark.parametrize(("preset", "largest"), [("mixed", 64), ("integer", 127)])
def test_weights_have_the_presets_bits(made, preset, largest):
    assert largest_weight(graph(made, preset, "whole")) == largest


def test_only_the_mixed_preset_keeps_the_first_segment_in_float(made):
    first = [n for n in float_convolutions(graph(made, "mixed", "whole"))]
    assert first and all(name.startswith("/backbone/segments.0/") for name in first)
    assert not float_convolutions(graph(made, "integer", "whole"))


@pytest.mark.parametrize("variant", ["whole", "split"])
def test_no_sum_is_left_to_a_kernel_that_rounds_by_architecture(made, variant):
    model = graph(made, "integer", variant)
    quantised = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    sums = [n for n in model.graph.node if n.op_type in ("Add", "Sum")]
    fused = [n for n in sums if quantised.issuperset(n.input)]
    assert len(fused) >= 11 and {n.op_type for n in fused} == {"Sum"}


@pytest.mark.parametrize("preset", ["mixed", "integer"])
def test_normalisation_and_gelu_stay_in_float(made, preset):
    model = graph(made, preset, "whole")
    quantised = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    inside = [n for n in model.graph.node if n.op_type in ("Tanh", "Pow")]
    assert Counter(n.op_type for n in inside) == {"Tanh": 2, "Pow": 2} or len(inside) == 2
    assert not any(name in quantised for n in inside if n.op_type == "Tanh" for name in n.input)


def test_files_load_in_old_runtimes_and_carry_no_ballast(made):
    folder, artefacts = made
    for artefact in artefacts.values():
        model = onnx.load(str(folder / artefact.file))
        assert model.ir_version <= NEWEST_IR
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
        assert not model.graph.value_info and not model.doc_string


@pytest.mark.parametrize("preset", ["mixed", "integer"])
def test_the_int8_file_is_at_most_30_percent_of_the_float_one(made, source, preset):
    folder, artefacts = made
    whole = (folder / artefacts[preset, "whole"].file).stat().st_size
    assert whole <= LARGEST_SHARE * source.onnx.stat().st_size


@pytest.mark.parametrize("preset", ["mixed", "integer"])
@pytest.mark.parametrize("variant", ["whole", "split"])
def test_the_artefact_gives_nearly_the_float_embedding(
    made, source, portrait_views, preset, variant
):
    folder, artefacts = made
    inputs = source.preprocessing.apply(portrait_views)
    found = torch.from_numpy(onnx_target.run(artefacts[preset, variant], folder, inputs))
    with torch.inference_mode():
        wanted = source.net(torch.from_numpy(inputs))
        found = source.net.head(found) if variant == "split" else found
    cosine = torch.nn.functional.cosine_similarity(found, wanted)
    assert cosine.mean() > 0.97 and cosine.min() > 0.93


def test_the_split_backbone_is_cut_from_the_whole_file_bit_for_bit(made):
    whole, split = (graph(made, "mixed", variant) for variant in ("whole", "split"))
    mine = {i.name: i.raw_data for i in split.graph.initializer}
    theirs = {i.name: i.raw_data for i in whole.graph.initializer}
    assert len(mine) > 100 and all(theirs[name] == data for name, data in mine.items())


def test_the_description_beside_the_file_says_how_it_was_made(made):
    folder, artefacts = made
    artefact = Artefact.load(folder / f"{artefacts['integer', 'split'].file}.json")
    assert artefact == artefacts["integer", "split"]
    assert artefact.title == "onnx split int8" and artefact.outputs == ["feature"]
    assert artefact.details["quantisation"]["weight_bits"] == 8
    assert len(artefact.details["calibration"]["sha256"]) == 64


def test_float32_is_the_network_itself(source, portrait_views, tmp_path):
    inputs = source.preprocessing.apply(portrait_views[:2])
    for variant in source.variants:
        artefact = onnx_target.convert(
            source,
            variant=variant,
            calibration=portrait_views[:0],
            folder=tmp_path,
            precision="float32",
        )
        found = onnx_target.run(artefact, tmp_path, inputs)
        with torch.inference_mode():
            part = source.net if variant == "whole" else source.net.backbone
            wanted = part(torch.from_numpy(inputs)).numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variant": "hybrid"}, "expected one of whole, split"),
        ({"precision": "int4"}, "expected one of int8, float32"),
        ({"preset": "tpu"}, "expected one of integer, mixed"),
        ({"calibration": np.zeros((3, 112, 112, 3), np.uint8)}, "at least 16"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(source, portrait_views, tmp_path, change, message):
    asked = {"variant": "whole", "calibration": portrait_views, "folder": tmp_path, **change}
    with pytest.raises(ValueError, match=message):
        onnx_target.convert(source, **asked)


def test_a_preset_that_makes_no_sense_is_refused():
    for fields in ({"weight_bits": 4}, {"symmetric": True}, {"percentile": 0.5}):
        with pytest.raises(ValueError):
            Preset(**fields)
    assert preset_named("integer") is PRESETS["integer"]


def foreign(path: Path, *, opset: int = 18) -> Path:
    """A network with fixed batch 1, nameless nodes, BatchNorm, PRelu and a division."""
    rng = np.random.default_rng(0)
    arrays = {
        "w": rng.normal(size=(8, 3, 3, 3)) / 5,
        "v": rng.normal(size=(16, 8, 3, 3)) / 8,
        **{name: np.abs(rng.normal(size=8)) + 0.5 for name in ("gamma", "var")},
        **{name: rng.normal(size=8) for name in ("beta", "mean")},
        "slope": rng.uniform(0, 0.5, (8, 1, 1)),
        "half": np.float32(2.0).reshape(1),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], strides=[4, 4]),
        helper.make_node("BatchNormalization", ["a", "gamma", "beta", "mean", "var"], ["b"]),
        helper.make_node("PRelu", ["b", "slope"], ["c"]),
        helper.make_node("Conv", ["c", "v"], ["d"], strides=[4, 4]),
        helper.make_node("Div", ["d", "half"], ["e"]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["embedding"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 112, 112])
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 16])
    weights = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in arrays.items()]
    made = helper.make_graph(nodes, "foreign", [image], [output], weights)
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=8), str(path))
    return path


def test_a_foreign_network_of_fixed_batch_goes_through_the_same_function(portrait_views, tmp_path):
    source = Source(
        name="foreign", onnx=foreign(tmp_path / "f.onnx"), preprocessing=Preprocessing(), dim=16
    )
    inputs = source.preprocessing.apply(portrait_views[:4])
    wanted = onnx_target.run_session(onnx_target.session(source.onnx), inputs, size=1)
    artefact = onnx_target.convert(
        source, variant="whole", calibration=portrait_views, folder=tmp_path, preset="integer"
    )
    found = onnx_target.run(artefact, tmp_path, inputs)
    assert np.abs(found - wanted).max() < 0.03 * np.abs(wanted).max()
    kinds = Counter(n.op_type for n in onnx.load(str(tmp_path / artefact.file)).graph.node)
    assert kinds["BatchNormalization"] == 0 and kinds["PRelu"] == kinds["Div"] == 1


def test_an_opset_that_npus_refuse_is_refused(tmp_path):
    with pytest.raises(ValueError, match="opset 20, expected 13 to 19"):
        quantise(foreign(tmp_path / "f.onnx", opset=20), target=tmp_path / "q.onnx", batches=[])


def test_a_node_to_keep_that_is_not_there_is_an_error(source, tmp_path):
    with pytest.raises(ValueError, match="no node's name begins with '/stem/'"):
        quantise(source.onnx, target=tmp_path / "q.onnx", batches=[], keep_float=["/stem/"])
