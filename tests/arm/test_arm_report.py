"""The ARM report: exact counts, and a model of the in-order cores that keeps its own rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arm import blocks, inorder, report
from tests.check_build import arm_build, emulated_core, require_programs, run

LOOPS = 1000
# Exactly three instructions a pass.
MARKED_LOOP = """
#include <sys/prctl.h>
int main() {
  prctl(0x4546, 1L, 0L, 0L, 0L);
  long left = %d;
  __asm__ volatile("1: nop\\n subs %%0, %%0, #1\\n b.ne 1b" : "+r"(left) : : "cc");
  prctl(0x4546, 0L, 0L, 0L, 0L);
  __asm__ volatile("mov x0, #99\\n 1: subs x0, x0, #1\\n b.ne 1b" : : : "x0", "cc");
}
"""
ONE_ACCUMULATOR = ["fmla\tv0.4s, v1.4s, v2.4s"]
TWO_ACCUMULATORS = [*ONE_ACCUMULATOR, "fmla\tv3.4s, v4.4s, v5.4s"]
CALLS = 100  # instructions, at most, of the calls of prctl around the loop


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_programs(report.TOOLS)
    return blocks.build_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def rows(plugin: Path) -> dict[tuple[str, str], report.Row]:
    measured = report.measure(arm_build() / "edgeface_probe")
    return {(row.workload, row.core): row for row in measured}


def test_instructions_between_the_marks_are_counted_exactly(plugin: Path, tmp_path: Path) -> None:
    counted = []
    for loops in (LOOPS, 2 * LOOPS):
        source, program = tmp_path / "loop.c", tmp_path / "loop"
        source.write_text(MARKED_LOOP % loops)
        built = run(["aarch64-linux-gnu-gcc", "-O2", source, "-o", program])
        assert built.returncode == 0, built.stdout
        counts = blocks.count_blocks(plugin, "cortex-a53", [program])
        counted.append(blocks.instructions(counts))
    assert counted[1] - counted[0] == 3 * LOOPS
    assert 3 * LOOPS <= counted[0] <= 3 * LOOPS + CALLS


def test_counts_repeat_exactly(plugin: Path) -> None:
    command = [arm_build() / "edgeface_probe", "scan_i8", 1]
    core = emulated_core("cortex-a55")
    first = blocks.count_blocks(plugin, core, command)
    assert first == blocks.count_blocks(plugin, core, command)


def test_report_has_every_workload_on_every_core(rows: dict) -> None:
    workloads = {workload for workload, _ in rows}
    assert {"head_f32", "head_i8", "scan_f32", "scan_i8", "scan_sketch"} <= workloads
    assert set(rows) == {(workload, core) for workload in workloads for core in report.CORES}
    text = report.table(list(rows.values()))
    assert all(text.count(f"| `{workload}` |") == 1 for workload in workloads)


def test_dot_product_saves_instructions_where_the_core_has_it(rows: dict) -> None:
    old, new = rows["scan_i8", "cortex-a53"], rows["scan_i8", "cortex-a55"]
    assert new.instructions < 0.7 * old.instructions
    assert rows["scan_f32", "cortex-a53"].instructions == pytest.approx(
        rows["scan_f32", "cortex-a55"].instructions, rel=1e-3
    )


def test_same_code_takes_the_in_order_core_longer(rows: dict) -> None:
    for workload in {workload for workload, _ in rows}:
        in_order, out_of_order = rows[workload, "cortex-a53"], rows[workload, "cortex-a72"]
        assert in_order.instructions == out_of_order.instructions
        assert in_order.cycles > out_of_order.cycles
        assert in_order.cycles > in_order.instructions / inorder.ISSUE_WIDTH


@pytest.mark.parametrize("core", inorder.CORES)
def test_128_bit_multiply_adds_issue_one_a_cycle_and_chain_after_four(core: str) -> None:
    assert inorder.cycles(ONE_ACCUMULATOR, core) == 4
    assert inorder.cycles(TWO_ACCUMULATORS, core) == 4
    eight = [f"fmla\tv{i}.4s, v30.4s, v31.4s" for i in range(8)]
    assert inorder.cycles(eight, core) == 8


@pytest.mark.parametrize("core", inorder.CORES)
def test_128_bit_loads_hold_issue_for_two_cycles(core: str) -> None:
    assert inorder.cycles(["ldr\tq0, [x0]", "add\tx1, x1, #1"], core) == 3
    assert inorder.cycles(["ldp\tq0, q1, [x0]"], core) == 4


def test_64_bit_loads_pair_with_arithmetic_on_the_a55_only() -> None:
    pairs = ["ldr\td0, [x0]", "fmla\tv1.4s, v30.4s, v31.4s"] * 4
    pairs = [text.replace("v1.", f"v{i}.") for i, text in enumerate(pairs)]
    assert inorder.cycles(pairs, "cortex-a55") == 4
    assert inorder.cycles(pairs, "cortex-a53") == 8


@pytest.mark.parametrize("core", inorder.CORES)
def test_a_result_is_waited_for(core: str) -> None:
    """A load's use stalls; work that stands in between hides it."""
    load, use = "ldr\tx1, [x0]", "add\tx2, x1, x1"
    near = inorder.cycles([load, use], core)
    other = [f"add\tx{i}, x{i}, #1" for i in range(3, 7)]
    assert inorder.cycles([load, *other, use], core) == near
