"""Reports: the schema holds, refused files are no candidates, pages need nothing from outside."""

from __future__ import annotations

import copy
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

from edgeface.artefact import artefacts
from edgeface.bench.findings import findings
from edgeface.bench.page import page
from edgeface.bench.report import fastest, read_report, report_schema
from edgeface.bench.sustained import sustained
from edgeface.bench.timeline import Timeline
from edgeface.board import Board
from edgeface.board_sensors import Sample, Sensors
from edgeface.bundle import Bundle
from edgeface.cli import main
from edgeface.errors import BenchError
from tests.bench_reports import damaged_head, measured
from tests.board.trees import write_tree

THERMAL = "sys/class/thermal"
VOID = {"meta", "br"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A sweep of a whole file, and of a split one whose head is damaged."""
    folder = tmp_path_factory.mktemp("bench")
    bundle = damaged_head(Bundle.open(), folder / "damaged.efb")
    return measured(bundle, "embedder.onnx", "backbone.onnx")


def _long_run(rise: float) -> dict:
    """What a worker answers after 160 seconds whose times grew by `rise` on the way."""
    at = np.arange(0, 160, 0.1)
    times = 5 * (1 + rise * at / 160) + np.random.default_rng(0).gamma(2, 0.1, len(at))
    return {"at_s": at, "samples_ms": {"together": times}, "began": 10.0, "ended": 170.0}


def test_report_keeps_to_its_schema_by_two_validators(swept: dict, tmp_path: Path) -> None:
    report = {**swept, "kind": "sustained", "sustained": sustained(_long_run(0.1))}
    jsonschema.validate(report, report_schema())
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    assert read_report(file) == json.loads(json.dumps(report))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ("[]", "expected a report of edgeface bench --json"),
        ('{"format": "edgeface bench"}', "expected a report"),
    ],
)
def test_file_that_is_no_report_is_refused(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    with pytest.raises(BenchError, match=says):
        read_report(file)


def test_report_of_a_later_version_or_without_times_is_refused(swept: dict, tmp_path: Path) -> None:
    later, empty = copy.deepcopy(swept), copy.deepcopy(swept)
    later["version"] = 2
    empty["configurations"][0]["samples_ms"]["together"] = []
    for report, says in ((later, "version"), (empty, "samples_ms.together")):
        file = tmp_path / "x.json"
        file.write_text(json.dumps(report))
        with pytest.raises(BenchError, match=says):
            read_report(file)


def test_file_whose_self_test_falls_is_refused_with_its_cosine(swept: dict) -> None:
    whole, split = swept["configurations"]
    assert whole["status"] == "measured" and whole["selftest_cosine"] > 0.99
    assert split["status"] == "refused" and split["selftest_cosine"] < 0.98
    assert "self-test failed" in split["reason"] and "rows" not in split
    assert swept["fastest"] == whole["name"] == fastest(swept["configurations"])


def test_npu_is_measured_like_every_other_runtime(fakes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(write_tree(tmp_path, "rk3576_vendor")))
    monkeypatch.setenv("EDGEFACE_RKNNRT", str(fakes.library("librknnrt.so")))
    bundle = Bundle.open(fakes.bundle)
    file = next(one.file for one in artefacts(bundle) if one.runtime == "rknn")
    report = measured(bundle, file)
    (found,) = report["configurations"]
    assert found["status"] == "measured" and found["selftest_cosine"] > 0.98
    assert "embed: backbone" in found["rows"] and report["machine"]["npu"] == "rknpu 0.9.8"
    monkeypatch.setenv("EDGEFACE_RKNNRT", "/nowhere")
    (gone,) = measured(bundle, file)["configurations"]
    assert gone["status"] == "unavailable" and "/nowhere" in gone["reason"]


def test_nothing_measurable_is_1_and_says_why(tmp_path: Path, capsys) -> None:
    bundle = damaged_head(Bundle.open(), tmp_path / "damaged.efb")
    words = ["bench", "--variant", "split", "--bundle", str(bundle.path), "--html"]
    page_file = tmp_path / "page.html"
    assert main([*words, str(page_file)]) == 1
    assert "REFUSED" in capsys.readouterr().err and "refused" in page_file.read_text()


def _heated(root: Path, *, state: int, khz: int) -> dict:
    """Conditions on a board that is cool first, and then as told."""
    sensors = Sensors(root)
    with Timeline(sensors) as timeline:
        (root / THERMAL / "cooling_device0/cur_state").write_text(f"{state}\n")
        for policy in (root / "sys/devices/system/cpu/cpufreq").glob("policy*"):
            (policy / "scaling_cur_freq").write_text(f"{khz}\n")
        while len(timeline.moments) < 9:
            time.sleep(0.05)
    return timeline.conditions()


def test_throttling_is_found(tmp_path: Path, monkeypatch) -> None:
    root = write_tree(tmp_path, "rk3576_vendor")
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(root))
    conditions = _heated(root, state=2, khz=408000)
    found = {one["what"]: one for one in findings(Board.detect(), conditions, [])}
    assert found["throttled"]["level"] == "warning" and "THROTTLED" in found["throttled"]["text"]
    assert conditions["before"]["throttled"] == 0 and conditions["after"]["throttled"] == 1
    assert found["governor"]["level"] == "note"


def test_cool_board_at_full_clock_has_nothing_to_warn_of(tmp_path: Path) -> None:
    root = write_tree(tmp_path, "rk3576_vendor")
    for policy in (root / "sys/devices/system/cpu/cpufreq").glob("policy*"):
        (policy / "scaling_governor").write_text("performance\n")
        (policy / "scaling_cur_freq").write_text((policy / "cpuinfo_max_freq").read_text())
    conditions = _heated(root, state=0, khz=2304000)
    found = findings(Board.detect(root), conditions, [])
    assert [one for one in found if one["level"] == "warning"] == []


def test_machine_without_sensors_says_that_throttling_would_go_unseen(swept: dict) -> None:
    conditions = copy.deepcopy(swept["conditions"])
    conditions["during"].update(temperatures_c={}, clocks_khz={})
    found = findings(Board.detect(), conditions, [])
    assert "would go unseen" in page({**swept, "findings": found})


def test_clock_below_its_highest_under_performance_is_found(tmp_path: Path) -> None:
    root = write_tree(tmp_path, "rk3576_vendor")
    for policy in (root / "sys/devices/system/cpu/cpufreq").glob("policy*"):
        (policy / "scaling_governor").write_text("performance\n")
    found = findings(Board.detect(root), _heated(root, state=0, khz=1200000), [])
    assert any(one["what"] == "clock" and "1200 MHz" in one["text"] for one in found)


def test_clock_of_an_idle_cluster_is_no_warning(tmp_path: Path) -> None:
    root = write_tree(tmp_path, "rk3576_vendor")
    board = Board.detect(root)
    conditions = _heated(root, state=0, khz=408000)
    idle, ran = ({"cpus": list(one.cpus)} for one in board.clusters)
    name = board.clusters[1].name
    conditions["timeline"]["clocks_khz"] = {name: [2000000] * 8 + [408000] * 8}
    for entries, warned in (([idle], False), ([ran], True), ([idle, {"cpus": None}], True)):
        found = [one["what"] for one in findings(board, conditions, entries)]
        assert ("clock" in found) == warned


@pytest.mark.parametrize(("others", "stolen", "expected"), [(1.5, 0.3, {"busy", "stolen"}),
                                                            (0.1, 0.0, set())])  # fmt: skip
def test_busy_machine_is_found(swept: dict, others: float, stolen: float, expected: set) -> None:
    load = {"others_cpus": others, "stolen_cpus": stolen}
    found = findings(Board.detect(), swept["conditions"], [{"load": load}])
    assert {one["what"] for one in found} & {"busy", "stolen"} == expected


def test_energy_is_that_between_two_moments() -> None:
    class Counter:
        def __init__(self) -> None:
            self.calls = 0

        def sample(self):
            self.calls += 1
            return Sample({}, {}, {}, None, {"package": 1000 * self.calls})

    timeline = Timeline(Counter())
    timeline.moments = [(float(n), timeline._sensors.sample()) for n in range(5)]
    assert timeline.energy_uj(0.5, 3.0) == {"package": 2500.0}


@pytest.mark.parametrize(("rise", "word"), [(0.2, "grew slower"), (-0.2, "grew faster"),
                                            (0.0, "steady")])  # fmt: skip
def test_drift_is_found_with_its_slope(rise: float, word: str) -> None:
    drift = sustained(_long_run(rise))["drift"]
    assert drift["word"] == word and drift["edge_s"] == 40
    slope = drift["percent_per_minute"]
    assert slope["low"] <= slope["value"] <= slope["high"]
    assert (slope["low"] > 0) == (rise > 0) and (slope["high"] < 0) == (rise < 0)


@pytest.mark.parametrize("minutes", [10, 18, 60])
def test_drift_of_a_run_of_many_minutes_is_found(minutes: int) -> None:
    run, stretch = _long_run(0.3), minutes * 60 / 160
    run["at_s"], run["ended"] = run["at_s"] * stretch, run["began"] + minutes * 60
    drift = sustained(run)["drift"]
    assert drift["word"] == "grew slower" and drift["edge_s"] == minutes * 6
    assert drift["percent_per_minute"]["value"] == pytest.approx(26 / minutes, rel=0.2)


def test_run_too_short_says_nothing_of_drift() -> None:
    run = _long_run(0.1)
    run["at_s"], run["samples_ms"] = (
        run["at_s"][:3],
        {"together": run["samples_ms"]["together"][:3]},
    )
    assert sustained(run)["drift"] is None


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(params=["sweep", "sustained"])
def html(request, swept: dict) -> str:
    report = copy.deepcopy(swept)
    report["configurations"][0]["name"] = '<script>"&'
    report["fastest"] = '<script>"&'
    series = {"seconds": [0, 1, 2], "throttled": [0, 1, 1]}
    series["temperatures_c"] = {"soc-thermal": [40.0, None, 60.0]}
    series["clocks_khz"] = {"cortex-a72": [2304000, 1800000, 1800000]}
    report["conditions"]["timeline"] = series
    if request.param == "sustained":
        report["kind"], report["sustained"] = "sustained", sustained(_long_run(0.1))
    return page(report)


def test_page_is_well_formed_and_its_pictures_are_xml(html: str) -> None:
    parser = _Balance()
    parser.feed(html)
    parser.close()
    assert parser.open == [] and "script" not in parser.seen
    pictures = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(pictures) >= 8
    for picture in pictures:
        assert "nan" not in picture and len(ElementTree.fromstring(picture)) > 3


def test_page_needs_nothing_from_outside(html: str) -> None:
    assert not re.search(r"https?:|//|src=|href=|url\(|@import|<link|<iframe|<object", html)
    assert "prefers-color-scheme:dark" in html and "width=device-width" in html


def test_page_shows_what_was_measured_and_what_was_refused(swept: dict) -> None:
    shown, (whole, split) = page(swept), swept["configurations"]
    assert f"{whole['rows']['together']['p50_ms']:.3f}" in shown
    assert f"refused, cosine {split['selftest_cosine']:.4f}" in shown
    assert "Latency of each stage" in shown and "Configurations" in shown
