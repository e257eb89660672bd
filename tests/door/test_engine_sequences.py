"""Thousands of random days at random doors, judged by an oracle that knows the history only.

`make door-sequences` runs 12 000 of them, the ordinary tests fewer.
"""

from __future__ import annotations

import functools
import random
import types
from collections import Counter
from dataclasses import replace

import pytest

from edgeface.door import engine as real_engine
from edgeface.door.event import (
    Alarm,
    ChallengeWanted,
    Decision,
    Event,
    ExitRequest,
    Fault,
    Maintenance,
    Moment,
    Observation,
    Output,
    PeopleChanged,
    Reason,
    Subject,
    Tamper,
    Tick,
)
from edgeface.door.rules import Rules
from tests.door.door_oracle import Broken, Oracle
from tests.door.door_sequence_rules import MIDNIGHT
from tests.door.door_sequences import PARTS, Sequence, sequence
from tests.door.engine_mutants import MUTANTS, Mutant, mutated

FEW, MANY = 1_500, 12_000
NEWCOMER = Subject("Rightful Newcomer", groups=("staff",))


def run(case: Sequence, module: types.ModuleType = real_engine, *, mended: bool = True) -> Counter:
    """Send a day's events to an engine, let the oracle judge, and count what came out.

    Then everything is mended, unless not wanted, and somebody rightful must get in.
    """
    engine = module.Engine(case.rules, case.subjects)
    oracle = Oracle(case.rules, case.subjects)
    counts: Counter = Counter()
    for event in case.events:
        counts.update(_names(_step(engine, oracle, event)))
        _require_bounded(engine, case.rules)
    if mended:
        _require_admitted(engine, oracle)
    return counts


def _step(engine, oracle: Oracle, event: Event) -> tuple[Output, ...]:
    try:
        outputs = engine.step(event)
    except Exception as error:
        raise Broken("raised", f"{error!r} at {event}") from error
    oracle.saw(event, outputs)
    return outputs


def _names(outputs: tuple[Output, ...]) -> list[str]:
    return [
        output.reason.value
        if isinstance(output, Decision)
        else output.kind
        if isinstance(output, Alarm)
        else "challenge_wanted"
        for output in outputs
    ]


def _require_bounded(engine, rules: Rules) -> None:
    state = engine.state
    sizes = {
        "frames": (len(state.visit.frames) if state.visit else 0, rules.of),
        "counts": (len(state.visit.counts) if state.visit else 0, len(Reason)),
        "openings": (len(state.openings), rules.openings_per_minute),
        "denied": (len(state.denied), rules.lock_out_visits - 1),
        "entries": (len(state.entries), len(state.subjects)),
        "unused": (len(state.unused), len(state.subjects)),
        "faults": (len(state.faults), 17),
    }
    wrong = {name: size for name, (size, most) in sizes.items() if size > most}
    if wrong:
        raise Broken("bounded", wrong)


def _require_admitted(engine, oracle: Oracle) -> None:
    """Whatever happened before: once all is mended, somebody rightful is let in at first look."""
    rules, at = oracle.rules, oracle.now + 7200.0
    _step(engine, oracle, Tick(Moment(at - 3600.0, None)))  # the last visit ends, perhaps locks
    mended = [Tick, *((lambda m, p=part: Fault(m, p, False)) for part in PARTS)]
    mended += [lambda m: Maintenance(m, False, "Eve"), lambda m: Tamper(m, False)]
    mended += [lambda m: PeopleChanged(m, (NEWCOMER,))]
    for make in mended:
        _step(engine, oracle, make(Moment(at, MIDNIGHT)))
    track, outputs, challenge = oracle.highest_track + 1, [], "none"
    for number in range(40):
        moment = Moment(at + 0.05 * number, MIDNIGHT)
        live = None if rules.policy == "none" else 0.9
        frame = Observation(moment, track, 1, (), NEWCOMER.name, 0.9, 2.0, live, challenge)
        outputs += _step(engine, oracle, frame)
        if any(isinstance(output, ChallengeWanted) for output in outputs):
            challenge = "passed"
    reasons = [output.reason for output in outputs if isinstance(output, Decision)]
    if reasons != [Reason.RECOGNISED]:
        raise Broken("admitted", outputs)
    _step(engine, oracle, ExitRequest(Moment(at + 60, MIDNIGHT)))


def test_no_random_day_breaks_an_invariant_and_all_reasons_occur():
    counts: Counter = Counter()
    for seed in range(FEW):
        counts += run(sequence(seed))
    assert {reason.value for reason in Reason} <= set(counts), counts
    assert counts["recognised"] > FEW


@pytest.mark.door_sequences
def test_no_day_of_12_000_breaks_an_invariant():
    counts: Counter = Counter()
    for seed in range(FEW, FEW + MANY):
        counts += run(sequence(seed))
    lines = "\n".join(f"{number:8} {name}" for name, number in counts.most_common())
    print(f"{MANY} sequences, no invariant broken; what came out:\n{lines}")  # noqa: T201


def test_same_day_gives_the_same_outputs_and_the_first_state_is_kept():
    for seed in range(60):
        case = sequence(seed)
        assert case == sequence(seed) or _has_nan(case)
        first = real_engine.start(case.rules, case.subjects)
        kept, results = replace(first), []
        for _ in range(2):
            state, outputs = first, []
            for event in case.events:
                state, more = real_engine.step(state, event, case.rules)
                outputs.append(repr(more))
            results.append((outputs, repr(state)))
        assert results[0] == results[1] and first == kept


def _has_nan(case: Sequence) -> bool:
    return "nan" in repr(case.events)


def test_events_in_no_order_at_all_break_no_invariant():
    for seed in range(100):
        case = sequence(seed)
        events = list(case.events)
        random.Random(seed).shuffle(events)
        oracle = Oracle(case.rules, case.subjects)
        engine = real_engine.Engine(case.rules, case.subjects)
        for event in events:
            _step(engine, oracle, event)


_sequence = functools.lru_cache(maxsize=400)(sequence)  # all mutants begin with the same ones


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_oracle_catches_an_engine_without(mutant: Mutant):
    with mutated(mutant) as module:
        for seed in range(FEW):
            try:
                run(_sequence(seed), module, mended=False)
            except Broken as broken:
                assert broken.name in mutant.breaks, broken
                return
    pytest.fail(f"{FEW} sequences do not miss the rule: {mutant.name}")
