"""No change makes an embedding or a search cost the boards more instructions, unnoticed."""

from __future__ import annotations

import json

from export.verify.machine import Machine
from tests.emulated import counts


def test_instructions_are_those_of_the_baseline(machine: Machine) -> None:
    baseline = json.loads(counts.BASELINE.read_text())
    pinned = [machine.wheel(wheel.split()[0]) for wheel in baseline["wheels"]]
    assert pinned == baseline["wheels"], f"other wheels than the baseline's: {counts.ACCEPT}"
    problems = []
    for core, counted in counts.count_all(machine, counts.GATED_CORES).items():
        expected = baseline["cores"][core]["instructions"]
        assert set(expected) == set(counts.WORKLOADS)
        problems += counts.changes(counts.instructions(counted), expected, core)
    assert problems == []


def test_a_change_is_named_from_half_a_percent_on() -> None:
    baseline = {"search": 1_000_000}
    assert counts.changes({"search": 1_004_900}, baseline, "cortex-a72") == []
    assert counts.changes({"search": 995_100}, baseline, "cortex-a72") == []
    for found in (1_006_000, 994_000):
        (problem,) = counts.changes({"search": found}, baseline, "cortex-a55")
        assert "search on cortex-a55" in problem
        assert counts.ACCEPT in problem
