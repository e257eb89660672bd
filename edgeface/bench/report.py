"""A benchmark's report: made of what was measured, read back from a file, checked by its schema."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeface.bench.configuration import Configuration
from edgeface.bench.findings import findings
from edgeface.bench.measured import entry
from edgeface.bench.processes import Plan
from edgeface.bench.rows import circumstances
from edgeface.bench.stages import TOGETHER
from edgeface.bench.timeline import Timeline
from edgeface.bench.worker import WARMUP
from edgeface.board import Board
from edgeface.board_root import board_root, read_text
from edgeface.bundle import Bundle
from edgeface.errors import BenchError
from edgeface.schema import JsonError, first_problem, parse_json

SCHEMA_PATH = Path(__file__).with_name("report_schema.json")
VERSION = 1
_MAX_BYTES = 64 << 20


def make_report(
    kind: str,
    bundle: Bundle,
    board: Board,
    *,
    configurations: Sequence[Configuration],
    outcomes: Sequence[Sequence[Mapping[str, Any]]],
    plan: Plan,
    timeline: Timeline,
    commit: str = "",
) -> dict[str, Any]:
    """Return a report as docs/bench.md describes it: plain JSON values.

    `kind` is "stages", "sweep" or "sustained"; `outcomes` are of the configurations, in order.
    """
    entries = [entry(c, o, timeline) for c, o in zip(configurations, outcomes)]
    conditions = timeline.conditions()
    return {
        "format": "edgeface bench",
        "version": VERSION,
        "kind": kind,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "commit": commit,
        "machine": machine(board),
        "setting": circumstances(bundle, [c.artefact for c in configurations]),
        "method": {
            "picture": "generated, 640x480, one face",
            "warmup": WARMUP,
            "processes": plan.processes,
            "runs_of_each": plan.runs,
            "seconds_of_each": plan.seconds,
        },
        "configurations": entries,
        "fastest": fastest(entries),
        "conditions": conditions,
        "findings": findings(board, conditions, entries),
    }


def machine(board: Board) -> dict[str, Any]:
    """Return what makes another machine of this kind comparable."""
    npu = board.npu
    return {
        "board": board.name,
        "model": board.model,
        "arch": platform.machine(),
        "cpu": _cpu_name(),
        "clusters": [
            {"name": one.name, "cpus": list(one.cpus), "max_khz": one.max_khz}
            for one in board.clusters
        ],
        "npu": " ".join(filter(None, (npu.kind, npu.driver))) if npu else None,
        "memory_bytes": board.memory_bytes,
        "os": f"{platform.system()} {platform.release()}",
    }


def fastest(entries: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the name of the fastest whose self-test holds, or None if none could run."""
    candidates = [one for one in entries if one["status"] == "measured"]
    best = min(candidates, key=lambda one: one["rows"][TOGETHER]["p50_ms"], default=None)
    return best["name"] if best else None


def report_schema() -> dict:
    """Return the parsed ``report_schema.json``."""
    return json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a report back.

    Raises
    ------
    BenchError
        No report of this version; the text names the first thing that is wrong.
    OSError
        It cannot be read.
    """
    if os.stat(path).st_size > _MAX_BYTES:
        raise BenchError(f"{path}: more than {_MAX_BYTES >> 20} MB, no report of edgeface bench")
    try:
        report = parse_json(Path(path).read_bytes())
    except JsonError as error:
        raise BenchError(f"{path}: not JSON ({error}); expected a file of bench --json") from error
    problem = first_problem(report, report_schema())
    if problem:
        raise BenchError(
            f"{path}: {problem}; expected a report of edgeface bench --json, version {VERSION} "
            "(one of --compare is none)"
        )
    return report


def _cpu_name() -> str:
    """The CPU's name where Linux has one (x86); ARM cores are named by their clusters."""
    for line in (read_text(board_root() / "proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""
