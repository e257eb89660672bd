"""The embedder on 64-bit ARM, in emulation: the same embeddings as on this machine?

``python -m export emulate --work WORK --data DATA``. Builds a small program from the core with the
cross compiler, runs it under QEMU on the boards' cores, on feature maps that an INT8 artefact gave
for real faces, and compares with the native module here. With ``--machine FOLDER`` the artefacts
run there too. It proves the code, not the silicon's speed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from export.errors import ExportError, VerifyError
from export.source import Source
from export.split import head_weights
from export.verify.arm import RUNTIMES, run_artefact
from export.verify.door import FORMATS, door_embedder, open_door
from export.verify.embed import (
    Candidate,
    candidates,
    door_inputs,
    head_rows,
    open_head,
    unit_rows,
)
from export.verify.gates import row
from export.verify.limits import EMULATED
from export.verify.machine import CORES, Machine, call, emulated_core, prepare
from export.verify.sets import FaceSet, folder_set, load_sets
from export.verify.size import find_artefacts
from export.verify.verification import FOLDER

ROOT = Path(__file__).resolve().parents[2]
TOOLCHAIN = ROOT / "cmake" / "aarch64-linux-gnu.cmake"
LIBRARIES = "/usr/aarch64-linux-gnu"
PROGRAMS = {
    "cmake": "cmake",
    "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    "qemu-aarch64": "qemu-user",
}
"""Program → Debian's package."""

PHOTOS = 64
ARTEFACT_PHOTOS = 8
ARTEFACT_LIMIT = 0.98  # as the self-test's on boards
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
    parser.add_argument(
        "--machine",
        type=Path,
        metavar="FOLDER",
        help="run the artefacts too, on an arm64 Python in this folder; made there (150 MB)",
    )


def run(args: argparse.Namespace) -> int:
    """Build, run, write ``WORK/verify/emulated.json``, print; returns 0 when all agree, else 1."""
    sets = load_sets(args.data) if args.data else {"folder": folder_set(args.people)}
    source = Source.load(args.work / "float")
    faces = next(iter(sets.values()))
    rows = emulate(args.work, source=source, faces=faces, photos=args.photos, machine=args.machine)
    for one in rows:
        print(f"{'ok    ' if one['passed'] else 'FAILED'} {one['artefact']}: {one['measured']}")
    return 0 if all(one["passed"] for one in rows) else 1


def emulate(
    work: Path,
    *,
    source: Source,
    faces: FaceSet,
    photos: int = PHOTOS,
    machine: Path | None = None,
) -> list[dict]:
    """Run head and artefacts on the emulated cores; returns rows for the manifest's ``gates``.

    Parameters
    ----------
    work : folder of a build with a split INT8 artefact, whose feature maps are used.
    faces : photos to embed, the first ``photos`` of them.
    machine : folder of the emulated arm64 Python (`export.verify.machine.prepare`), on which the
        INT8 ONNX and TFLite artefacts run; None: the head alone.

    Raises
    ------
    ExportError
        A tool is missing, with its package, or the build or a run fails.
    VerifyError
        The build has no split INT8 artefact.
    """
    crops = faces.crops[:photos]
    shown = int8_candidates(work)
    found = heads_on_cores(work, split_features(shown, crops, source=source), source=source)
    if machine is not None:
        there = prepare(machine)
        scratch = work / FOLDER / "emulated"
        few = crops[:ARTEFACT_PHOTOS]
        found += [
            artefact_on_core(one, few, core=core, machine=there, scratch=scratch, source=source)
            for one in shown
            for core in CORES
        ]
    note = {"note": NOTE.format(len(crops)), "columns": COLUMNS, "rows": [_text(f) for f in found]}
    (work / FOLDER / EMULATED_FILE).write_text(json.dumps(note, indent=1) + "\n")
    return [
        row(f"aarch64 {f['core']}, {f['what']}", EMULATED, f["cosine"], f["limit"]) for f in found
    ]


def heads_on_cores(work: Path, feature: np.ndarray, *, source: Source) -> list[dict]:
    """Run both kinds of head on every core, on feature maps (N, C, H, W)."""
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
            what = {"core": core, "by": isa, "what": f"{precision} head", "limit": EMULATED.limit}
            found.append({**what, **compared(embeddings, wanted)})
    return found


def artefact_on_core(
    candidate: Candidate,
    crops: np.ndarray,
    *,
    core: str,
    machine: Machine,
    scratch: Path,
    source: Source,
) -> dict:
    """Run an artefact on a core; a split one's feature maps go through this machine's head."""
    with open_door(candidate, source=source) as backend:
        embedder = door_embedder(candidate, backend, source=source)
        wanted = embedder.embed_batch(np.ascontiguousarray(crops[..., ::-1]))
    raw = run_artefact(candidate, crops, machine=machine, core=core, scratch=scratch)
    split = candidate.head is not None
    rows = head_rows(open_head(source, candidate.head), raw) if split else unit_rows(raw)
    wheel = machine.wheel(RUNTIMES[candidate.artefact.format])
    what = {"core": core, "by": wheel, "what": candidate.title, "limit": ARTEFACT_LIMIT}
    return {**what, **compared(rows, wanted)}


COLUMNS = ("core", "runs on", "what", "cosine min", "largest difference", "equal numbers")
NOTE = (
    "Cross-compiled or from the runtimes' own ARM wheels, run under QEMU on {} faces (artefacts: "
    "fewer), beside this machine. Proves the code, not a board's speed. INT8 networks are not "
    "equal to the last bit: kernels add in another order, and roundings turn. "
    + "; ".join(f"{name}: {core.board}" for name, core in CORES.items())
    + "."
)


def _text(found: Mapping) -> list[str]:
    return [
        found["core"],
        found["by"],
        found["what"],
        f"{found['cosine']:.6f}",
        f"{found['difference']:.1e}",
        f"{100 * found['equal']:.1f} %",
    ]


def compared(embeddings: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """Return how near the emulated embeddings are to this machine's."""
    return {
        "cosine": float(np.sum(embeddings * wanted, axis=1, dtype=np.float64).min()),
        "difference": float(np.abs(embeddings - wanted).max()),
        "equal": float((embeddings == wanted).mean()),
    }


def int8_candidates(work: Path) -> list[Candidate]:
    """Return a build's INT8 artefacts that run here, split ones with the INT8 head."""
    return [
        one
        for one in candidates(find_artefacts(work, FORMATS), work)
        if one.artefact.precision == "int8" and one.head in (None, "int8")
    ]


def split_features(shown: Sequence[Candidate], crops: np.ndarray, *, source: Source) -> np.ndarray:
    """Return feature maps (N, C, H, W) of the first split artefact."""
    split = [one for one in shown if one.artefact.variant == "split"]
    if not split:
        raise VerifyError(
            "no split INT8 artefact for onnx or tflite in this build, expected one whose feature "
            "maps the head can take; convert with --targets onnx"
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
    call(["cmake", f"-S{ROOT}", f"-B{folder}", *options])
    call(["cmake", "--build", str(folder), "--target", "edgeface_head", "--parallel", "2"])
    return folder / "edgeface_head"


def run_head(program: Path, file: Path, *, core: str, dim: int) -> tuple[str, np.ndarray]:
    """Run the program on one of QEMU's cores; returns its ISA and its embeddings (N, dim)."""
    out = file.with_suffix(f".{core}.out")
    command = ["qemu-aarch64", "-L", LIBRARIES, "-cpu", emulated_core(core), "-U", "EDGEFACE_ISA"]
    command += [program, file, out]
    said = call([str(part) for part in command])
    return said.split("isa: ")[1].strip(), np.fromfile(out, np.float32).reshape(-1, dim)
