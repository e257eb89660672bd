"""Fake NPUs: the vendors' libraries, model files in their formats, and a bundle that has them all.

``python -m tests.fakes.make FOLDER --arch aarch64`` makes them for another machine, which then
needs no compiler, ONNX or PyTorch: its tests take them from the folder in ``EDGEFACE_FAKES``.
Each fake is a module with `LIBRARIES`, `write_artefact` and `write_root`, listed in `FAKES`.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tests.portraits import astronaut, grace_hopper

SOURCES = Path(__file__).parent
COMPILERS = {"x86-64": "cc", "aarch64": "aarch64-linux-gnu-gcc"}
# No contraction to fused multiply-adds: every architecture then gives the same numbers.
FLAGS = ("-shared", "-fPIC", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror")
FAKES = {"rknn": "tests.fakes.rknn_fake", "nbg": "tests.fakes.viplite_fake"}
"""Runtime → module of its fake. `LIBRARIES` is file name → C sources, or
libraries made before it; `write_artefact(network,
stage, folder)` writes the model file around a network file and returns its
`export.artefact.Artefact`; `write_root(root)` writes the files of /sys and /dev by which the
runtime finds its NPU."""
BUNDLE = "npu.efb"
VARIABLE = "EDGEFACE_FAKES"


@dataclass(frozen=True)
class Fakes:
    """A folder of fake NPUs.

    Attributes
    ----------
    folder
        Holds the libraries under their vendors' names, model files, `BUNDLE`, roots, and the two
        portraits of tests/portraits.py.
    """

    folder: Path

    @property
    def bundle(self) -> Path:
        """The default bundle, with a split artefact for every fake beside its own."""
        return self.folder / BUNDLE

    def library(self, name: str) -> Path:
        """Path of a library, such as "librknnrt.so"."""
        return self.folder / name

    def root(self, runtime: str) -> Path:
        """What EDGEFACE_BOARD_ROOT must be for a machine with this runtime's NPU."""
        return self.folder / f"{runtime}-root"


def ready_fakes(scratch: Path) -> Fakes:
    """Return the fakes that the environment names, or make them for this machine."""
    if VARIABLE in os.environ:
        return Fakes(Path(os.environ[VARIABLE]))
    arch = "aarch64" if platform.machine() == "aarch64" else "x86-64"
    return make_fakes(scratch, arch=arch)


def make_fakes(folder: Path, arch: str = "x86-64") -> Fakes:
    """Build libraries for "x86-64" or "aarch64", and write model files, bundle, roots, photos."""
    from edgeface.bundle import Bundle, write_bundle
    from export import card
    from export.artefact_pack import add_artefact

    folder.mkdir(parents=True, exist_ok=True)
    default = Bundle.open()
    manifest = copy.deepcopy(default.manifest)
    files = {name: default.read(name) for name in default.manifest["members"]}
    network = _network(default)
    # What onnxruntime made of the same backbone: a fake that computes anything else fails the
    # self-test.
    expected = default.selftest_vectors()["embedder_split_output"].astype(np.float32)
    for runtime, module in FAKES.items():
        fake = importlib.import_module(module)
        for library, sources in fake.LIBRARIES.items():
            _compile(folder / library, sources, arch)
        artefact = fake.write_artefact(network, manifest["stages"]["embedder"], folder)
        add_artefact(manifest, files, artefact, folder, expected)
        fake.write_root(Fakes(folder).root(runtime))
    del files["MODEL_CARD.md"]  # it lists the other files
    files["MODEL_CARD.md"] = card.render(manifest, files).encode()
    write_bundle(folder / BUNDLE, manifest, files)
    for name, portrait in (("astronaut", astronaut()), ("grace_hopper", grace_hopper())):
        if not cv2.imwrite(str(folder / f"{name}.png"), portrait):
            raise OSError(f"{folder}: the portrait {name}.png cannot be written")
    return Fakes(folder)


def _network(bundle) -> bytes:
    from tests.fakes.network_file import network_file

    stage = bundle.stage("embedder")
    backbone = bundle.read(stage["split"]["file"])
    return network_file(backbone, mean=stage["input"]["mean"], std=stage["input"]["std"])


def _compile(library: Path, sources: tuple[str, ...], arch: str) -> None:
    files = [str((library.parent if ".so" in name else SOURCES) / name) for name in sources]
    named = ("-Wl,-soname," + library.name, "-o", str(library))
    subprocess.run([COMPILERS[arch], *FLAGS, *named, *files, "-lm"], check=True)


def main() -> None:
    """Make fakes from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arch", choices=tuple(COMPILERS), default="x86-64")
    args = parser.parse_args()
    make_fakes(args.folder, arch=args.arch)


if __name__ == "__main__":
    main()
