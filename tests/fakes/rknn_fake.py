"""The fake RKNN: librknnrt.so, and .rknn files that carry a network for its interpreter.

The outer layout is the one that `export.rknn.header` reads; between header and description lies
what rknnrt.c runs, in place of a Rockchip program.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

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
    for node, device, driver in (
        ("renderD128", "27800000.gpu", "mali"),
        ("renderD129", "27700000.npu", "RKNPU"),
    ):
        drivers = root / "sys" / "bus" / "platform" / "drivers" / driver
        devices = root / "sys" / "devices" / "platform" / device
        drm = root / "sys" / "class" / "drm" / node
        for made in (drivers, devices, drm, root / "dev" / "dri"):
            made.mkdir(parents=True, exist_ok=True)
        _link(devices / "driver", f"../../../bus/platform/drivers/{driver}")
        _link(drm / "device", f"../../../devices/platform/{device}")
        (root / "dev" / "dri" / node).touch()
    module = root / "sys" / "module" / "rknpu"
    module.mkdir(parents=True, exist_ok=True)
    (module / "version").write_text(f"{DRIVER}\n")
    tree = root / "proc" / "device-tree"
    tree.mkdir(parents=True, exist_ok=True)
    (tree / "compatible").write_bytes(b"vendor,board\0rockchip,rk3576\0")


def _link(path: Path, target: str) -> None:
    if not path.is_symlink():
        path.symlink_to(target)
