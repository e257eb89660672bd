"""``bench compare``: certain changes are called so, noise is not, and unlike things are refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from edgeface.bench.difference import difference
from edgeface.bundle import Bundle
from edgeface.cli import main
from tests.bench_reports import measured, with_times


@pytest.fixture(scope="module")
def report() -> dict:
    return measured(Bundle.open(), "embedder.onnx", kind="stages")


@pytest.fixture
def compare(tmp_path: Path, capsys):
    """Run ``bench compare`` on two reports: (exit code, stdout, stderr)."""

    def run(first: dict, second: dict, *words: str) -> tuple[int, str, str]:
        files = [tmp_path / "a.json", tmp_path / "b.json"]
        for file, content in zip(files, (first, second)):
            file.write_text(json.dumps(content))
        code = main(["bench", "compare", *map(str, files), *words])
        return (code, *capsys.readouterr())

    return run


def _times(scale: float, seed: int, processes: int = 6) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(10, 0.1, processes)


def test_interval_holds_the_true_ratio_at_least_nineteen_times_in_twenty() -> None:
    pairs = np.exp(0.1 * np.random.default_rng(0).standard_normal((600, 2, 5)))
    held = [(d := difference(first, 1.2 * second)).low <= 1.2 <= d.high for first, second in pairs]
    assert 0.94 < np.mean(held) < 1


def test_one_spoiled_process_moves_the_ratio_little() -> None:
    spoiled = [10, 10.1, 10.2, 9.9, 40]
    assert difference([10, 10.1, 10.2, 9.9, 10.05], spoiled).value == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("count", [4, 5, 7])
def test_series_that_do_not_overlap_differ(count: int) -> None:
    first = list(range(100, 100 + count))
    assert difference(first, [2 * t for t in first]).word == "slower"
    assert difference([2 * t for t in first], first).word == "faster"
    assert difference(first, first).word == "no difference"


def test_three_processes_show_nothing() -> None:
    with pytest.raises(ValueError, match="expected 4 or more"):
        difference([1, 2, 3], [1, 2, 3, 4])


def test_slower_beyond_the_tolerance_is_4(report: dict, compare) -> None:
    first, second = (with_times(report, 0, _times(s, i)) for i, s in enumerate((1, 1.2)))
    code, out, _ = compare(first, second)
    assert code == 4 and "SLOWER: onnx whole int8, 1 thread" in out and "slower" in out
    assert compare(first, second, "--tolerance", "30")[0] == 0
    assert compare(second, first)[0] == 0


def test_warnings_of_both_reports_are_repeated_though_they_are_the_same(report, compare) -> None:
    busy = {"level": "warning", "what": "busy", "text": "BUSY: others"}
    first = with_times({**report, "findings": [busy]}, 0, _times(1, 0))
    code, out, err = compare(first, first)
    assert code == 0 and "same setting" in out
    assert "warning: A: BUSY" in err and "warning: B: BUSY" in err


def test_json_has_ratio_and_interval(report: dict, compare) -> None:
    first, second = (with_times(report, 0, _times(s, i)) for i, s in enumerate((1, 0.8)))
    (row,) = json.loads(compare(first, second, "--json")[1])["rows"]
    assert row["low"] <= row["value"] <= row["high"] < 1 and row["word"] == "faster"
    assert row["value"] == pytest.approx(0.8, abs=0.03)


def test_noise_is_no_difference(report: dict, compare) -> None:
    first, second = (with_times(report, 0, _times(1, seed)) for seed in (3, 4))
    code, out, _ = compare(first, second, "--tolerance", "0")
    assert code == 0 and "no difference" in out


def test_lost_accuracy_is_4_however_fast(report: dict, compare) -> None:
    first, second = (with_times(report, 0, _times(s, i)) for i, s in enumerate((1, 0.5)))
    second["configurations"][0]["selftest_cosine"] = 0.981
    code, out, _ = compare(first, second)
    assert code == 4 and "LOST" in out and "0.9810" in out
    refused = copy.deepcopy(second)
    refused["configurations"][0].update(status="refused", reason="self-test failed: 0.7")
    assert compare(first, refused)[0] == 4


@pytest.mark.parametrize(("where", "key"), [("machine", "model"), ("setting", "model_id")])
def test_other_machine_or_bundle_is_refused_unless_asked(
    report: dict, compare, where: str, key: str
) -> None:
    first, second = (with_times(report, 0, _times(1, seed)) for seed in (3, 4))
    second[where][key] = "another"
    code, _, err = compare(first, second)
    assert code == 1 and "not of one thing" in err and "'another'" in err and "--anyway" in err
    code, out, _ = compare(first, second, "--anyway")
    assert code == 0 and "not the same: " in out


def test_too_few_processes_are_refused(report: dict, compare) -> None:
    code, _, err = compare(report, report)
    assert code == 1 and "--processes 5" in err


def test_reports_without_a_common_configuration_are_refused(report: dict, compare) -> None:
    other = with_times(report, 0, _times(1, 1), name="another one")
    code, _, err = compare(report, other)
    assert code == 1 and "share no configuration" in err


def test_missing_report_is_1(capsys, tmp_path: Path) -> None:
    assert main(["bench", "compare", str(tmp_path / "no"), str(tmp_path / "no")]) == 1
    assert "No such file" in capsys.readouterr().err
