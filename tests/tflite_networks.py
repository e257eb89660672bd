"""Tiny real TFLite networks whose answers are known by heart.

They are written with `export.tflite`. An environment without it (a board's) reads them from the
folder that EDGEFACE_TFLITE_NETWORKS names; `save` fills one.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

FOLDER = os.environ.get("EDGEFACE_TFLITE_NETWORKS")


def read(name: str) -> bytes:
    """Return the network of that name, made or read."""
    if FOLDER:
        return (Path(FOLDER) / f"{name}.tflite").read_bytes()
    pytest.importorskip("flatbuffers", reason="needs the training side")
    return NETWORKS[name]()


def save(folder: Path) -> None:
    """Write all networks into `folder`."""
    for name, make in NETWORKS.items():
        (folder / f"{name}.tflite").write_bytes(make())


def inverse_root() -> bytes:
    """float32: "y" (1, 2) = 1/√x; NaN for negative x, Inf for 0."""
    from export.tflite import layers
    from export.tflite.flatbuffer import written
    from export.tflite.graph import Graph

    graph = Graph()
    x = graph.input("x", shape=(1, 2))
    graph.outputs.append(layers.unary(graph, "RSQRT", x, name="y"))
    return written(graph)


def channel_means() -> bytes:
    """int8: "embedding" (1, 3), each channel's mean of "image" (1, 8, 8, 3), pixels."""
    from export.tflite import layers
    from export.tflite.flatbuffer import written
    from export.tflite.graph import Graph
    from export.tflite.quantise import quantisations

    graph = Graph()
    x = graph.input("image", shape=(1, 8, 8, 3))
    rows = layers.mean(graph, x, name="rows", axis=1, keep=False)
    graph.outputs.append(layers.mean(graph, rows, name="embedding", axis=1, keep=False))
    ranges = {"rows": (0.0, 255.0), "embedding": (0.0, 255.0)}
    return written(graph, quantisations(graph, ranges))


def tiles() -> bytes:
    """float32 of batch two, which the backend does not feed."""
    from export.tflite import layers
    from export.tflite.flatbuffer import written
    from export.tflite.graph import Graph

    graph = Graph()
    graph.outputs.append(layers.unary(graph, "RSQRT", graph.input("x", shape=(2, 2)), name="y"))
    return written(graph)


def damaged() -> bytes:
    """A small network whose operator reads a tensor that is not there."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(inverse_root(), 0)
    model.subgraphs[0].operators[0].inputs = np.int32([77])
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


NETWORKS = {
    "inverse_root": inverse_root,
    "channel_means": channel_means,
    "tiles": tiles,
    "damaged": damaged,
}
