"""Artefacts on an emulated 64-bit ARM machine: a door's backends on the runtimes' own ARM wheels.

The machine is a folder: Debian's arm64 Python, unpacked and never installed, and wheels from PyPI.
`prepare` makes it (30 MB of packages and wheels); QEMU runs its programs. Versions are those that
QEMU 7.2 runs: newer onnxruntime and ai-edge-litert read the host's CPU from /sys and crash there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from export.errors import ExportError
from export.preprocessing import Preprocessing
from export.verify.embed import Candidate

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("arm_worker.py")
WHEELS = {"onnx": "onnxruntime==1.27.0", "tflite": "ai-edge-litert==2.1.6"}
NEEDED = ("numpy==2.2.6", "flatbuffers", "protobuf", "packaging", "typing-extensions")
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
DEBIAN = (
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "zlib1g"),
    *("libexpat1", "libstdc++6", "libgcc-s1", "libssl3", "libffi8", "libbz2-1.0", "liblzma5"),
    "libuuid1",
)
READY = "ready"


def prepare(folder: Path) -> None:
    """Make the emulated machine's folder, unless it is there; needs Debian 12 and a network.

    Raises
    ------
    ExportError
        A download or an unpacking fails.
    """
    if (folder / READY).is_file():
        return
    apt, packages, root = (folder.resolve() / name for name in ("apt", "packages", "root"))
    for made in (apt / "lists" / "partial", apt / "archives" / "partial", packages, root):
        made.mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt,
    }
    own = ["apt-get", "--quiet=2", *(f"--option={k}={v}" for k, v in options.items())]
    call([*own, "update"], folder=packages)
    call([*own, "download", *DEBIAN], folder=packages)
    for package in sorted(packages.glob("*.deb")):
        call(["dpkg-deb", "--extract", str(package), str(root)])
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-deps", "--no-compile", "--only-binary=:all:", "--implementation=cp"]
    pip += ["--python-version=311", "--abi=cp311", "--abi=abi3", "--abi=none"]
    pip += [f"--platform={name}" for name in PLATFORMS]
    call([*pip, f"--target={folder / 'site'}", *WHEELS.values(), *NEEDED])
    (folder / READY).touch()


def run_artefact(
    candidate: Candidate, crops: np.ndarray, *, machine: Path, core: str, scratch: Path
) -> np.ndarray:
    """Return an artefact's raw outputs on an emulated core, fed as its manifest entry says.

    Parameters
    ----------
    candidate : an ONNX or TFLite artefact with float32 input.
    crops : RGB uint8 (N, 112, 112, 3).
    machine : folder that `prepare` made.
    core : one of QEMU's.
    scratch : folder for what goes in and out.

    Returns
    -------
    (N, dim) float32, or (N, C, H, W) float32 feature maps.

    Raises
    ------
    ExportError
        The emulated program failed.
    """
    entry, artefact = candidate.artefact.input, candidate.artefact
    how = Preprocessing(entry["colour"], tuple(entry["mean"]), tuple(entry["std"]), entry["height"])
    values = how.apply(crops)
    if entry["layout"] == "NHWC":
        values = np.ascontiguousarray(values.transpose(0, 2, 3, 1))
    scratch.mkdir(parents=True, exist_ok=True)
    feed, out = scratch / "feed.npz", scratch / "out.npz"
    np.savez(feed, **{entry["name"]: values})
    variables = {
        "PYTHONPATH": f"{machine / 'site'}:{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
    }
    emulator = ["qemu-aarch64", "-L", str(machine / "root"), "-cpu", core]
    for name, value in variables.items():
        emulator += ["-E", f"{name}={value}"]
    python = machine / "root" / "usr" / "bin" / "python3.11"
    worker = [python, WORKER, artefact.format, candidate.file, feed, out]
    call([*emulator, *(str(part) for part in worker)])
    found = np.load(out)[artefact.outputs[0]]
    channels_last = artefact.output_layout == "NHWC" and found.ndim == 4
    return np.moveaxis(found, -1, 1) if channels_last else found


def call(command: Sequence[str], *, folder: Path | None = None) -> str:
    """Run a command and return what it printed; ExportError with that when it fails."""
    result = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        raise ExportError(
            f"{' '.join(command[:2])} … failed with code {result.returncode}, expected 0:\n"
            f"{result.stdout[-2000:]}"
        )
    return result.stdout
