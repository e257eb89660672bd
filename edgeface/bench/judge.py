"""Two reports against each other: which configuration got faster, slower, or lost its accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edgeface.bench.difference import LEAST, difference
from edgeface.bench.stages import TOGETHER
from edgeface.errors import BenchError

_MACHINE = ("board", "model", "arch", "cpu", "clusters", "npu")
COSINE_FALL = 0.005
"""A self-test cosine may fall by so much: sound runtimes of two versions differ by less."""


def judge(
    first: Mapping[str, Any], second: Mapping[str, Any], *, tolerance: float, anyway: bool = False
) -> dict[str, Any]:
    """Compare two reports, row by row of the configurations that both have.

    Parameters
    ----------
    first, second
        From `edgeface.bench.report.read_report`; the second is the newer one.
    tolerance
        Part by which the second may be slower, all stages together, such as 0.05.
    anyway
        Compare different machines or bundles too.

    Returns
    -------
    dict
        "rows", "lost" (why each configuration that the second lost is lost), "slower" (names of
        configurations slower beyond the tolerance), "differs" (what is not the same), "doubts" (the
        reports' own warnings: their times may not be their code's), as JSON.

    Raises
    ------
    BenchError
        Another machine or bundle, or no configuration that both measured often enough.
    """
    unlike = _unlike(first, second)
    if unlike and not anyway:
        raise BenchError(
            f"the reports are not of one thing: {'; '.join(unlike)}; measure both on the same "
            "machine with the same bundle, or say --anyway"
        )
    before, after = _by_name(first), _by_name(second)
    measured = [name for name, one in before.items() if one["status"] == "measured"]
    rows = [
        row
        for name in measured
        if name in after and after[name]["status"] == "measured"
        for row in _rows(before[name], after[name])
    ]
    lost = [text for name in measured for text in _lost(before[name], after.get(name))]
    if not rows and not lost:
        raise BenchError(
            f"the reports share no configuration: {', '.join(before)}, and {', '.join(after)}"
        )
    return {
        "tolerance": tolerance,
        "doubts": _doubts(first, second),
        "differs": [*unlike, *_other_settings(first, second)],
        "rows": rows,
        "lost": lost,
        "slower": [row["configuration"] for row in rows if _too_slow(row, tolerance)],
    }


def _too_slow(row: Mapping[str, Any], tolerance: float) -> bool:
    return row["stage"] == TOGETHER and row["low"] > 1 and row["value"] > 1 + tolerance


def _rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    counts = (before["processes"], after["processes"])
    if min(counts) < LEAST:
        raise BenchError(
            f"{before['name']}: measured in {counts[0]} and {counts[1]} processes, a comparison "
            f"takes {LEAST} or more of each: bench --processes {LEAST + 1}"
        )
    shared = [stage for stage in before["medians_ms"] if stage in after["medians_ms"]]
    return [_row(before, after, stage) for stage in shared]


def _row(before: Mapping[str, Any], after: Mapping[str, Any], stage: str) -> dict[str, Any]:
    found = difference(before["medians_ms"][stage], after["medians_ms"][stage])
    return {
        "configuration": before["name"],
        "stage": stage,
        "first_p50_ms": before["rows"][stage]["p50_ms"],
        "second_p50_ms": after["rows"][stage]["p50_ms"],
        **{key: round(value, 4) for key, value in asdict(found).items()},
        "word": found.word,
    }


def _lost(before: Mapping[str, Any], after: Mapping[str, Any] | None) -> list[str]:
    if after is None:  # not asked for, which is no failure
        return []
    name = before["name"]
    if after["status"] != "measured":
        return [f"{name}: {after['status']} now: {after['reason']}"]
    fall = before["selftest_cosine"] - after["selftest_cosine"]
    if fall > COSINE_FALL:
        return [
            f"{name}: its self-test cosine fell from {before['selftest_cosine']:.4f} to "
            f"{after['selftest_cosine']:.4f}"
        ]
    return []


def _by_name(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {one["name"]: one for one in report["configurations"]}


def _unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    pairs = [(f"machine {key}", first["machine"][key], second["machine"][key]) for key in _MACHINE]
    pairs.append(("model id", first["setting"]["model_id"], second["setting"]["model_id"]))
    return _texts(pairs)


def _other_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """What may well be what the comparison is about, or spoil it: worth a line."""
    pairs = [("OS", first["machine"]["os"], second["machine"]["os"])]
    pairs += [(key, first["setting"][key], second["setting"][key])
              for key in ("edgeface", "bundle", "isa", "runtime")]  # fmt: skip
    states = [report["conditions"]["before"]["governors"] for report in (first, second)]
    doubts = [sorted({f["what"] for f in report["findings"]}) for report in (first, second)]
    return _texts([*pairs, ("governors", *states), ("findings", *doubts)])


def _doubts(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {one['text']}"
        for name, report in (("A", first), ("B", second))
        for one in report["findings"]
        if one["level"] == "warning"
    ]


def _texts(pairs: list[tuple[str, Any, Any]]) -> list[str]:
    return [f"{what} {one!r}, {other!r}" for what, one, other in pairs if one != other]
