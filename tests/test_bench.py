"""``edgeface bench``: what it times is what runs, and noise is not sold as a difference."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from edgeface.artefact import choose_artefact
from edgeface.bench.compare import compare
from edgeface.bench.figures import BLOCK, MIN_ROUNDS, median_interval, orders, percentiles, ratio
from edgeface.bench.rows import print_csv
from edgeface.bundle import Bundle
from edgeface.cli import main
from tests.bundles import whole_only

COLUMNS = (
    "date,commit,board,os,runtime,model,precision,threads,batch,warmup,runs,"
    "p50_ms,p95_ms,p99_ms,peak_mb,cosine_vs_fp32"
)


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]):
    """Run ``edgeface bench``: (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        try:
            code = main(["bench", *words])
        except SystemExit as stop:  # argparse's way to say wrong usage
            code = stop.code
        return (code, *capsys.readouterr())

    return run


def _noise(rounds: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2, 1, rounds) + 10


def test_each_goes_first_half_the_time_in_blocks() -> None:
    led = orders(8 * BLOCK)
    assert led.mean() == 0.5 and led[:BLOCK].all() and np.count_nonzero(np.diff(led)) == 7


def test_equal_times_are_within_the_noise() -> None:
    led = orders(200)
    verdicts = [ratio(_noise(200, s), _noise(200, s + 500), led).faster for s in range(100)]
    assert verdicts.count(None) >= 90


def test_difference_larger_than_the_noise_is_found_from_either_side() -> None:
    led = orders(200)
    fast, slow = _noise(200, 1), 1.3 * _noise(200, 2)
    assert ratio(fast, slow, led).faster == 0 and ratio(slow, fast, led).faster == 1
    found = ratio(fast, slow, led)
    assert found.low <= found.value <= found.high < 1
    assert found.value == pytest.approx(1 / ratio(slow, fast, led).value, rel=0.01)


def test_advantage_of_going_first_is_no_difference() -> None:
    led = orders(400)
    first, second = np.where(led, 9.0, 11.1), np.where(led, 11.0, 9.0)
    found = ratio(first, second, led)
    assert found.when_first < 1 < found.when_second and found.faster is None


def test_fewest_rounds_still_give_an_interval() -> None:
    led = orders(MIN_ROUNDS)
    found = ratio(_noise(MIN_ROUNDS, 1), _noise(MIN_ROUNDS, 2), led)
    assert 0 < found.low <= found.high
    assert median_interval([3, 1, 2, 6, 5, 4]) == (1, 6)


def test_interval_of_the_median_holds_the_median_nineteen_times_in_twenty() -> None:
    samples = np.random.default_rng(0).standard_normal((400, 20))
    held = [low <= 0 <= high for low, high in map(median_interval, samples)]
    assert 0.93 < np.mean(held) < 0.99


def test_percentiles_are_milliseconds() -> None:
    seconds = np.arange(1, 101) / 1000
    found = percentiles(seconds)
    assert found == pytest.approx(
        {"p50_ms": 50.5, "p90_ms": 90.1, "p95_ms": 95.05, "p99_ms": 99.01, "max_ms": 100}
    )


def test_comparison_times_both_variants_and_the_parts_of_split() -> None:
    bundle = Bundle.open()
    files = {name: choose_artefact(bundle, variant=name) for name in ("split", "whole")}
    report = compare(bundle, files, runs=160, seconds=30)
    rows = report["rows"]
    assert list(rows) == ["split", "split: backbone", "split: head", "whole"]
    parts = rows["split: backbone"]["p50_ms"] + rows["split: head"]["p50_ms"]
    assert rows["split"]["p50_ms"] == pytest.approx(parts, rel=0.5)
    low, value, high = (report["ratio"][key] for key in ("low", "value", "high"))
    assert 0.1 < low <= value <= high < 10
    assert 0.97 < report["cosine"] < 1.0  # two computations, one network
    assert report["runs"] == 160


def test_json_says_what_the_figures_depend_on(bench) -> None:
    code, out, _ = bench("--compare", "whole,split", "--runs", "120", "--batch", "2", "--json")
    report = json.loads(out)
    assert code == 0 and report["ratio"]["of"] == ["whole", "split"] and report["batch"] == 2
    assert report["faster"] in ("whole", "split", None)
    setting = report["setting"]
    assert setting["threads"] == 1 and setting["runtime"]["onnxruntime"] and setting["isa"]
    assert setting["model_id"] == Bundle.open().model_id


def test_text_says_which_is_faster_or_that_noise_hides_it(bench) -> None:
    code, out, err = bench("--compare", "split,whole", "--runs", "120")
    assert (code, err) == (0, "")
    assert "split takes" in out and "95 % interval" in out and "least cosine" in out
    assert ("\nfaster here: " in out) != ("within the noise" in out)


def test_without_comparison_every_stage_is_timed(bench) -> None:
    words = ("--runs", "6", "--processes", "2", "--variant", "split", "--json")
    (found,) = json.loads(bench(*words)[1])["configurations"]
    stages = ["detect", "align", "embed", "embed: backbone", "embed: head", "together"]
    assert list(found["rows"]) == stages and found["variant"] == "split"
    assert (found["runs"], found["processes"]) == (6, 2)
    for row in found["rows"].values():
        assert row["max_ms"] >= row["p99_ms"] >= row["p90_ms"] >= row["p50_ms"] > 0
    parts = sum(min(found["samples_ms"][stage]) for stage in ("detect", "align", "embed"))
    assert min(found["samples_ms"]["together"]) >= 0.99 * parts
    assert found["cold_start_ms"]["total"] > found["cold_start_ms"]["import"] > 0
    assert 30 < found["peak_mb"] < 2000 and found["selftest_cosine"] > 0.98


def test_seconds_end_it_early(bench) -> None:
    words = ("--runs", "1000000", "--seconds", "0.2", "--processes", "1", "--json")
    (found,) = json.loads(bench(*words)[1])["configurations"]
    assert 3 <= found["runs"] < 1000


def test_text_has_percentiles_and_what_else_was_measured(bench) -> None:
    code, out, _ = bench("--runs", "5", "--processes", "1")
    assert code == 0 and "p90 ms" in out and "max ms" in out and "together" in out
    assert "cold start" in out and "peak memory" in out and "pictures a second" in out


def test_csv_has_the_columns_of_every_performance_table(bench) -> None:
    words = (
        "--compare",
        "split,whole",
        "--runs",
        "120",
        "--csv",
        "--commit",
        "abc",
        "--board",
        "x",
    )
    code, out, _ = bench(*words)
    assert code == 0 and out.splitlines()[0] == COLUMNS
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 4
    for row in rows:
        assert row["commit"] == "abc" and row["board"] == "x" and row["runs"] == "120"
        assert float(row["p50_ms"]) > 0 and float(row["peak_mb"]) > 10


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--compare", "split"), "'split', expected two different ones of nbg:split"),
        (("--compare", "split,split"), "'split,split', expected"),
        (("--compare", "split,whole", "--runs", "3"), "takes at least 120"),
        (("--runs", "0"), "not at least 1"),
        (("--seconds", "0"), "not more than 0"),
        (("--variant", "half"), "invalid choice: 'half'"),
        (("--compare", "split,whole", "--variant", "split"), "leave one of them out"),
        (("--batch", "4"), "--batch goes with --compare"),
        (("--compare", "split,whole", "--html", "x"), "do not go with --compare"),
        (("--sweep-threads", "1,2"), "goes with --sweep"),
        (("--sweep", "--minutes", "1"), "not allowed with argument"),
        (("--cpus", "1", "--cluster", "x"), "not allowed with argument"),
        (("--cpus", "one"), "'one' is no list of CPUs"),
        (("--cpus", "0-99999999999"), "'0-99999999999' is no list of CPUs"),
    ],
)
def test_wrong_usage_is_2(bench, words: tuple, expected: str) -> None:
    code, out, err = bench(*words)
    assert (code, out) == (2, "") and expected in err


def test_csv_and_json_at_once_are_wrong_usage(bench) -> None:
    code, _, err = bench("--csv", "--json")
    assert code == 2 and "expected one of them" in err


def test_stages_as_csv_have_the_same_columns(bench) -> None:
    code, out, _ = bench("--runs", "5", "--processes", "1", "--csv", "--board", "x")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0 and out.splitlines()[0] == COLUMNS and len(rows) == 6
    assert all(float(row["p99_ms"]) >= float(row["p50_ms"]) > 0 for row in rows)
    assert all(row["threads"] == "1" and row["board"] == "x" for row in rows)


def test_rows_of_clusters_differ_in_their_board(capsys) -> None:
    setting = {"bundle": "b 1", "runtime": {"onnxruntime": "1"}, "isa": "neon"}
    print_csv([{"model": "m", "place": p} for p in ("", "a72")], setting, board="x", commit="")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["board"] for row in rows] == ["x", "x a72"]


def test_comparison_goes_into_a_file_too(bench, tmp_path: Path) -> None:
    file = tmp_path / "compared.json"
    code, out, _ = bench("--compare", "split,whole", "--runs", "120", "--json", str(file))
    assert code == 0 and f"written: {file}" in out and "split takes" in out
    assert json.loads(file.read_text())["ratio"]["of"] == ["split", "whole"]


@pytest.mark.parametrize("words", [("--json",), ("--minutes", "9", "--html")])
def test_file_that_cannot_be_written_is_said_before_anything_is_measured(
    bench, words: tuple, tmp_path: Path
) -> None:
    for place in (tmp_path, tmp_path / "missing" / "file"):
        code, _, err = bench(*words, str(place))
        assert code == 1 and str(place) in err and "minutes" not in err


def test_unknown_cluster_and_forbidden_cpu_are_1(bench) -> None:
    code, _, err = bench("--cluster", "cortex-z1", "--runs", "5")
    assert code == 1 and "--cluster cortex-z1" in err and "name one of these" in err
    code, _, err = bench("--cpus", "4095", "--runs", "5")
    assert code == 1 and "4095 is not there or not allowed" in err


def test_comparison_of_a_bundle_without_split_is_1(bench, tmp_path: Path) -> None:
    old = whole_only(Bundle.open(), tmp_path / "old.efb")
    code, out, err = bench("--compare", "split,whole", "--bundle", str(old))
    assert (code, out) == (1, "") and "has no split embedder for onnx, it has: onnx whole" in err
