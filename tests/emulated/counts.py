"""``python -m tests.emulated.counts``: instructions of an embedding and of a search, by core.

Exact counts of QEMU's plugin between marks, and estimated cycles (docs/arm.md says how far to
trust those). ``--accept`` writes them to tests/emulated/instructions.json, which CI holds every
change to, and from which ``python -m tests.bench.report`` makes a section of docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from export.verify.machine import Machine, call, prepare
from tests.arm import blocks, report
from tests.check_build import require_programs
from tests.emulated.board import MACHINE
from tests.emulated.package import from_tree

WORKER = Path(__file__).with_name("count_worker.py")
BASELINE = Path(__file__).with_name("instructions.json")
ACCEPT = "python -m tests.emulated.counts --accept"
GATED_CORES = ("cortex-a72", "cortex-a55")
WORKLOADS = (
    "embedding, onnxruntime INT8 whole",
    "embedding, onnxruntime INT8 split",
    "embedding, LiteRT INT8 whole",
    "embedding, LiteRT INT8 split",
    "search of 10 000, genuine probe",
    "search of 10 000, stranger",
)
"""In the order in which ``count_worker.py`` runs them."""
TIMES = 2
TOLERANCE = 0.005
"""Largest relative change of a count: ten times what repeated runs of the same code differ by."""


def count(machine: Machine, package: Path, core: str, plugin: Path) -> dict[str, blocks.Counts]:
    """Return how often each block ran in TIMES runs of each workload."""
    output = plugin.with_name(f"{core}.txt")
    options = blocks.counting(plugin, output)
    command = machine.command([WORKER, TIMES], core=core, packages=[package], options=options)
    call(command, folder=machine.folder)
    regions = blocks.read_counts(output)
    return {name: regions[number] for number, name in enumerate(WORKLOADS, start=1)}


def count_all(machine: Machine, cores: Sequence[str]) -> dict[str, dict[str, blocks.Counts]]:
    """Return every core's counts, two cores at a time."""
    require_programs(report.TOOLS)
    package = from_tree(machine)  # one compiler: a wheel of another has other counts
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        plugin = blocks.build_plugin(Path(folder))
        found = pool.map(lambda core: count(machine, package, core, plugin), cores)
        return dict(zip(cores, found))


def instructions(counts: Mapping[str, blocks.Counts]) -> dict[str, int]:
    """Return instructions of one run of each workload."""
    return {name: round(blocks.instructions(each) / TIMES) for name, each in counts.items()}


def changes(found: Mapping[str, int], baseline: Mapping[str, int], core: str) -> list[str]:
    """Return what changed by more than TOLERANCE, in words."""
    problems = []
    for name, expected in baseline.items():
        change = found[name] / expected - 1
        if abs(change) > TOLERANCE:
            problems.append(
                f"{name} on {core}: {found[name]:,} instructions, the baseline has {expected:,} "
                f"({change:+.2%}, allowed ±{TOLERANCE:.1%}); if it is meant to: {ACCEPT}"
            )
    return problems


def main(argv: Sequence[str] | None = None) -> None:
    """Count, print, and write the baseline if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machine", type=Path, default=os.environ.get(MACHINE, "build/arm"))
    parser.add_argument("--accept", action="store_true", help=f"write {BASELINE.name}")
    args = parser.parse_args(argv)
    machine = prepare(Path(args.machine))
    counted = count_all(machine, report.CORES)
    rows = {}
    for core, counts in counted.items():
        cycles = {n: round(blocks.cycles(c, core) / TIMES) for n, c in counts.items()}
        rows[core] = {"instructions": instructions(counts), "cycles": cycles}
        for name in WORKLOADS:
            shown = (rows[core][what][name] for what in report.COLUMNS)
            print(f"{core} {name}: {' instructions, '.join(f'{n:,}' for n in shown)} cycles")
    if args.accept:
        wheels = [machine.wheel(name) for name in ("onnxruntime", "ai-edge-litert", "numpy")]
        content = {"wheels": wheels, "cores": rows}
        BASELINE.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
