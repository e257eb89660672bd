"""One benchmark from configurations to report: sensors around processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeface.bench.configuration import Configuration
from edgeface.bench.processes import Plan, run_all
from edgeface.bench.report import make_report
from edgeface.bench.sustained import sustained
from edgeface.bench.timeline import Timeline
from edgeface.board import Board
from edgeface.board_sensors import Sensors
from edgeface.bundle import Bundle


def measure(
    kind: str,
    bundle: Bundle,
    configurations: Sequence[Configuration],
    plan: Plan,
    *,
    public_key: str | None = None,
    commit: str = "",
) -> dict[str, Any]:
    """Run the processes with the sensors watched, and return the report.

    `kind` is "stages", "sweep" or "sustained", which takes one configuration and one process.

    Raises
    ------
    BoardError
        /etc/edgeface/board.toml is wrong or another board's.
    """
    board = Board.detect()
    with Timeline(Sensors()) as timeline:
        outcomes = run_all(bundle, configurations, plan, public_key=public_key)
    report = make_report(
        kind, bundle, board, configurations=configurations, outcomes=outcomes, plan=plan,
        timeline=timeline, commit=commit,
    )  # fmt: skip
    if kind == "sustained" and outcomes[0][-1]["status"] == "measured":
        report["sustained"] = sustained(outcomes[0][-1])
    return report
