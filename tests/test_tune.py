"""``edgeface tune``: the fastest accurate configuration is chosen, written, and then runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeface import cli_tune
from edgeface.bench.choose import choose
from edgeface.bundle import Bundle
from edgeface.cli import main
from edgeface.configured import settings
from edgeface.errors import BenchError
from edgeface.pipeline import Pipeline
from tests.bench_reports import damaged_head

QUICK = ["tune", "--seconds", "0.2", "--processes", "4", "--sweep-threads", "1"]


def _entry(name: str, ms: float, *, threads: int = 1, cosine: float = 0.999, **more) -> dict:
    times = [ms * (1 + 0.002 * n) for n in range(5)]
    return {
        "name": name,
        "status": "measured",
        "threads": threads,
        "selftest_cosine": cosine,
        "medians_ms": {"together": times},
        "rows": {"together": {"p50_ms": times[2]}},
        **more,
    }


def test_fastest_is_chosen() -> None:
    found = choose([_entry("slow", 9), _entry("fast", 5, threads=4), _entry("middle", 7)])
    assert found.entry["name"] == "fast" and "fastest of all" in found.why


def test_near_tie_goes_to_fewer_threads_then_to_the_higher_cosine() -> None:
    entries = [_entry("four", 5.0, threads=4), _entry("one", 5.1), _entry("far", 6.0)]
    found = choose(entries)
    assert found.entry["name"] == "one" and "as fast as four" in found.why
    found = choose([_entry("low", 5.0, cosine=0.985), _entry("high", 5.05, cosine=0.9999)])
    assert found.entry["name"] == "high" and "higher cosine" in found.why


def test_noise_does_not_excuse_a_much_slower_one_but_is_said() -> None:
    noisy = _entry("noisy", 8)
    noisy["medians_ms"]["together"] = [6, 5, 8, 9, 12]
    fast = _entry("fast", 4, threads=2)
    fast["medians_ms"]["together"] = [4, 4.1, 4.2, 9, 14]
    found = choose([fast, noisy])
    assert (
        found.entry["name"] == "fast"
        and "not certain, by the noise, against 1 of 1 others" in found.why
    )


def test_process_that_was_disturbed_costs_a_configuration_nothing() -> None:
    disturbed = _entry("disturbed", 5)
    disturbed["medians_ms"]["together"] = [5, 11, 12, 13, 14]
    assert choose([disturbed, _entry("slower", 6)]).entry["name"] == "disturbed"


def test_refused_is_never_chosen_however_fast() -> None:
    refused = {"name": "quick", "status": "refused", "reason": "cosine 0.7"}
    assert choose([refused, _entry("sound", 9)]).entry["name"] == "sound"
    with pytest.raises(BenchError, match=r"no configuration can run here: quick: cosine 0\.7"):
        choose([refused])


def test_damaged_files_are_not_tuned_to_and_the_choice_is_written(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    bundle = damaged_head(Bundle.open(), tmp_path / "damaged.efb")
    file = tmp_path / "edgeface.toml"
    file.write_text("# mine\n[other]\nkept = true\n")
    monkeypatch.setenv("EDGEFACE_CONFIG", str(file))
    assert main([*QUICK, "--runtime", "onnx", "--bundle", str(bundle.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    states = {one["variant"]: one["status"] for one in found["report"]["configurations"]}
    assert states == {"whole": "measured", "split": "refused"}
    assert (settings().runtime, settings().variant, settings().threads) == ("onnx", "whole", 1)
    assert "# mine" in file.read_text() and found["written"] == str(file)


def test_dry_run_writes_nothing_and_says_why(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("EDGEFACE_CONFIG", str(tmp_path / "edgeface.toml"))
    assert main([*QUICK, "--runtime", "onnx", "--variant", "split", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "chosen: onnx split int8, 1 thread" in out and "nothing was written" in out
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(cli_tune, "measure", lambda *_, **__: pytest.fail("measured"))
    assert main([*QUICK, "--out", str(tmp_path / "file" / "edgeface.toml")]) == 1
    assert "may not be written" in capsys.readouterr().err


def test_too_few_processes_are_wrong_usage(capsys) -> None:
    assert main(["tune", "--processes", "2"]) == 2
    assert "at least 4" in capsys.readouterr().err


def test_pipeline_and_bench_run_what_was_tuned(tmp_path: Path, monkeypatch, capsys) -> None:
    file = tmp_path / "edgeface.toml"
    monkeypatch.setenv("EDGEFACE_CONFIG", str(file))
    assert main([*QUICK, "--runtime", "onnx", "--variant", "split"]) == 0
    assert f"written: {file}" in capsys.readouterr().out
    with Pipeline.open() as pipeline:
        assert (pipeline.runtime, pipeline.variant) == ("onnx", "split")
    assert main(["bench", "--runs", "4", "--processes", "1", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["configurations"]
    assert (found["runtime"], found["variant"]) == ("onnx", "split")
