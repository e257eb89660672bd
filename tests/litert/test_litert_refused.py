"""Without the environment, or with a converter that dies, the error says what to do."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from export import importers, tflite
from export.errors import ExportError
from export.litert import convert
from export.litert.environment import python
from export.litert.flatbuffer import beyond_2_14, operators
from export.preprocessing import Preprocessing
from tests.importers.embedders import SIDE, Cnn, export

CROPS = np.zeros((4, 112, 112, 3), np.uint8)


@pytest.fixture
def source(tmp_path):
    file = export(Cnn(), tmp_path / "net.onnx")
    return importers.load(
        "onnx", file, preprocessing=Preprocessing(size=SIDE), folder=tmp_path / "float"
    )


def stand_in(folder: Path, script: str) -> Path:
    """An environment whose interpreter is a shell script."""
    (folder / "bin").mkdir(parents=True)
    interpreter = folder / "bin" / "python"
    interpreter.write_text(f"#!/bin/sh\n{script}\n")
    interpreter.chmod(interpreter.stat().st_mode | stat.S_IXUSR)
    return folder


def test_no_environment_says_how_to_make_it(source, tmp_path):
    with pytest.raises(ExportError, match="make litert-env.*LITERT_VENV"):
        convert(
            source, variant="whole", calibration=CROPS, folder=tmp_path, environment=tmp_path / "no"
        )


def test_the_tflite_target_sends_networks_of_others_here(source, tmp_path, monkeypatch):
    monkeypatch.setenv("LITERT_VENV", str(tmp_path / "no"))
    with pytest.raises(ExportError, match="make litert-env"):
        tflite.convert(source, variant="whole", calibration=CROPS, folder=tmp_path)


def test_environment_is_found_by_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("LITERT_VENV", str(stand_in(tmp_path / "venv", "exit 0")))
    assert python() == tmp_path / "venv" / "bin" / "python"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo it went wrong >&2; exit 3", "exit code 3.*it went wrong"),
        ("kill -SEGV $$", "died by SIGSEGV"),
        ("exit 0", "exit code 0"),
    ],
)
def test_a_converter_that_fails_is_reported_with_its_log(source, tmp_path, script, text):
    environment = stand_in(tmp_path / "venv", script)
    with pytest.raises(ExportError, match=f"(?s){text}") as raised:
        convert(
            source, variant="whole", calibration=CROPS, folder=tmp_path, environment=environment
        )
    log = tmp_path / "net_whole_int8.litert.tflite.log"
    assert str(log) in str(raised.value)
    assert log.exists()
    assert [name for name in os.listdir(tmp_path) if name.startswith("litert_")] == []


def test_split_and_unknown_precisions_are_refused(source, tmp_path):
    with pytest.raises(ValueError, match="'split' in 'int8', expected 'whole'"):
        convert(source, variant="split", calibration=CROPS, folder=tmp_path)
    with pytest.raises(ValueError, match="'int4'"):
        convert(source, variant="whole", calibration=CROPS, folder=tmp_path, precision="int4")


def test_other_files_are_not_read_as_tflite():
    with pytest.raises(ExportError, match="not a TFLite file"):
        operators(b"GARBAGE GARBAGE")


def test_operators_that_tflite_2_14_lacks_are_named():
    found = {
        "CONV_2D v3 INT8": 1,
        "SQRT v1 INT8": 1,
        "FULLY_CONNECTED v12 INT8": 2,
        "DIV v1 FLOAT32": 1,
    }
    assert beyond_2_14(found) == ["SQRT v1 INT8", "FULLY_CONNECTED v12 INT8"]
