"""Real conversions by litert-torch: ``make litert-test``."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from edgeface.align import align
from export import importers, tflite
from export.checkpoint import load_checkpoint
from export.errors import ExportError
from export.faces import calibration_faces, held_out_faces
from export.litert import convert, run
from export.litert.environment import python
from export.preprocessing import Preprocessing
from export.source import INPUT, OUTPUT, Source
from tests.importers.embedders import SIDE, Cnn, export
from tests.litert.test_onnx_torch import CHECKPOINT, dsanet

pytestmark = pytest.mark.litert


@pytest.fixture(scope="module", autouse=True)
def environment():
    try:
        python()
    except ExportError as error:
        pytest.skip(str(error))


def embedded(source: Source, crops: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(source.onnx), providers=["CPUExecutionProvider"])
    return session.run([OUTPUT], {INPUT: source.preprocessing.apply(crops)})[0]


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


@pytest.fixture(scope="module")
def crops(pipeline, astronaut_bgr, grace_hopper_bgr):
    """Two people in 16 views each, (32, 112, 112, 3) RGB."""
    photos = (astronaut_bgr, grace_hopper_bgr)
    faces = [align(p, pipeline.largest_face(p).landmarks)[:, :, ::-1] for p in photos]
    rng = np.random.default_rng(0)
    views = [np.roll(face, rng.integers(-6, 7, 2), (0, 1)) for face in faces for _ in range(16)]
    return np.stack([(v * rng.uniform(0.5, 1)).astype(np.uint8) for v in views])


def test_own_cnn_in_float_and_int8(tmp_path, crops):
    file = export(Cnn(), tmp_path / "net.onnx")
    fed = Preprocessing(size=SIDE)
    source = importers.load("onnx", file, preprocessing=fed, folder=tmp_path / "float")
    wanted = embedded(source, crops)
    for precision, least in (("float32", 0.99999), ("int8", 0.98)):
        artefact = convert(
            source, variant="whole", calibration=crops, folder=tmp_path, precision=precision
        )
        assert artefact.details["needs_newer_than_tflite_2_14"] == []
        found = run(artefact, tmp_path, fed.apply(crops))
        assert cosines(found, wanted).min() > least
        assert {key.split()[-1] for key in artefact.details["operators"]} == {
            {"float32": "FLOAT32", "int8": "INT8"}[precision]
        }


def test_mobilefacenet_is_int8_throughout_and_near(data_folder, tmp_path):
    file = data_folder / "teachers" / "mobilefacenet.onnx"
    source = importers.load("mobilefacenet", file, folder=tmp_path / "float")
    calibration = calibration_faces(data_folder, 128)
    artefact = tflite.convert(source, variant="whole", calibration=calibration, folder=tmp_path)
    faces = held_out_faces(data_folder, 100)
    found = tflite.run(artefact, tmp_path, source.preprocessing.apply(faces))
    cosine = cosines(found, embedded(source, faces))
    assert cosine.mean() > 0.98
    assert cosine.min() > 0.96
    assert {key.split()[-1] for key in artefact.details["operators"]} == {"INT8"}
    assert artefact.details["bytes"] < 0.35 * source.onnx.stat().st_size


def test_edgeface_keeps_in_float_what_int8_breaks(data_folder, tmp_path):
    file = data_folder / "teachers" / "edgeface_xs.safetensors"
    source = importers.load("edgeface", file, folder=tmp_path / "float")
    calibration = calibration_faces(data_folder, 128)
    artefact = convert(source, variant="whole", calibration=calibration, folder=tmp_path)
    operators = artefact.details["operators"]
    assert operators["FULLY_CONNECTED v5 FLOAT32"] == operators["GELU v1 FLOAT32"] == 18
    assert operators["FULLY_CONNECTED v5 INT8"] == 23
    assert artefact.details["needs_newer_than_tflite_2_14"] == []
    faces = held_out_faces(data_folder, 100)
    found = run(artefact, tmp_path, source.preprocessing.apply(faces))
    cosine = cosines(found, embedded(source, faces))
    assert cosine.mean() > 0.98
    assert cosine.min() > 0.93


def test_our_writer_and_googles_converter_agree(data_folder, tmp_path):
    """DSA-Net by `export.tflite` and by litert-torch: the same float network, INT8 as near."""
    whole = dsanet(tmp_path)
    ours = Source(whole.name, whole.onnx, whole.preprocessing, 512, load_checkpoint(CHECKPOINT))
    calibration, faces = calibration_faces(data_folder, 128), held_out_faces(data_folder, 100)
    inputs, wanted = whole.preprocessing.apply(faces), embedded(whole, faces)
    near = {}
    for precision in ("float32", "int8"):
        options = {"variant": "whole", "calibration": calibration, "precision": precision}
        direct = tflite.convert(ours, folder=tmp_path / "direct", **options)
        theirs = convert(whole, folder=tmp_path / "litert", keep_float=(), **options)
        a = tflite.run(direct, tmp_path / "direct", inputs)
        b = tflite.run(theirs, tmp_path / "litert", inputs)
        near[precision] = cosines(a, b), cosines(a, wanted), cosines(b, wanted)
    assert near["float32"][0].min() > 0.99999
    between, own, converters = near["int8"]
    assert between.min() > 0.9
    assert own.mean() > converters.mean() - 0.003
