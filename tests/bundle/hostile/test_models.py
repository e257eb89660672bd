"""Sound bundles whose networks, names or vectors do not fit each other: refused when loaded."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from edgeface.bundle import write_bundle
from edgeface.cli import main
from edgeface.errors import (
    BundleError,
    BundleFormatError,
    BundleIncompatibleError,
    BundleIntegrityError,
    InferenceError,
)
from edgeface.pipeline import Pipeline
from tests import networks
from tests.bundles import npz

onnx = pytest.importorskip("onnx", reason="pip install onnx")


def reads_a_file(location: str) -> bytes:
    """A network whose weights lie in another file, which the bundle's maker names."""
    helper, proto = onnx.helper, onnx.TensorProto
    weight = proto(name="w", data_type=proto.FLOAT, dims=[4], data_location=proto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "reader",
        [helper.make_tensor_value_info("x", proto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", proto.FLOAT, [4])],
        [weight],
    )
    return helper.make_model(graph, ir_version=8).SerializeToString()


@pytest.fixture
def default(pipeline, tmp_path):
    """Write the default bundle with other members, another manifest, other vectors."""

    def write(*, members=None, vectors=None, change=lambda stages: None):
        manifest = copy.deepcopy(pipeline.bundle.manifest)
        change(manifest["stages"])
        files = {name: pipeline.bundle.read(name) for name in manifest["members"]}
        if vectors:
            held = pipeline.bundle.selftest_vectors()
            files["selftest.npz"] = npz({**held, **vectors(held)})
        path = tmp_path / "other.efb"
        write_bundle(path, manifest, {**files, **(members or {})})
        return path

    return write


def unusable(path, error, text, capfd, *, variant="whole"):
    """`Pipeline.open` raises exactly this, and the command says it in one line of its own."""
    with pytest.raises(error, match=text) as caught:
        Pipeline.open(path, variant=variant)
    assert type(caught.value) is error
    capfd.readouterr()
    assert main(["selftest", "--bundle", str(path), "--variant", variant]) == 1
    out, err = capfd.readouterr()
    ours = [line for line in err.splitlines() if line.startswith("edgeface: ")]
    assert out == "" and len(ours) == 1 and "Traceback" not in err


@pytest.mark.parametrize("model", [b"\0", b"not a network", bytes(5000), b"\x08\x08" * 999])
def test_bytes_that_are_no_network_are_refused(default, capfd, model):
    path = default(members={"embedder.onnx": model})
    unusable(path, InferenceError, "refused the model", capfd)


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/passwd", "/dev/zero"])
def test_network_that_reads_files_beside_the_bundle_is_refused(
    default, capfd, tmp_path, monkeypatch, location
):
    (tmp_path / "here").mkdir()
    for folder in (tmp_path, tmp_path / "here"):
        (folder / "weights.bin").write_bytes(bytes(16))
    monkeypatch.chdir(tmp_path / "here")
    path = default(members={"embedder.onnx": reads_a_file(location)})
    unusable(path, InferenceError, "refused the model", capfd)


def test_network_of_another_shape_is_refused(default, capfd):
    path = default(members={"embedder.onnx": networks.channel_means()})
    unusable(path, BundleFormatError, "self-test embeddings have shape", capfd)


@pytest.mark.parametrize("stage", ["detector", "embedder"])
def test_input_that_the_network_does_not_have_is_refused(default, capfd, stage):
    path = default(change=lambda stages: stages[stage]["input"].update(name="elsewhere"))
    unusable(path, BundleFormatError, "is not what the manifest says: .*elsewhere", capfd)


@pytest.mark.parametrize(
    ("variant", "error"), [("whole", BundleFormatError), ("split", InferenceError)]
)
def test_output_that_the_network_does_not_have_is_refused(default, capfd, variant, error):
    def rename(stages):
        named = stages["embedder"] if variant == "whole" else stages["embedder"]["split"]
        named["outputs"] = ["elsewhere"]

    text = "outputs .*, the manifest names .*elsewhere"
    unusable(default(change=rename), error, text, capfd, variant=variant)


def test_stride_without_outputs_is_refused_when_the_bundle_is_written(default):
    with pytest.raises(BundleFormatError, match="found no 'box_64', expected score, box and land"):
        default(change=lambda stages: stages["detector"]["strides"].append(64))


@pytest.mark.parametrize("side", ["height", "width"])
def test_crop_of_another_size_is_refused(default, capfd, side):
    path = default(change=lambda stages: stages["embedder"]["input"].update({side: 160}))
    unusable(path, BundleIncompatibleError, "takes crops of .*160.* cuts 112x112", capfd)


VECTORS = {
    "embedder_input": ["first", "flat", "int8", "float64", "none", "nan", "huge"],
    "embedder_output": ["first", "flat", "scalar", "none", "nan", "huge"],
    "detector_input": ["flat", "int8", "none", "nan"],
    "detector_score_8": ["first", "flat", "scalar", "none", "nan", "huge"],
}
SPOILT = {
    "first": lambda array: array[0],
    "flat": lambda array: array.reshape(-1),
    "int8": lambda array: array.astype(np.int8),
    "float64": lambda array: array.astype(np.float64),
    "scalar": lambda array: np.float32(0),
    "none": lambda array: array[:0],
    "nan": lambda array: array * np.float32(np.nan),
    "huge": lambda array: np.full_like(array, 1e38),
}


@pytest.mark.filterwarnings("error")  # a warning would be a second line on the command's stderr
@pytest.mark.parametrize(
    ("name", "how"), [(name, how) for name, hows in VECTORS.items() for how in hows]
)
def test_spoilt_vectors_are_refused_and_never_a_crash(default, name, how):
    path = default(vectors=lambda held: {name: SPOILT[how](held[name])})
    with pytest.raises((BundleError, InferenceError)) as caught:
        Pipeline.open(path, variant="whole")
    expected = (BundleFormatError, BundleIntegrityError, InferenceError)
    assert type(caught.value) in expected
