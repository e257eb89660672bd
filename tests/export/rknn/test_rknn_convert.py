"""What convert and run refuse before the toolkit is even started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from export import rknn
from export.artefact import Artefact
from export.errors import ExportError
from export.preprocessing import Preprocessing
from export.rknn.convert import pixels
from export.static_graph import write_static

CROPS = np.random.default_rng(0).integers(0, 256, (8, 112, 112, 3), np.uint8)


@pytest.mark.parametrize(
    "preprocessing",
    [Preprocessing(), Preprocessing("BGR", mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4))],
    ids=["RGB", "BGR"],
)
def test_the_simulator_gets_the_very_pixels(preprocessing: Preprocessing) -> None:
    inputs = preprocessing.apply(CROPS)
    found = pixels(inputs, mean=preprocessing.mean, std=preprocessing.std)
    wanted = CROPS if preprocessing.colour == "RGB" else CROPS[..., ::-1]
    assert found.dtype == np.uint8
    assert np.array_equal(found, wanted)


def test_inputs_normalised_twice_are_refused() -> None:
    twice = (Preprocessing().apply(CROPS) - 0.5) / 0.5
    with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
        pixels(twice, mean=(127.5,) * 3, std=(127.5,) * 3)


def test_inputs_of_another_mean_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Preprocessing\.apply"):
        pixels(Preprocessing().apply(CROPS), mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4))


def test_an_opset_that_the_toolkit_does_not_know_is_refused_with_the_fix(source, tmp_path) -> None:
    model = onnx.load(str(source.onnx))
    model.opset_import[0].version = 20
    onnx.save(model, str(tmp_path / "new.onnx"))
    newer = replace(source, onnx=tmp_path / "new.onnx")
    with pytest.raises(ExportError, match=r"opset 20, expected 19 at most.*opset_version=17"):
        write_static(newer, tmp_path / "static.onnx", variant="whole")


@pytest.mark.parametrize("variant", ["whole", "split"])
def test_the_graph_for_the_compiler_has_batch_1(source, tmp_path, variant: str) -> None:
    write_static(source, tmp_path / "static.onnx", variant=variant)
    graph = onnx.load(str(tmp_path / "static.onnx")).graph
    ends = [*graph.input, *graph.output]
    assert [value.type.tensor_type.shape.dim[0].dim_value for value in ends] == [1, 1]
    assert graph.output[0].name == {"whole": "embedding", "split": "feature"}[variant]


def test_a_source_that_cannot_be_split_says_so(source, tmp_path) -> None:
    with pytest.raises(ValueError, match="variant 'split', expected one of whole"):
        write_static(replace(source, net=None), tmp_path / "x.onnx", variant="split")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": "int4"}, "precision 'int4'"),
        ({"algorithm": "entropy"}, "algorithm 'entropy'"),
        ({"calibration": CROPS[:7]}, "7 calibration crops, expected 8 or more"),
        ({"calibration": CROPS.astype(np.float32)}, "expected uint8"),
    ],
)
def test_options_that_do_not_exist_are_refused(source, tmp_path, options: dict, text: str) -> None:
    arguments = {"variant": "split", "calibration": CROPS, "folder": tmp_path, **options}
    with pytest.raises(ValueError, match=text):
        rknn.convert(source, **arguments)


def test_without_the_toolkit_the_error_says_how_to_get_it(source, tmp_path) -> None:
    with pytest.raises(ExportError, match="make rknn-env"):
        rknn.convert(
            source,
            variant="split",
            calibration=CROPS,
            folder=tmp_path,
            environment=tmp_path / "none",
        )


def artefact_of(folder: Path) -> Artefact:
    """An artefact whose build folder holds one file."""
    (folder / "backbone.build").mkdir()
    (folder / "backbone.build" / "model.onnx").write_bytes(b"weights")
    digest = "8ec59aec0e7ce33d0b3a0f1d1e5b7a3ac2a9a5c4f4e8b6a9b1d0c7b9e2d3f4a5"
    job = {"mean": [127.5] * 3, "std": [127.5] * 3}
    details = {"build": "backbone.build", "files": {"model.onnx": digest}, "job": job}
    return Artefact(
        target="rk3576",
        variant="split",
        precision="int8",
        file="backbone.rknn",
        format="rknn",
        input={},
        outputs=["feature"],
        details=details,
    )


def test_a_build_folder_that_changed_is_not_simulated(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"is not the file that backbone\.rknn was built from"):
        rknn.run(artefact_of(tmp_path), tmp_path, Preprocessing().apply(CROPS))


def test_a_build_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    artefact = artefact_of(tmp_path)
    (tmp_path / "backbone.build" / "model.onnx").unlink()
    with pytest.raises(ExportError, match="is missing.*convert again"):
        rknn.run(artefact, tmp_path, Preprocessing().apply(CROPS))
