"""The published MobileFaceNet ONNX (Chen et al. 2018, arXiv:1804.07573) of 128 numbers.

There are many MobileFaceNets, fed in different ways. This kind is the one that takes RGB with
ImageNet's mean and standard deviation, told by its layer names; any other is kind "onnx", with
its preprocessing given.
"""

from __future__ import annotations

from pathlib import Path

from export.errors import ExportError
from export.importers import onnx_file
from export.importers.known import PREPROCESSINGS
from export.preprocessing import Preprocessing

LAYERS = {"gdconv.depthwise", "conv3"}
DIM = 128


def write_onnx(
    file: Path, path: Path, *, preprocessing: Preprocessing | None, output: str | None
) -> onnx_file.Imported:
    """Write the file in the form of `Source.onnx`; see `export.importers.load`."""
    names = {node.name.strip("/") for node in onnx_file.read(file).graph.node}
    missing = {name for name in LAYERS if f"{name.replace('.', '/')}/Conv" not in names}
    known = preprocessing or PREPROCESSINGS["imagenet"]
    made = None if missing else onnx_file.write_onnx(file, path, preprocessing=known, output=output)
    if made is None or made.dim != DIM:
        found = f"no layer {', '.join(sorted(missing))}" if missing else f"{made.dim} numbers"
        raise ExportError(
            f"{file}: {found}, expected the MobileFaceNet of {DIM} numbers that ends in a global "
            "depthwise convolution 'gdconv' and 'conv3'. Other MobileFaceNets are fed in other "
            "ways: use --kind onnx and give the preprocessing"
        )
    return made
