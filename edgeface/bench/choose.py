"""Which configuration a board should run: the fastest whose accuracy holds, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeface.bench.difference import Difference, difference
from edgeface.bench.stages import TOGETHER
from edgeface.errors import BenchError

NEAR = 1.03
"""A time within so much of the least is a near tie, however sure the difference."""

NOISY = 1.1
"""One within so much is a tie if the difference is within the noise; noise excuses no more."""


@dataclass(frozen=True)
class Choice:
    """What to run.

    Attributes
    ----------
    entry
        The configuration's entry in the report.
    why
        One sentence.
    """

    entry: Mapping[str, Any]
    why: str


def choose(entries: Sequence[Mapping[str, Any]]) -> Choice:
    """Pick the fastest of those measured; among near ties fewest threads, then highest cosine.

    Times are the medians of each one's quickest process: what disturbs a process only adds to its
    time. A near tie is one within `NEAR` of the fastest, or within `NOISY` and the noise. Fewer
    threads leave CPUs to the camera and the door, and heat the board less.

    Raises
    ------
    BenchError
        None could run; the text has each one's reason.
    """
    candidates = [one for one in entries if one["status"] == "measured"]
    if not candidates:
        reasons = "; ".join(f"{one['name']}: {one['reason']}" for one in entries)
        raise BenchError(f"no configuration can run here: {reasons}")
    fastest = min(candidates, key=_time)
    ties = [one for one in candidates if one is fastest or _near(fastest, one)]
    chosen = min(ties, key=lambda one: (one["threads"], -one["selftest_cosine"], _time(one)))
    others = [one for one in candidates if one is not chosen]
    return Choice(chosen, f"{_why(chosen, fastest, len(ties))}; {_figures(chosen, others)}")


def _time(entry: Mapping[str, Any]) -> float:
    return min(entry["medians_ms"][TOGETHER])


def _near(fastest: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    within_noise = _ratio(fastest, other).low <= 1
    return _time(other) / _time(fastest) < (NOISY if within_noise else NEAR)


def _ratio(first: Mapping[str, Any], other: Mapping[str, Any]) -> Difference:
    return difference(first["medians_ms"][TOGETHER], other["medians_ms"][TOGETHER])


def _why(chosen: Mapping[str, Any], fastest: Mapping[str, Any], ties: int) -> str:
    if ties == 1:
        return "fastest of all"
    if chosen is fastest:
        return f"fastest of {ties} that are about as fast"
    better = "fewer threads" if chosen["threads"] < fastest["threads"] else "the higher cosine"
    return f"about as fast as {fastest['name']}, with {better}"


def _figures(chosen: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    unsure = sum(_ratio(chosen, one).low <= 1 for one in others)
    noise = (
        f"; not certain, by the noise, against {unsure} of {len(others)} others" if unsure else ""
    )
    cosine = f"self-test cosine {chosen['selftest_cosine']:.4f}"
    return f"{_time(chosen):.3f} ms in its quickest process, {cosine}{noise}"
