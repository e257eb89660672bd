"""The layer report shows where an int8 file leaves its float twin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeface.pipeline import Pipeline
from export.__main__ import main
from export.checkpoint import load_checkpoint
from export.errors import ExportError
from export.preprocessing import Preprocessing
from export.tflite import ranges
from export.tflite.flatbuffer import written
from export.tflite.graph import Graph
from export.tflite.layer_errors import layer_errors
from export.tflite.network import dsanet_graph
from export.tflite.quantise import from_range, quantisations
from tests.export.tflite.crops import CHECKPOINT, views

FIRST, WORST = 0.02, 0.25
"""Relative error of the first convolution, and of any layer: measured 0.008 and 0.19 at most."""


@pytest.fixture(scope="module")
def pixels(pipeline: Pipeline, astronaut_bgr: np.ndarray) -> np.ndarray:
    return views(pipeline, astronaut_bgr).astype(np.float32)


@pytest.fixture(scope="module")
def graph() -> Graph:
    net = load_checkpoint(CHECKPOINT)
    return dsanet_graph(net, preprocessing=Preprocessing(), variant="whole")


@pytest.fixture(scope="module")
def found_ranges(graph: Graph, pixels: np.ndarray) -> dict:
    return ranges.measured(graph, pixels)


def test_errors_grow_slowly_through_the_trained_network(
    graph: Graph, pixels: np.ndarray, found_ranges: dict
) -> None:
    int8 = written(graph, quantisations(graph, found_ranges))
    rows = layer_errors(written(graph), int8, pixels)
    assert [row.name for row in rows] == [op.output for op in graph.ops]
    assert rows[0].error < FIRST
    assert max(row.error for row in rows) < WORST


def test_a_wrong_range_shows_in_its_layer(
    graph: Graph, pixels: np.ndarray, found_ranges: dict
) -> None:
    sound = quantisations(graph, found_ranges)
    layer = "segments.1.3.depthwise"
    low, high = found_ranges[layer]
    damaged = quantisations(graph, {**found_ranges, layer: (low / 8, high / 8)})
    assert damaged[layer].scale == pytest.approx(from_range(low, high).scale / 8, rel=0.01)
    pair = (layer_errors(written(graph), written(graph, s), pixels) for s in (sound, damaged))
    jumps = {a.name: b.error / a.error for a, b in zip(*pair)}
    assert next(name for name, jump in jumps.items() if jump > 2) == layer


def test_command_prints_a_line_for_each_layer(
    graph: Graph, pixels: np.ndarray, found_ranges: dict, tmp_path: Path, capsys
) -> None:
    (tmp_path / "a.tflite").write_bytes(written(graph))
    (tmp_path / "b.tflite").write_bytes(written(graph, quantisations(graph, found_ranges)))
    np.save(tmp_path / "crops.npy", pixels[:2].astype(np.uint8))
    files = ["--float32", tmp_path / "a.tflite", "--int8", tmp_path / "b.tflite"]
    words = ["tflite-layers", *files, "--crops", tmp_path / "crops.npy"]
    assert main([str(word) for word in words]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(graph.ops)


def test_files_of_different_networks_are_refused(graph: Graph, pixels: np.ndarray) -> None:
    other = dsanet_graph(
        load_checkpoint(CHECKPOINT), preprocessing=Preprocessing(), variant="split"
    )
    with pytest.raises(ExportError, match="the two files have different layers"):
        layer_errors(written(graph), written(other), pixels)
