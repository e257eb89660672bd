"""A report for people: what a terminal shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeface.bench.difference import LEAST, difference
from edgeface.bench.figures import PERCENTILES
from edgeface.bench.stages import TOGETHER

COLUMNS = (*(f"p{p}_ms" for p in PERCENTILES), "max_ms")


def stage_rows(entry: Mapping[str, Any]) -> list[list[str]]:
    """Return a table of one configuration's stages, its heading first."""
    rows = [
        [stage, *(f"{row[key]:.3f}" for key in COLUMNS)] for stage, row in entry["rows"].items()
    ]
    return [["", *(key.replace("_", " ") for key in COLUMNS)], *rows]


def sweep_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Return a table of all configurations, fastest first and those that cannot run last."""
    there = [one for one in report["configurations"] if one["status"] == "measured"]
    there.sort(key=lambda one: one["rows"][TOGETHER]["p50_ms"])
    rows = [
        [
            one["name"],
            f"{one['selftest_cosine']:.4f}",
            f"{one['rows'][TOGETHER]['p50_ms']:.3f}",
            f"{one['rows'][TOGETHER]['p95_ms']:.3f}",
            f"{one['rows']['embed']['p50_ms']:.3f}",
            f"{one['throughput_per_s']:.1f}",
            f"{one['cold_start_ms']['total']:.0f}",
            f"{one['peak_mb']:.0f}",
            "" if one is there[0] else over(there[0], one),
        ]
        for one in there
    ]
    heading = "configuration,cosine,p50 ms,p95 ms,embed,per s,start ms,MB,over the fastest"
    return [heading.split(","), *rows]


def left_out(report: Mapping[str, Any]) -> list[str]:
    """Return a line for each configuration that could not be measured."""
    return [
        f"{one['name']}: {one['status'].upper()}: {one['reason']}"
        for one in report["configurations"]
        if one["status"] != "measured"
    ]


def over(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return how many times as long the other one takes, with its interval where there is one."""
    mine, others = first["medians_ms"][TOGETHER], other["medians_ms"][TOGETHER]
    if min(len(mine), len(others)) < LEAST:
        return f"×{other['rows'][TOGETHER]['p50_ms'] / first['rows'][TOGETHER]['p50_ms']:.2f}"
    found = difference(mine, others)
    return f"×{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def summary(entry: Mapping[str, Any]) -> list[str]:
    """Return lines with what is not a stage's time: throughput, start, memory, energy."""
    start = entry["cold_start_ms"]
    lines = [
        f"{entry['throughput_per_s']:.1f} pictures a second, one after another; peak memory "
        f"{entry['peak_mb']:.0f} MB; self-test cosine {entry['selftest_cosine']:.4f}",
        f"cold start {start['total']:.0f} ms: import {start['import']:.0f}, load "
        f"{start['load']:.0f}, self-test {start['selftest']:.0f}, first picture "
        f"{start['first']:.0f} (medians of {entry['processes']})",
    ]
    if entry["energy_mj"]:
        each = ", ".join(f"{name} {value:.2f} mJ" for name, value in entry["energy_mj"].items())
        lines.append(f"energy a picture, idle parts included: {each}")
    return lines


def condition_lines(report: Mapping[str, Any]) -> list[str]:
    """Return lines with temperatures, clocks and governors, where sensors gave any."""
    conditions = report["conditions"]
    before, during, after = (conditions[key] for key in ("before", "during", "after"))
    lines = [
        f"{name}: {before['temperatures_c'].get(name, values['min']):.1f} °C before, at most "
        f"{values['max']:.1f} during, {after['temperatures_c'].get(name, values['max']):.1f} after"
        for name, values in during["temperatures_c"].items()
    ]
    lines += [
        f"{name}: {values['min'] / 1000:.0f} to {values['max'] / 1000:.0f} MHz, governor "
        f"{before['governors'].get(name, 'unknown')}"
        for name, values in during["clocks_khz"].items()
    ]
    return lines


def drift_line(report: Mapping[str, Any]) -> str:
    """Return one line on the drift of a sustained run."""
    drift = report["sustained"]["drift"]
    if drift is None:
        return "too short to say whether it drifts: take more --minutes"
    ratio, slope = drift["last_over_first"], drift["percent_per_minute"]
    return (
        f"{drift['word']}: the last {drift['edge_s']:.0f} s take {ratio['value']:.3f} of the "
        f"first's time (95 % interval {ratio['low']:.3f} to {ratio['high']:.3f}); slope "
        f"{slope['value']:+.2f} % a minute ({slope['low']:+.2f} to {slope['high']:+.2f})"
    )
