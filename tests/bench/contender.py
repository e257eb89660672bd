"""Contenders that do the same work, and the timer that lets them take turns in one process.

``timeit`` and ``pyperf`` time one call after the other, the latter in a process each: what a busy
or a throttled machine does meanwhile then falls on one side only. Here every contender has a turn
in every round, and every second round goes backwards.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

TURN_SECONDS = 0.02
LEAST_ROUNDS = 4


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Attributes
    ----------
    name, precision : as printed; results are compared within one precision.
    build : what the caller's gallery or weights become, for instance an index.
    search : (what ``build`` returned, one prepared input) to the answer; the timed call.
    prepare : (gallery, probes) to the probes in the contender's own type; not timed.
    ours : whether it is edgeface that runs.
    """

    name: str
    precision: str
    build: Callable
    search: Callable
    prepare: Callable = lambda _gallery, probes: probes
    ours: bool = False


@dataclass(frozen=True)
class Timing:
    """Median milliseconds of a call: over all rounds, over the forward and the backward ones."""

    ms: float
    forward_ms: float
    backward_ms: float


@dataclass
class Turns:
    """A contender's calls: each takes the next of its inputs."""

    calls: Sequence[Callable[[], object]]
    count: int = 1
    taken: int = 0
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def once(self) -> float:
        """Make the next call; returns its seconds."""
        call = self.calls[self.taken % len(self.calls)]
        self.taken += 1
        begun = time.perf_counter()
        call()
        return time.perf_counter() - begun

    def turn(self, backward: bool) -> None:
        """Take one turn. The first of several calls only fetches what others pushed from cache."""
        if self.count > 1:
            self.once()
        self.seconds[backward].extend(self.once() for _ in range(self.count))


def interleaved(
    contenders: dict[str, Sequence[Callable[[], object]]], *, seconds: float
) -> dict[str, Timing]:
    """Time several contenders' calls, A B C C B A A B C ...

    Parameters
    ----------
    contenders : name to the calls that it makes in turn, one for each input.
    seconds : to spend in all; rounds stop then, after at least four, or two if those take ten
        times as long.
    """
    turns = {name: Turns(calls) for name, calls in contenders.items()}
    for one in turns.values():
        first = one.once()
        if first < TURN_SECONDS:  # the first of quick calls is their slowest
            one.count = max(1, int(TURN_SECONDS / min(first, one.once(), one.once())))
    begun, rounds, spent = time.perf_counter(), 0, 0.0
    while rounds == 0 or spent < seconds or (rounds < LEAST_ROUNDS and spent < 10 * seconds):
        for backward in (False, True):
            for name in reversed(turns) if backward else turns:
                turns[name].turn(backward)
        rounds += 2
        spent = time.perf_counter() - begun
    return {name: _timing(*one.seconds) for name, one in turns.items()}


def _timing(forward: list[float], backward: list[float]) -> Timing:
    medians = (statistics.median(times) for times in (forward + backward, forward, backward))
    return Timing(*(1e3 * median for median in medians))
