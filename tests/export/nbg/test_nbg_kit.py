"""The T527's kit: complete, consistent in itself, and its script asks pegasus for the right things.

ACUITY cannot be had here. A stand-in for pegasus records its arguments, and its ``inference`` does
what the kit's files say: (pixel - mean) * scale on the first calibration face, then the ONNX model.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from export import nbg
from export.preprocessing import Preprocessing

PEGASUS = """#!{python}
import json, os, re, sys
from pathlib import Path
words = sys.argv[1:]
options = dict(zip(words, words[1:]))
with open("calls.txt", "a") as file:
    file.write(" ".join(words) + "\\n")
if words[0] == "import":
    layers = {{"image_7": {{"op": "input"}}, "conv_1": {{"op": "convolution"}}}}
    Path("model.json").write_text(json.dumps({{"Layers": layers}}))
if words[0] == "quantize":
    Path("model_pcq.quantize").write_text("customized_quantize_layers: {{}}")
    if "--hybrid" in words:
        Path("model_pcq.quantize.json").write_text("{{}}")
if words[0] == "inference":
    import numpy as np, onnxruntime
    meta = Path("model_inputmeta.yml").read_text()
    assert "lid: 'image_7'" in meta
    listed = lambda name: np.float32(re.search(name + r": \\[(.*)\\]", meta)[1].split(","))
    mean, scale = listed("mean"), listed("scale")
    if os.environ.get("FORGET_MEAN"):
        mean = mean * 0
    first = Path("dataset.txt").read_text().split()[0]
    pixels = np.loadtxt(first, dtype=np.float32).reshape(1, 3, 112, 112)
    image = (pixels - mean[:, None, None]) * scale[:, None, None]
    output = onnxruntime.InferenceSession("model.onnx").run(None, {{"image": image}})[0]
    Path(options["--output-dir"]).mkdir()
    np.savetxt(options["--output-dir"] + "/iter_0_attach_feature_out0_0.tensor", output.ravel())
    np.savetxt(options["--output-dir"] + "/iter_0_image_7_out0.tensor", image.ravel())
if words[0] == "export" and not os.environ.get("NO_RESULT"):
    folder = Path("out_nbg_unify")
    folder.mkdir()
    (folder / "network_binary.nb").write_bytes(b"VPMN")
    (folder / "nbg_meta.json").write_text("{{}}")
"""


@pytest.fixture
def kit(made, tmp_path: Path) -> Path:
    artefact, folder = made
    with zipfile.ZipFile(folder / artefact.file) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "backbone_kit"


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """Environment in which pegasus is the stand-in and python3 is this Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pegasus").write_text(PEGASUS.format(python=sys.executable))
    (folder / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for name in ("pegasus", "python3"):
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def convert(kit: Path, environment: dict, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", str(kit / "convert.sh")],
        env={**environment, **more},
        capture_output=True,
        text=True,
        check=False,
    )


def calls(kit: Path) -> list[str]:
    return (kit / "calls.txt").read_text().splitlines()


def test_the_kit_holds_everything_and_its_arrays_agree(kit: Path, source) -> None:
    names = {path.name for path in kit.iterdir()}
    assert names == {
        "README.md",
        "calibration.npy",
        "convert.sh",
        "expected.npy",
        "inputmeta.yml",
        "kit.py",
        "model.onnx",
    }
    pixels = np.load(kit / "calibration.npy")
    assert pixels.shape == (32, 3, 112, 112)
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels, np.rint(pixels).clip(0, 255))
    assert np.load(kit / "expected.npy").shape == (1, 100, 7, 7)
    model = onnx.load(str(kit / "model.onnx"))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    assert "@" not in (kit / "convert.sh").read_text().replace('"$@"', "").replace("[@]", "")


def test_the_readme_says_which_image_and_that_faces_are_inside(kit: Path) -> None:
    text = (kit / "README.md").read_text()
    assert "ubuntu-npu:v1.8.11" in text
    assert "holds 32 face crops" in text
    assert "never goes into" in text


def test_the_script_asks_for_per_channel_int8_and_this_chip(kit: Path, programs: dict) -> None:
    done = convert(kit, programs)
    assert done.returncode == 0, done.stderr
    steps = [call.split()[0] for call in calls(kit)]
    assert steps == ["import", "inference", "quantize", "inference", "export"]
    imported, _, quantised, _, exported = calls(kit)
    assert "--inputs image --outputs feature --input-size-list 3,112,112" in imported
    assert "--quantizer perchannel_symmetric_affine --qtype int8" in quantised
    assert "--iterations 32" in quantised
    assert "--algorithm kl_divergence" in quantised
    assert "--optimize VIP9000NANOSI_PLUS_PID0X10000016" in exported
    assert "--pack-nbg-unify" in exported
    assert (kit / "backbone.nb").read_bytes() == b"VPMN"
    assert (kit / "nbg_meta.json").exists()
    assert "float: cosine to the float network 1.0000" in done.stdout


def test_a_normalisation_that_acuity_left_out_stops_the_script(kit: Path, programs: dict) -> None:
    done = convert(kit, programs, FORGET_MEAN="1")
    assert done.returncode != 0
    assert "expected 0.999 or more" in done.stderr
    assert "quantize" not in (kit / "calls.txt").read_text()


def test_a_hybrid_is_a_second_run_over_the_edited_list(kit: Path, programs: dict) -> None:
    convert(kit, programs, CHECK="0")
    (kit / "calls.txt").unlink()
    done = convert(kit, programs, CHECK="0", HYBRID="1", ALGORITHM="normal")
    assert done.returncode == 0, done.stderr
    quantised, exported = calls(kit)
    assert "--hybrid" in quantised
    assert "--rebuild" not in quantised
    assert "--algorithm normal" in quantised
    assert "--model model_pcq.quantize.json" in exported


def test_an_export_without_a_result_is_an_error(kit: Path, programs: dict) -> None:
    done = convert(kit, programs, CHECK="0", NO_RESULT="1")
    assert done.returncode != 0
    assert "no network_binary.nb" in done.stderr


def test_without_pegasus_the_script_says_where_to_run(kit: Path, tmp_path: Path) -> None:
    done = convert(kit, {"PATH": "/usr/bin:/bin"})
    assert done.returncode != 0
    assert "Docker image" in done.stderr


def test_shellcheck_finds_nothing(kit: Path) -> None:
    assert subprocess.run(["bash", "-n", str(kit / "convert.sh")], check=False).returncode == 0
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck: only bash -n was run")
    found = subprocess.run(
        ["shellcheck", str(kit / "convert.sh")], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""


def test_the_kit_is_the_same_every_time(made, source, crops, tmp_path: Path) -> None:
    artefact, folder = made
    again = nbg.convert(source, variant="split", calibration=crops[:32], folder=tmp_path)
    assert (tmp_path / again.file).read_bytes() == (folder / artefact.file).read_bytes()


def test_colours_and_means_of_another_network_reach_its_inputmeta(source, crops, tmp_path) -> None:
    own = Preprocessing("BGR", mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 50.0))
    made = nbg.convert(
        replace(source, preprocessing=own), variant="split", calibration=crops[:16], folder=tmp_path
    )
    with zipfile.ZipFile(tmp_path / made.file) as archive:
        text = archive.read("backbone_kit/inputmeta.yml").decode()
        with archive.open("backbone_kit/calibration.npy") as file:
            pixels = np.load(file)
    assert "mean: [123.7, 116.3, 103.5]" in text
    assert "scale: [0.0171232877, 0.0175131349, 0.02]" in text
    assert np.array_equal(pixels[:, ::-1].transpose(0, 2, 3, 1), crops[:16])
    assert json.loads((tmp_path / f"{made.file}.json").read_text())["input"]["colour"] == "BGR"
