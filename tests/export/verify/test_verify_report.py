"""The report: one file that needs nothing else, with the numbers that were measured."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from export.errors import VerifyError
from export.verify.figures import Result, Size
from export.verify.gates import judge, refuse
from export.verify.measure import measure
from export.verify.report import write_report
from export.verify.sets import FaceSet, Pairs

PEOPLE, EACH = 50, 4


class Page(HTMLParser):
    """Collects tags, and what they load or link."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        self.tags.append(tag)
        self.links += [v for k, v in attributes if k in ("src", "href", "xlink:href")]


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def result(title: str, *, noise: float) -> Result:
    """An artefact's figures on synthetic embeddings that differ from float by some noise."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(PEOPLE), EACH)
    wanted = unit(rng.normal(size=(PEOPLE, 64))[people] + 0.7 * rng.normal(size=(200, 64)))
    found = unit(wanted + noise * rng.normal(size=wanted.shape))
    crops = np.zeros((200, 2, 2, 3), np.uint8)
    groups = {"race": np.tile(["a", "b"], 100), "age": np.tile(["3-9", "10-19"], 100)}
    first, second = np.arange(0, 200, 2), (np.arange(0, 200, 2) + np.tile([1, 21], 50)) % 200
    pairs = Pairs(first, second, people[first] == people[second], np.arange(100) % 10)
    sets = {
        "faces": FaceSet("faces", crops, "synthetic faces", groups=groups),
        "people": FaceSet("people", crops, "synthetic people", people=people),
        "pairs": FaceSet("pairs", crops, "synthetic pairs", pairs=pairs),
    }
    figures = {name: measure(found, wanted, faces) for name, faces in sets.items()}
    size = Size(290, 1000, "float/whole.onnx", 0.29)
    return Result(title, "onnx", "whole", "int8", None, "w.onnx", size, 0.0, None, figures)


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A measured build: a sound artefact, and one that differs too much."""
    results = [result("onnx whole int8", noise=0.01), result("tflite whole int8", noise=0.1)]
    rows = [row for one in results for row in judge(one)]
    provenance = {
        "seed": 0,
        "sha256": {"float network": "ab" * 32},
        "sets": {"faces": {"source": "synthetic faces", "sha256": "cd" * 32}},
        "tools": {"numpy": np.__version__},
    }
    figures = {
        "source": {"name": "net & <friends>", "dim": 64, "licence": {}},
        "provenance": provenance,
        "artefacts": [{"file": "w.onnx", "built_with": {"onnx": "1"}}] * 2,
        "results": [asdict(one) for one in results],
        "gates": rows,
    }
    (tmp_path / "verify").mkdir()
    (tmp_path / "verify" / "figures.json").write_text(json.dumps(figures, allow_nan=False))
    return tmp_path


def test_page_is_whole_and_loads_nothing(measured) -> None:
    path = write_report(measured)
    text, page = path.read_text(), Page()
    page.feed(text)
    assert not {"img", "script", "link", "iframe"} & set(page.tags)
    assert all(link.startswith("#") for link in page.links)
    assert re.findall(r"@import|url\((?!#)", text) == []
    assert page.tags.count("svg") == 5  # one ROC, two histograms, two attributes
    assert 'name="viewport"' in text
    assert "net &amp; &lt;friends&gt;" in text


def test_failed_gates_are_named_at_the_top(measured) -> None:
    text = write_report(measured).read_text()
    numbers = json.loads((measured / "verify" / "report.json").read_text())
    failed = [row for row in numbers["gates"] if not row["passed"]]
    assert {row["artefact"] for row in failed} == {"tflite whole int8"}
    assert f"{len(failed)} of {len(numbers['gates'])} gates failed" in text
    assert text.index("What failed") < text.index("Summary")


def test_json_beside_holds_the_figures_of_the_page(measured) -> None:
    text = write_report(measured).read_text()
    numbers = json.loads((measured / "verify" / "report.json").read_text())
    for one in numbers["results"]:
        assert f"{one['sets']['faces']['agreement']['mean']:.4f}" in text
        assert f"{one['sets']['people']['at_far'][0]['tar']['value']:.4f}" in text


def test_optional_parts_are_drawn_when_they_were_measured(measured) -> None:
    row = {"label": "onnxruntime, whole, 1 thread", "value": 0.61, "low": 0.58, "high": 0.66}
    row |= {"undisturbed": 0.6, "int8_ms": 1.5, "float_ms": 2.5, "rounds": 120}
    latency = {"note": "measured here", "rows": [row]}
    (measured / "verify" / "latency.json").write_text(json.dumps(latency))
    agreement = {"cosine": 0.98, "least": 0.95, "sqnr_db": 14.0}
    layers = [{"layer": "stem", "operator": "Conv", "only": agreement, "but": agreement}]
    sensitivity = {"faces": 8, "int8": agreement, "layers": layers, "kept": ["stem"]}
    (measured / "sensitivity.json").write_text(json.dumps(sensitivity))
    (measured / "rk3576").mkdir()
    (measured / "rk3576" / "backbone.layers.csv").write_text(
        "op,cycles\nConv,1200\nConv,300\nAdd,20\n"
    )
    other = measured / "other"
    (other / "verify").mkdir(parents=True)
    (other / "verify" / "figures.json").write_text(
        (measured / "verify" / "figures.json").read_text()
    )
    text = write_report(measured, beside=[other]).read_text()
    assert "0.61 [0.58, 0.66]" in text and "onnxruntime, whole, 1 thread" in text
    assert "1,520 cycles" in text and "Layers to keep in higher precision: stem" in text
    assert "Beside other networks" in text


def test_report_without_figures_says_what_to_run(tmp_path) -> None:
    with pytest.raises(VerifyError, match="python -m export verify"):
        write_report(tmp_path)


def test_refusal_names_gate_measure_limit_and_remedy() -> None:
    rows = judge(result("tflite whole int8", noise=0.1))
    with pytest.raises(VerifyError) as caught:
        refuse(rows, artefacts=["tflite whole int8", "rk3576 split int8"])
    text = str(caught.value)
    assert re.search(
        r"tflite whole int8: cosine mean: measured 0\.\d+, expected at least 0.98", text
    )
    assert "calibration photos" in text
    assert "rk3576 split int8: not verified" in text
    refuse(judge(result("onnx whole int8", noise=0.01)), artefacts=["onnx whole int8"])


def test_gate_row_of_a_missing_figure_has_failed_and_is_strict_json() -> None:
    one = result("onnx whole int8", noise=0.01)
    rows = judge(Result(**{**vars(one), "sets": {}, "input_error": float("nan")}))
    missing = {row["name"]: row for row in rows if row["measured"] is None}
    assert {"input error", "cosine mean", "cosine min"} == set(missing)
    assert not any(row["passed"] for row in missing.values())
    json.dumps(rows, allow_nan=False)


def test_another_limit_stands_in_the_row_and_a_wrong_name_is_refused() -> None:
    rows = judge(result("onnx whole int8", noise=0.01), limits={"cosine mean": 0.9999})
    assert next(row for row in rows if row["name"] == "cosine mean")["limit"] == 0.9999
    with pytest.raises(ValueError, match="cosine median"):
        judge(result("onnx whole int8", noise=0.01), limits={"cosine median": 0.9})
