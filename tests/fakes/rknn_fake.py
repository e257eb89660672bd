"""The fake RKNN: librknnrt.so, and .rknn files that carry a network for its interpreter.

The outer layout is the one that `export.rknn.header` reads; between header and description lies
what rknnrt.c runs, in place of a Rockchip program.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from tests.board.trees import write_tree

LIBRARIES = {"librknnrt.so": ("rknnrt.c", "network.c")}
FILE = "backbone.rknn"
DRIVER = "0.9.8"


def write_artefact(network: bytes, stage: dict, folder: Path):
    """Write the split backbone's file into `folder`; returns its `export.artefact.Artefact`."""
    from export.artefact import Artefact
    from export.rknn.convert import NEEDS

    (folder / FILE).write_bytes(rknn_file(network))
    return Artefact(
        target="rk3576",
        variant="split",
        precision="int8",
        file=FILE,
        format="rknn",
        input={**stage["input"], "layout": "NHWC", "dtype": "uint8"},
        outputs=stage["split"]["outputs"],
        boards=["rk3576"],
        built_with={"tests.fakes": "1"},
        details={"needs": NEEDS},
    )


def rknn_file(body: bytes, *, platforms: tuple[str, ...] = ("rk3576",)) -> bytes:
    """Return an .rknn file of the default backbone's input and output around `body`."""
    shapes = {"image": [1, 3, 112, 112], "feature": [1, 100, 7, 7]}
    description = {
        "graph": [
            {"left": "input", "right_tensor_id": 0},
            {"left": "output", "right_tensor_id": 1},
        ],
        "norm_tensor": [
            {"tensor_id": i, "url": name, "size": size, "dtype": {"vx_type": "int8"}}
            for i, (name, size) in enumerate(shapes.items())
        ],
        "target_platform": list(platforms),
        "version": "2.5.0",
    }
    text = json.dumps(description).encode()
    head = b"RKNN" + bytes(4) + struct.pack("<QQ", 6, len(body)) + bytes(40)
    return head + body + struct.pack("<Q", len(text)) + text


def write_root(root: Path) -> None:
    """Write the tree of an RK3576: renderD128 is its GPU, renderD129 its NPU."""
    write_tree(root, "rk3576_vendor")
    (root / "sys/module/rknpu/version").write_text(f"{DRIVER}\n")
