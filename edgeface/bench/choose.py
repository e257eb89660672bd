"""Which configuration a board should run: the fastest whose accuracy holds, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeface.bench.difference import difference
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

    A near tie is one within `NEAR` of the fastest, or within `NOISY` and the noise.
    Fewer threads leave CPUs to the camera and the door, and heat the board less.

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
    return Choice(chosen, _why(chosen, fastest, len(ties)))


def _time(entry: Mapping[str, Any]) -> float:
    return entry["rows"][TOGETHER]["p50_ms"]


def _near(fastest: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    found = difference(fastest["medians_ms"][TOGETHER], other["medians_ms"][TOGETHER])
    return found.value < (NOISY if found.low <= 1 else NEAR)


def _why(chosen: Mapping[str, Any], fastest: Mapping[str, Any], ties: int) -> str:
    cosine = f"self-test cosine {chosen['selftest_cosine']:.4f}"
    if ties == 1:
        return f"fastest of all, beyond the noise; {cosine}"
    if chosen is fastest:
        return f"fastest of {ties} that are as fast within the noise or 3 %; {cosine}"
    better = "fewer threads" if chosen["threads"] < fastest["threads"] else "the higher cosine"
    return f"as fast as {fastest['name']} within the noise or 3 %, with {better}; {cosine}"
