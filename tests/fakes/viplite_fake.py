"""The fake VIPLite: libraries of versions 1.13 and 2, and .nb files that carry a network.

The header is the one that `edgeface.backends.nbg_file` reads. After it comes how input and output
are stored, twice the structure of vip_create_buffer, and what network.c runs, in place of
VeriSilicon's program.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

from edgeface.backends import viplite_abi as abi
from edgeface.backends.nbg_file import CHIPS, LAYOUT, MAGIC
from tests.board.trees import write_tree

_OWN = ("viplite.c", "viplite_tensor.c", "network.c")
LIBRARIES = {
    "libVIPuser.so": ("viplite_faults.c",),
    "libVIPlite.so": (*_OWN, "libVIPuser.so"),
    "libVIPhal.so": ("viplite_faults.c",),
    "libNBGlinker.so": (*_OWN, "libVIPhal.so"),
}
FILE = "backbone.nb"
FORMATS = {name: number for number, name in abi.FORMATS.items()}


def write_artefact(network: bytes, stage: dict, folder: Path):
    """Write the split backbone's file into `folder`; returns its `export.artefact.Artefact`."""
    from export.artefact import Artefact
    from export.nbg.kit import NEEDS

    pixels = tensor((1, 112, 112, 3), "uint8")
    # Finer than 8 bits: what is compared is the network, and its last rounding is inside.
    feature = tensor((1, 100, 7, 7), "float16")
    (folder / FILE).write_bytes(nb_file(network, pixels, feature))
    return Artefact(
        target="t527",
        variant="split",
        precision="int8",
        file=FILE,
        format="nbg",
        input={**stage["input"], "layout": "NHWC", "dtype": "uint8"},
        outputs=stage["split"]["outputs"],
        boards=["t527"],
        built_with={"tests.fakes": "1"},
        details={"needs": NEEDS, "chip": f"0x{CHIPS['t527']:08x}"},
    )


def tensor(
    shape: Sequence[int],
    dtype: str,
    *,
    scale: float | None = None,
    zero_point: int = 0,
    position: int | None = None,
) -> abi.BufferParameters:
    """Say how an input or output of `shape`, slowest axis first, is stored."""
    made = abi.BufferParameters()
    made.dimensions, made.format = len(shape), FORMATS.get(dtype, 7)
    made.sizes[: len(shape)] = shape[::-1]
    if scale is not None:
        made.quantisation = abi.ASYMMETRIC
        made.parameters.asymmetric.scale = scale
        made.parameters.asymmetric.zero_point = zero_point
    elif position is not None:
        made.quantisation = abi.FIXED_POINT
        made.parameters.fixed_point_position = position
    return made


def nb_file(
    network: bytes,
    given: abi.BufferParameters,
    found: abi.BufferParameters,
    *,
    chip: int = CHIPS["t527"],
) -> bytes:
    """Return an .nb file that runs `network`."""
    head = LAYOUT.pack(MAGIC, 0x00010014, chip, b"fake", 1, 1, 1, 1)
    assert ctypes.sizeof(given) == 48
    return head + bytes(given) + bytes(found) + network


def write_root(root: Path) -> None:
    """Write the tree of a T527."""
    write_tree(root, "t527_vendor")
