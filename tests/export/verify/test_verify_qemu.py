"""The split embedder's head on emulated ARM cores gives this machine's embeddings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.errors import ExportError, VerifyError
from export.verify import qemu
from export.verify.embed import open_head
from export.verify.gates import refuse
from tests.check_build import arm_build, host_build
from tests.export.verify import build

FACES = 6
MACHINE = "EDGEFACE_ARM_MACHINE"


def test_head_on_arm_cores_gives_the_same_embeddings(
    sound, source, work, portrait_crops, monkeypatch
) -> None:
    monkeypatch.setattr(qemu, "build", lambda folder: arm_build() / "edgeface_head")
    faces = build.views(portrait_crops, seed=5, count=FACES // 2)
    rows = qemu.emulate(work, source=source, faces=faces)
    refuse(rows)
    assert len(rows) == 2 * len(qemu.CORES)
    note = json.loads((work / "verify" / "emulated.json").read_text())
    kernels = {(row[0].split()[0], row[1]) for row in note["rows"]}
    assert kernels == {("cortex-a53", "neon"), ("cortex-a72", "neon"), ("cortex-a55", "neondot")}


@pytest.mark.arm
def test_artefacts_run_on_an_emulated_arm_machine(sound, tflite, source, portrait_crops) -> None:
    """onnxruntime's and LiteRT's own ARM wheels, by the backends that doors have."""
    if MACHINE not in os.environ:
        pytest.skip(f"make arm-test; or set {MACHINE} to a folder")
    faces = build.views(portrait_crops, seed=5, count=2)
    machine, work = Path(os.environ[MACHINE]), tflite.folder.parent
    shutil.copytree(sound[0].folder, work / "onnx")
    rows = qemu.emulate(work, source=source, faces=faces, machine=machine)
    refuse(rows)
    ran = {row["artefact"].split(", ", 1)[1] for row in rows}
    assert {one.title for one in (*sound, tflite)} <= ran


@pytest.mark.parametrize("precision", qemu.PRECISIONS)
def test_program_is_the_native_head_bit_for_bit_on_this_machine(
    source, tmp_path, precision
) -> None:
    """The file that carries the head loses nothing: same kernels, same numbers."""
    feature = np.random.default_rng(0).normal(size=(5, 100, 7, 7)).astype(np.float32)
    file, out = tmp_path / "head.bin", tmp_path / "out"
    weights = qemu.head_weights(source.net, precision)
    file.write_bytes(qemu.head_file(weights, feature, heads=source.net.config.heads))
    program = host_build() / "edgeface_head"
    subprocess.run([program, file, out], check=True)
    found = np.fromfile(out, np.float32).reshape(5, -1)
    assert np.array_equal(found, open_head(source, precision).embed(feature))


def test_a_damaged_head_file_is_refused(source, tmp_path) -> None:
    feature = np.ones((1, 100, 7, 7), np.float32)
    whole = qemu.head_file(qemu.head_weights(source.net, "int8"), feature, heads=4)
    file = tmp_path / "head.bin"
    for damaged in (whole[:-1], whole + b"x", b"NONE" + whole[4:], b""):
        file.write_bytes(damaged)
        with pytest.raises(ExportError, match="not a head with feature maps"):
            qemu.call([str(host_build() / "edgeface_head"), str(file), str(tmp_path / "out")])


def test_a_build_without_split_artefact_is_refused(source, tmp_path, portrait_crops) -> None:
    with pytest.raises(VerifyError, match="no split INT8 artefact"):
        qemu.emulate(tmp_path, source=source, faces=build.views(portrait_crops, seed=5, count=1))


def test_missing_tools_are_named_with_their_packages(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExportError, match="apt-get install cmake g.*aarch64.* qemu-user"):
        qemu.build(tmp_path)
