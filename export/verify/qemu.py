"""The split embedder's head on 64-bit ARM, in emulation: the same embeddings as on this machine?

``python -m export emulate --work WORK``. Builds a small program from the core with the cross
compiler, runs it under QEMU on the boards' cores, on feature maps that an INT8 artefact gave for
real faces, and compares with the native module here. It proves the code, not the silicon's speed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from export.errors import ExportError, VerifyError
from export.source import Source
from export.split import head_weights
from export.verify.command import FOLDER
from export.verify.embed import Candidate, candidates, door_inputs, head_rows, open_head
from export.verify.gates import row
from export.verify.limits import EMULATED
from export.verify.sets import FaceSet, folder_set, load_sets
from export.verify.size import find_artefacts

ROOT = Path(__file__).resolve().parents[2]
TOOLCHAIN = ROOT / "cmake" / "aarch64-linux-gnu.cmake"
LIBRARIES = "/usr/aarch64-linux-gnu"
PROGRAMS = {
    "cmake": "cmake",
    "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    "qemu-aarch64": "qemu-user",
}
"""Program → Debian's package."""

CORES = {
    "cortex-a53": "RK3576's small cores: NEON",
    "cortex-a72": "RK3576's large cores: NEON",
    "cortex-a76": "T527's A55 has the same instructions: dot product",
}
PHOTOS = 64
PRECISIONS = ("float32", "int8")
MAGIC = b"EFH1"
EMULATED_FILE = "emulated.json"
BUILD = "build/head-aarch64"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export emulate``."""
    parser.add_argument("--work", type=Path, required=True, help="folder of export build")
    parser.add_argument("--data", type=Path, help="fairface112, celeba240, lfw_view1: any of them")
    parser.add_argument("--people", type=Path, help="own aligned crops, person/photo.jpg")
    parser.add_argument("--photos", type=int, default=PHOTOS)


def run(args: argparse.Namespace) -> int:
    """Build, run, write ``WORK/verify/emulated.json``, print; returns 0 when all agree, else 1."""
    sets = load_sets(args.data) if args.data else {"folder": folder_set(args.people)}
    source = Source.load(args.work / "float")
    rows = emulate(args.work, source=source, faces=next(iter(sets.values())), photos=args.photos)
    for one in rows:
        print(f"{'ok    ' if one['passed'] else 'FAILED'} {one['artefact']}: {one['measured']}")
    return 0 if all(one["passed"] for one in rows) else 1


def emulate(work: Path, *, source: Source, faces: FaceSet, photos: int = PHOTOS) -> list[dict]:
    """Run the head on the emulated cores; returns rows for the manifest's ``gates``.

    Parameters
    ----------
    work : folder of a build with a split INT8 artefact, whose feature maps are used.
    faces : photos to embed, the first ``photos`` of them.

    Raises
    ------
    ExportError
        A tool is missing, with its package, or the build or a run fails.
    VerifyError
        The build has no split INT8 artefact.
    """
    crops = faces.crops[:photos]
    feature = split_features(work, crops, source=source)
    program = build(ROOT / BUILD)
    folder = work / FOLDER / "emulated"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for precision in PRECISIONS:
        wanted = head_rows(open_head(source, precision), feature)
        file = folder / f"{precision}.bin"
        heads = source.net.config.heads
        file.write_bytes(head_file(head_weights(source.net, precision), feature, heads=heads))
        for core in CORES:
            isa, embeddings = run_head(program, file, core=core, dim=source.dim)
            found.append(compared(core, isa, precision, embeddings, wanted))
    note = {"note": NOTE.format(len(crops)), "columns": COLUMNS, "rows": [_text(f) for f in found]}
    (work / FOLDER / EMULATED_FILE).write_text(json.dumps(note, indent=1) + "\n")
    return [
        row(f"aarch64 {f['core']}, {f['head']} head", EMULATED, f["cosine"], EMULATED.limit)
        for f in found
    ]


COLUMNS = ("core", "kernels", "head", "cosine min", "largest difference", "equal numbers")
NOTE = (
    "The native head, cross-compiled and run under QEMU, on the feature maps of {} faces; beside "
    "the same head on this machine. Proves the code, not a board's speed."
)


def _text(found: Mapping) -> list[str]:
    return [
        f"{found['core']} ({CORES[found['core']]})",
        found["isa"],
        found["head"],
        f"{found['cosine']:.7f}",
        f"{found['difference']:.1e}",
        f"{100 * found['equal']:.1f} %",
    ]


def compared(core: str, isa: str, head: str, embeddings: np.ndarray, wanted: np.ndarray) -> dict:
    """Return how near the emulated embeddings are to this machine's, as plain JSON."""
    return {
        "core": core,
        "isa": isa,
        "head": head,
        "cosine": float(np.sum(embeddings * wanted, axis=1, dtype=np.float64).min()),
        "difference": float(np.abs(embeddings - wanted).max()),
        "equal": float((embeddings == wanted).mean()),
    }


def split_features(work: Path, crops: np.ndarray, *, source: Source) -> np.ndarray:
    """Return feature maps (N, C, H, W) of a build's first split INT8 artefact."""
    split: list[Candidate] = [
        one
        for one in candidates(find_artefacts(work, ("onnx", "tflite")), work)
        if one.artefact.variant == "split" and one.artefact.precision == "int8"
    ]
    if not split:
        raise VerifyError(
            f"{work}: no split INT8 artefact for onnx or tflite, expected one whose feature maps "
            "the head can take; convert with --targets onnx"
        )
    return split[0].run(door_inputs(split[0].artefact, crops, source=source))


def head_file(weights: Mapping[str, np.ndarray], feature: np.ndarray, *, heads: int) -> bytes:
    """Return a head and feature maps as ``csrc/check/head_run.cc`` reads them."""
    left = dict(weights)
    blocks = sum(name.endswith("norm1.weight") for name in left)
    header = struct.pack(
        "<11I",
        left["inlet.weight"].dtype == np.int8,
        len(feature),
        left["inlet.weight"].shape[1],
        *left["position"].shape,
        heads,
        len(left["blocks.0.fc1.bias"]) if blocks else 0,
        blocks,
        len(left["pool.scores.bias"]),
        len(left["project.bias"]),
        "gate.weight" in left,
    )
    layers = [f"blocks.{i}.{name}" for i in range(blocks)
              for name in ("norm1", "norm2", "qkv", "out", "fc1", "fc2")]  # fmt: skip
    gate = ["gate"] if "gate.weight" in left else []
    order = [*gate, "inlet", "position", *layers, "pool.norm", "pool.scores", "project"]
    parts = [left[name].tobytes() for layer in order for name in _arrays(layer, left)]
    return b"".join((MAGIC, header, *parts, np.ascontiguousarray(feature, np.float32).tobytes()))


def _arrays(layer: str, weights: Mapping[str, np.ndarray]) -> list[str]:
    """Names of a layer's arrays, in the file's order; "position" is an array itself."""
    named = [layer, f"{layer}.weight", f"{layer}.weight.scale", f"{layer}.bias"]
    return [name for name in named if name in weights]


def build(folder: Path) -> Path:
    """Cross-build the program; returns its path."""
    missing = sorted({package for name, package in PROGRAMS.items() if not shutil.which(name)})
    if missing:
        raise ExportError(
            f"missing for the emulated ARM run: {', '.join(missing)}; "
            f"apt-get install {' '.join(missing)}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "CMakeCache.txt").unlink(missing_ok=True)  # it may remember a tool that is gone
    options = [f"-DCMAKE_TOOLCHAIN_FILE={TOOLCHAIN}", "-DEDGEFACE_PYTHON=OFF"]
    options += ["-DEDGEFACE_HEAD_PROGRAM=ON", "-GUnix Makefiles"]
    output(["cmake", f"-S{ROOT}", f"-B{folder}", *options])
    output(["cmake", "--build", str(folder), "--target", "edgeface_head", "--parallel", "2"])
    return folder / "edgeface_head"


def run_head(program: Path, file: Path, *, core: str, dim: int) -> tuple[str, np.ndarray]:
    """Run the program on one of QEMU's cores; returns its ISA and its embeddings (N, dim)."""
    out = file.with_suffix(f".{core}.out")
    command = ["qemu-aarch64", "-L", LIBRARIES, "-cpu", core, program, file, out]
    said = output([str(part) for part in command])
    return said.split("isa: ")[1].strip(), np.fromfile(out, np.float32).reshape(-1, dim)


def output(command: Sequence[str]) -> str:
    """Run a command and return what it printed; ExportError with that when it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "EDGEFACE_ISA"}
    result = subprocess.run(
        command,
        env=environment,
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
