"""What makes a measurement doubtful, found in it and said: throttling, clocks, governors, load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from edgeface.board import Board

CLOCK_DROP = 0.95
"""A clock below this part of what it should be has dropped."""

BUSY_CPUS = 0.2
"""Others may use so much of a CPU, on average; the sensors' thread is among them."""

STOLEN_CPUS = 0.02


def findings(
    board: Board, conditions: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]]:
    """Return what to doubt, worst first, each as {"level", "what", "text"}.

    Parameters
    ----------
    board
        Where it was measured: the clusters' highest clocks.
    conditions
        From `edgeface.bench.timeline.Timeline.conditions`.
    entries
        From `edgeface.bench.measured.entry`.
    """
    found = [
        *_throttled(conditions["during"]),
        *_clocks(board, conditions, _used(entries)),
        *_busy(entries),
        *_governors(conditions["before"]["governors"]),
        *_unseen(conditions["during"]),
    ]
    return sorted(found, key=lambda one: one["level"] != "warning")


def _throttled(during: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    if during["throttled"]:
        yield _finding(
            "warning", "throttled",
            f"THROTTLED: the kernel slowed a processor down because of heat in "
            f"{during['throttled']} of {during['samples']} samples; cool the board, or read these "
            "as times of a hot one",
        )  # fmt: skip


def _used(entries: Sequence[Mapping[str, Any]]) -> set[int] | None:
    """The CPUs that processes stayed on; None where one might run on any."""
    places = [one.get("cpus") for one in entries]
    return set().union(*places) if places and all(places) else None


def _clocks(
    board: Board, conditions: Mapping[str, Any], used: set[int] | None
) -> Iterator[dict[str, str]]:
    for cluster in board.clusters:
        if used is not None and used.isdisjoint(cluster.cpus):
            continue  # idle, it slows down as it should
        during = conditions["during"]["clocks_khz"].get(cluster.name)
        governor = conditions["before"]["governors"].get(cluster.name)
        if governor == "performance" and cluster.max_khz and during:
            if during["min"] < CLOCK_DROP * cluster.max_khz:
                yield _clock(cluster.name, during["min"], cluster.max_khz, "its highest is")
            continue
        column = conditions["timeline"]["clocks_khz"].get(cluster.name, [])
        series = [clock for clock in column if clock is not None]
        if len(series) >= 8:  # another governor moves them by itself: only a lasting fall counts
            quarter = len(series) // 4
            first, last = median(series[:quarter]), median(series[-quarter:])
            if last < CLOCK_DROP * first:
                yield _clock(cluster.name, last, first, "it began at")


def _clock(name: str, found: float, expected: float, what: str) -> dict[str, str]:
    return _finding(
        "warning", "clock",
        f"CLOCK FELL: {name} ran at {found / 1000:.0f} MHz, {what} {expected / 1000:.0f} MHz; "
        "heat or a power limit slowed it, or its governor did",
    )  # fmt: skip


def _busy(entries: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    loads = [one["load"] for one in entries if one.get("load")]
    others = max((load["others_cpus"] for load in loads), default=0)
    stolen = max((load["stolen_cpus"] for load in loads), default=0)
    if others > BUSY_CPUS:
        yield _finding(
            "warning", "busy",
            f"BUSY: other programs used {others:.1f} CPUs meanwhile, expected at most {BUSY_CPUS}; "
            "end them and measure again, or compare ratios only",
        )  # fmt: skip
    if stolen > STOLEN_CPUS:
        yield _finding(
            "warning", "stolen",
            f"SHARED HOST: the hypervisor took {stolen:.2f} CPUs meanwhile; times of this virtual "
            "machine vary with its neighbours",
        )  # fmt: skip


def _governors(governors: Mapping[str, str]) -> Iterator[dict[str, str]]:
    slow = [f"{name} {governor}" for name, governor in governors.items()
            if governor != "performance"]  # fmt: skip
    if slow:
        yield _finding(
            "note", "governor",
            f"governors: {', '.join(slow)}; with performance in place of these, times vary less",
        )  # fmt: skip


def _unseen(during: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    if not during["temperatures_c"] and not during["clocks_khz"]:
        text = "no sensor of temperature or clock here: throttling would go unseen"
        yield _finding("note", "sensors", text)


def _finding(level: str, what: str, text: str) -> dict[str, str]:
    return {"level": level, "what": what, "text": text}
