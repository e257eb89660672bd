"""``make arm-report``: instructions and estimated cycles of the hot loops on the boards' cores.

Instructions are exact: QEMU counts them. Cycles are estimates; docs/arm.md says how far to trust
them. Prints a table in Markdown.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.arm import blocks
from tests.check_build import ARM_TOOLS, arm_build, emulated_core, emulator, missing_packages, run

CORES = ("cortex-a72", "cortex-a53", "cortex-a55")
TOOLS = {**ARM_TOOLS, "llvm-mca": "llvm", "llvm-mc": "llvm", "cc": "gcc"}
REPEATS = 2
COLUMNS = ("instructions", "cycles")


@dataclass(frozen=True)
class Row:
    """One workload on one core, for each unit of its work."""

    workload: str
    unit: str
    core: str
    instructions: float
    cycles: float


def measure(probe: Path) -> Iterator[Row]:
    """Every workload of the probe on every core."""
    listed = run([*emulator("cortex-a53"), probe])
    assert listed.returncode == 0, listed.stdout
    with tempfile.TemporaryDirectory() as folder:
        plugin = blocks.build_plugin(Path(folder))
        for line in listed.stdout.splitlines():
            name, units, unit = line.split("\t")
            work = REPEATS * float(units)
            for core in CORES:
                counts = blocks.count_blocks(plugin, emulated_core(core), [probe, name, REPEATS])
                instructions, cycles = blocks.instructions(counts), blocks.cycles(counts, core)
                yield Row(name, unit, core, instructions / work, cycles / work)


def table(rows: list[Row]) -> str:
    """The rows in Markdown: a line a workload, two columns a core, in thousands."""
    names = [core.replace("cortex-a", "A") for core in CORES]
    columns = ["workload", "for each", *(f"{c} {what}" for c in names for what in COLUMNS)]
    lines = [columns, ["---", "---", *(["---:"] * 2 * len(CORES))]]
    for workload in dict.fromkeys(row.workload for row in rows):
        own = [row for row in rows if row.workload == workload]
        numbers = [f"{n / 1000:,.0f} k" for row in own for n in (row.instructions, row.cycles)]
        lines.append([f"`{workload}`", own[0].unit, *numbers])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    missing = missing_packages(TOOLS)
    if missing:
        sys.exit(f"arm-report: missing programs; as root: apt-get install {' '.join(missing)}")
    print(table(list(measure(arm_build() / "edgeface_probe"))))
    stand_ins = {core: emulated_core(core) for core in CORES if emulated_core(core) != core}
    for core, used in stand_ins.items():
        print(f"\n{core} emulated as {used}, which has the same instructions.")


if __name__ == "__main__":
    main()
