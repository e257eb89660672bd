"""Copies of the decision engine in which one rule is switched off, by a change of its source."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import edgeface.door

_FOLDER = Path(edgeface.door.__file__).parent
_MODULES = (
    "engine_state", "engine_frame", "engine_access", "engine_outcome", "engine_door",
    "engine_visit", "engine",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A rule that is switched off.

    Attributes
    ----------
    name
        Of the rule.
    module, old, new
        Where, and the text that is replaced; it stands there once.
    breaks
        The invariants of which the oracle must name one.
    """

    name: str
    module: str
    old: str
    new: str
    breaks: tuple[str, ...]


@contextmanager
def mutated(mutant: Mutant) -> Iterator[types.ModuleType]:
    """Load the engine's modules under other names, one of them changed; yield its `engine`."""
    names = [f"mutant_{name}" for name in _MODULES]
    try:
        for module, name in zip(_MODULES, names):
            source = _source(module, mutant)
            sys.modules[name] = types.ModuleType(name)
            exec(
                compile(source, f"{module} without {mutant.name}", "exec"), vars(sys.modules[name])
            )
        yield sys.modules[names[-1]]
    finally:
        for name in names:
            sys.modules.pop(name, None)


def _source(module: str, mutant: Mutant) -> str:
    source = (_FOLDER / f"{module}.py").read_text()
    if module == mutant.module:
        assert source.count(mutant.old) == 1, f"{mutant.name}: {mutant.old!r} is not there once"
        source = source.replace(mutant.old, mutant.new)
    return source.replace("from edgeface.door.engine", "from mutant_engine")


MUTANTS = (
    Mutant("number of frames", "engine_visit", "len(good) < rules.frames", "not good",
           ("evidence",)),
    Mutant("last n frames", "engine_visit", "kept[-rules.of :]", "kept", ("evidence", "bounded")),
    Mutant("window", "engine_visit", "newest.captured - seen.captured <= rules.window_s", "True",
           ("evidence",)),
    Mutant("watching", "engine_visit", "if newest.captured - visit.watched < rules.watch_s:",
           "if False:", ("watched",)),
    Mutant("one person", "engine_visit", " or len(people) != 1", "",
           ("same", "evidence", "cause")),
    Mutant("mean liveness", "engine_visit", "if sum(live) / len(live) < rules.matching.live:",
           "if False:", ("liveness",)),
    Mutant("one track", "engine_visit", "current = state.visit is not None and "
           "state.visit.track == track", "current = state.visit is not None",
           ("cause", "evidence", "once", "admitted")),
    Mutant("tracks only grow", "engine_visit", "track > state.last_track", "True",
           ("cause", "once", "attempts", "challenge")),
    Mutant("final verdicts", "engine_visit", "visit.outcome not in FINAL", "True", ("once",)),
    Mutant("attempts", "engine_visit", "visit.attempts < rules.attempts", "True", ("attempts",)),
    Mutant("retry", "engine_visit", "state.now - visit.decided >= rules.retry_s", "True",
           ("attempts",)),
    Mutant("challenge asked", "engine_visit",
           'if rules.policy == "passive+challenge" and visit.asked is None:', "if False:",
           ("challenge",)),
    Mutant("challenge passed", "engine_frame", 'if observation.challenge != "passed":',
           "if False:", ("challenge", "evidence")),
    Mutant("challenged person", "engine_frame", "if observation.person != visit.claimed:",
           "if False:", ("challenge",)),
    Mutant("disarmed", "engine_visit", "    if closed:\n", "    if False:\n",
           ("sound", "alarms")),
    Mutant("evidence forgotten", "engine", "return _forget_evidence(state), tuple(outputs)",
           "return state, tuple(outputs)", ("evidence", "two_people")),
    Mutant("faults", "engine_state", "if state.faults:", "if False:",
           ("sound", "two_people", "evidence")),
    Mutant("clock backwards", "engine_state", "if state.behind:", "if False:",
           ("sound", "two_people", "evidence")),
    Mutant("housing", "engine_state", "if state.tamper:", "if False:",
           ("sound", "two_people", "evidence")),
    Mutant("maintenance", "engine_state", "if state.maintenance:", "if False:",
           ("sound", "two_people", "evidence")),
    Mutant("lock-out", "engine_state", "if state.locked_until is not None:", "if False:",
           ("sound", "evidence", "alarms")),
    Mutant("lock-out count", "engine_outcome", "if len(denied) < rules.lock_out_visits:",
           "if True:", ("alarms",)),
    Mutant("lock-out once a visit", "engine_outcome", "reason in COUNTED and not visit.counted",
           "reason in COUNTED", ("alarms",)),
    Mutant("frame age", "engine_frame",
           "if not state.now - captured <= rules.max_frame_age_s:", "if False:",
           ("evidence", "watched")),
    Mutant("frame order", "engine_frame", "if captured <= state.newest_frame:", "if False:",
           ("evidence", "challenge", "watched")),
    Mutant("quality", "engine_frame", "    if observation.broken:\n", "    if False:\n",
           ("evidence", "liveness")),
    Mutant("several faces", "engine_frame", 'if "several_faces" in observation.broken:',
           'if observation.broken == ("several_faces",):\n        return None\n    if False:',
           ("evidence", "liveness")),
    Mutant("frozen feed", "engine_frame", 'if observation.feed != "live":', "if False:",
           ("evidence",)),
    Mutant("liveness", "engine_frame", "observation.live >= least", "True",
           ("evidence", "liveness")),
    Mutant("liveness that is no share", "engine_frame",
           "if _within(observation.live, *_LIVE) is None:", "if False:", ("evidence", "raised")),
    Mutant("scores that are none", "engine_frame",
           "if _within(score, *_SCORE) is None or _within(lead, *_LEAD) is None:",
           "if score != score or lead != lead:", ("evidence", "raised")),
    Mutant("threshold", "engine_frame", "score < state.threshold", "False", ("evidence",)),
    Mutant("enrolled", "engine_frame", " or observation.person not in state.subjects", "",
           ("raised", "evidence")),
    Mutant("lead", "engine_frame", "lead < rules.matching.lead or lead == 0", "False",
           ("evidence",)),
    Mutant("people changed: evidence", "engine_door",
           "visit=state.visit and replace(state.visit, frames=()),", "", ("evidence",)),
    Mutant("people changed: threshold", "engine_door",
           "threshold=rules.threshold(subjects.values()).cosine,", "", ("evidence", "admitted")),
    Mutant("blocklist", "engine_access", "if subject.blocked:", "if False:", ("access",)),
    Mutant("expiry", "engine_access", "_expiry(subject, local)\n        or ", "", ("access",)),
    Mutant("unsure clock", "engine_access", "    if local is None:\n        return Reason."
           "CLOCK_UNSURE, names", "    if local is None:\n        return None", ("access",)),
    Mutant("schedule", "engine_access", "any(s.is_open(local) for s in schedules)", "True",
           ("access",)),
    Mutant("groups", "engine_access", "    if not schedules:\n        return Reason.SCHEDULE, "
           '"in no group of door.toml"', "    if not schedules:\n        return None",
           ("access",)),
    Mutant("cool-down", "engine_access", "if state.now - entry.at < rules.cool_down_s:",
           "if False:", ("cool_down", "form")),
    Mutant("anti-passback", "engine_access", "if entry.inside and", "if False and",
           ("anti_passback",)),
    Mutant("openings a minute", "engine_access", "len(lately) >= rules.openings_per_minute",
           "False", ("rate",)),
    Mutant("two people", "engine_outcome", "    if not groups:\n", "    if True:\n",
           ("two_people",)),
    Mutant("two people: time", "engine_access",
           " or state.now - first.at > rules.two_person_s", "", ("two_people",)),
    Mutant("two people: different", "engine_access",
           " or first.person == second.person or first.track == second.track", "",
           ("two_people", "form", "once")),
    Mutant("two people: one group", "engine_access", "not shared or ", "", ("two_people",)),
    Mutant("two people: first still may", "engine_access",
           " or refusal(state, subject, moment=moment, rules=rules):", ":",
           ("access", "cool_down", "anti_passback", "rate")),
    Mutant("exit request", "engine_door", "if not rules.exit_request_opens:",
           "if state.maintenance:", ("exit",)),
    Mutant("forced door", "engine_door", "known is None or state.now <= state.released_until",
           "True", ("alarms",)),
    Mutant("held open", "engine_door", "open_for >= rules.held_open_s", "False", ("alarms",)),
    Mutant("duress", "engine_outcome", "if state.now > state.duress_until:", "if True:",
           ("alarms",)),
    Mutant("card only when open", "engine_outcome", "        detail=detail,\n",
           "        detail=detail,\n        card=person and state.subjects[person].card,\n",
           ("form",)),
)  # fmt: skip
