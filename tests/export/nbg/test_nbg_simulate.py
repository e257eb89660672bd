"""The prediction of the T527's int8, and what of a user's .nb file is accepted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export import nbg
from export.artefact import Artefact
from export.errors import ExportError
from tests.export.nbg.test_nbg_header import nb_file

META = {
    "Inputs": {"image_7": {"shape": [1, 1, 112, 336], "format": "nhwc", "dtype": "uint8"}},
    "Outputs": {
        "attach_feature/out0_0": {
            "shape": [1, 100, 7, 7],
            "format": "nchw",
            "quantizer": "asymmetric_affine",
        }
    },
}


def test_the_simulation_is_near_float_and_says_that_it_is_one(made, source, crops) -> None:
    artefact, folder = made
    inputs = source.preprocessing.apply(crops[32:])
    found = nbg.run(artefact, folder, inputs).reshape(8, -1)
    with torch.inference_mode():
        wanted = source.net.backbone(torch.from_numpy(inputs)).numpy().reshape(8, -1)
    cosines = (
        (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    )
    assert 0.97 < cosines.min() < 1 - 1e-5
    assert artefact.details["simulated"] is True
    assert Artefact.load(folder / f"{artefact.file}.json") == artefact


def test_weights_are_rounded_per_output_channel_and_symmetric(made) -> None:
    artefact, folder = made
    graph = onnx.load(str(folder / artefact.details["simulation"])).graph
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    dequantised = {n.output[0]: n for n in graph.node if n.op_type == "DequantizeLinear"}
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    assert len(convolutions) == 39
    for node in convolutions:
        weight, scale, zero = (arrays[name] for name in dequantised[node.input[1]].input)
        assert weight.dtype == np.int8
        assert scale.shape == (weight.shape[0],)
        assert not zero.any()


def test_too_few_faces_are_refused(source, crops, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="15 calibration crops, expected 16 or more"):
        nbg.convert(source, variant="split", calibration=crops[:15], folder=tmp_path)


def result(folder: Path, *, data: bytes | None = None, meta: object = META) -> Path:
    """What ACUITY would leave in the kit: backbone.nb and nbg_meta.json."""
    file = folder / "backbone.nb"
    file.write_bytes(nb_file() if data is None else data)
    (folder / "nbg_meta.json").write_text(json.dumps(meta))
    return file


def test_a_file_of_the_kit_is_accepted(source, tmp_path: Path) -> None:
    artefact = nbg.accept(result(tmp_path), source, variant="split")
    assert (artefact.file, artefact.format, artefact.boards) == ("backbone.nb", "nbg", ["t527"])
    assert (artefact.variant, artefact.outputs) == ("split", ["feature"])
    assert artefact.details["chip"] == "0x10000016"
    assert artefact.input["dtype"] == "uint8"
    assert artefact.output_layout == "NCHW"


def changed(end: str, **fields: object) -> dict:
    return {**META, end: {"tensor": {**next(iter(META[end].values())), **fields}}}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"data": nb_file(chip=0x1000003B)}, "compiled for a733"),
        ({"data": nb_file(counts=(39, 41, 1, 2))}, "they are of two networks"),
        ({"meta": changed("Outputs", shape=[1, 512])}, "another network, or another variant"),
        ({"meta": changed("Inputs", shape=[1, 3, 160, 160])}, "input of .* expected one of 37632"),
        ({"meta": changed("Inputs", dtype="float16")}, "takes float16, expected uint8 pixels"),
        ({"meta": {}}, "not what ACUITY writes"),
        ({"meta": []}, "not what ACUITY writes"),
    ],
)
def test_what_does_not_fit_is_refused(source, tmp_path: Path, given: dict, text: str) -> None:
    with pytest.raises(ExportError, match=text):
        nbg.accept(result(tmp_path, **given), source, variant="split")


def test_a_file_without_its_description_is_refused(source, tmp_path: Path) -> None:
    file = result(tmp_path)
    file.with_name("nbg_meta.json").unlink()
    with pytest.raises(ExportError, match="keep both together"):
        nbg.accept(file, source, variant="split")


def test_a_whole_network_is_held_to_its_embedding(source, tmp_path: Path) -> None:
    file = result(tmp_path, meta=changed("Outputs", shape=[1, 512]))
    assert nbg.accept(file, replace(source, net=None), variant="whole").outputs == ["embedding"]
