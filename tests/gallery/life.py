"""A gallery's life as a sequence of operations, each with the state that it must lead to.

The process that lives it is killed at any moment; what it acknowledged must be there, and the
operation that was under way must have happened wholly or not at all.
"""

from __future__ import annotations

import json
import os
import random
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Callable

import numpy as np

from edgeface.gallery import Gallery
from edgeface.gallery_key import GalleryKey

MODELS = {"0123456789abcdef": 512, "f" * 16: 128}
FIRST = next(iter(MODELS))
KINDS = ("enroll", "enroll", "enroll", "add", "describe", "remove", "erase", "rekey", "reseal",
         "encrypt", "migrate", "backup")  # fmt: skip


@dataclass(frozen=True)
class State:
    """What must be in the gallery.

    ``people``: name → [templates of each model, group]. ``key``: which one, -1 for none.
    """

    people: dict[str, list] = field(default_factory=dict)
    key: int = -1
    model: str = FIRST
    erased: int = 0
    next: int = 0


@dataclass(frozen=True)
class Step:
    """One operation: its kind, the person's number where there is one, a number for its content."""

    kind: str
    person: str = ""
    number: int = 0


def key_of(state: State) -> GalleryKey | None:
    """The key that opens a gallery in this state."""
    return None if state.key < 0 else GalleryKey(bytes([state.key % 256]) * 32, source="file")


def open_in(state: State, path: Path) -> Gallery:
    """Open a gallery as it is in a state; raises if it is not."""
    return Gallery.open(
        path, model_id=state.model, dim=MODELS[state.model], key=key_of(state), create=False
    )


def rows_of(person: str, number: int, model: str) -> np.ndarray:
    """Three templates of a person, others for each number."""
    seed = [int(person[1:]), number]
    rows = np.random.default_rng(seed).standard_normal((3, MODELS[model])).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def choose(state: State, chance: random.Random) -> Step:
    """Choose something that can be done in a state."""
    kind = chance.choice(KINDS)
    if kind == "encrypt" and state.key >= 0 or kind in ("rekey", "reseal") and state.key < 0:
        kind = "describe"
    if kind in ("add", "describe", "remove", "erase") and not state.people:
        kind = "enroll"
    if kind == "enroll":
        return Step("enroll", f"p{state.next:05}", state.next)
    person = chance.choice(sorted(state.people)) if kind not in _WHOLE else ""
    return Step(kind, person, state.next)


_WHOLE = ("rekey", "reseal", "encrypt", "migrate", "backup")


def after(state: State, step: Step) -> State:
    """The state that a step leads to."""
    state = replace(state, people={name: [dict(p[0]), p[1]] for name, p in state.people.items()})
    people, following = state.people, state.next + 1
    if step.kind in ("enroll", "add"):
        counts, _ = people.setdefault(step.person, [{}, ""])
        counts[state.model] = counts.get(state.model, 0) + 3
    elif step.kind == "describe":
        people[step.person][1] = f"g{step.number}"
    elif step.kind in ("remove", "erase"):
        del people[step.person]
    return replace(
        state,
        next=following,
        erased=state.erased + (step.kind == "erase"),
        key=step.number if step.kind in ("rekey", "reseal", "encrypt") else state.key,
        model=_other(state.model) if step.kind == "migrate" else state.model,
    )


def do(gallery: Gallery, step: Step, state: State) -> Gallery:
    """Do a step in a gallery that is in a state; return the gallery, which may be a new one."""
    key = key_of(replace(state, key=step.number))
    if step.kind in ("enroll", "add"):
        gallery.enroll(step.person, rows_of(step.person, step.number, state.model))
    elif step.kind == "describe":
        gallery.describe(step.person, groups=(f"g{step.number}",))
    elif step.kind == "remove":
        gallery.remove(step.person)
    elif step.kind == "erase":
        gallery.erase(step.person)
    elif step.kind == "encrypt":
        gallery.encrypt(key)
    elif step.kind in ("rekey", "reseal"):
        gallery.rekey(key, reseal_rows=step.kind == "reseal")
    elif step.kind == "backup":
        gallery.backup(gallery.path.with_name("copy.db"))
    elif step.kind == "migrate":
        model, path = _other(state.model), gallery.path
        gallery.close()
        options = {"key": key_of(state), "migrate": True, "create": False}
        gallery = Gallery.open(path, model_id=model, dim=MODELS[model], **options)
    return gallery


def live(
    path: Path, state: State, seed: int, tell: Callable[[bytes], object], steps: int = 1 << 30
) -> None:
    """Go on from a state, saying before each step what it is, and after it that it is done."""
    chance = random.Random(seed)
    gallery = open_in(state, path)
    for _ in range(steps):
        step = choose(state, chance)
        tell(json.dumps(asdict(step)).encode() + b"\n")
        gallery = do(gallery, step, state)
        tell(b"done\n")
        state = after(state, step)


def heard(told: bytes, state: State) -> tuple[State, Step | None, list[Step]]:
    """From what was told: the state acknowledged, the step that was under way, those done."""
    done: list[Step] = []
    under_way = None
    for line in told.split(b"\n"):
        if line == b"done":
            done.append(under_way)
            state, under_way = after(state, under_way), None
        elif line.endswith(b"}"):
            under_way = Step(**json.loads(line))
    return state, under_way, done


def problem(path: Path, state: State) -> str:
    """Say in what a whole gallery is not in a state; "" when it is. Raises for one not whole."""
    with open_in(state, path) as gallery:
        found = gallery.check()
        people = {p.name: [p.templates, p.groups[0] if p.groups else ""] for p in gallery.people()}
        wanted = {n: [c.get(state.model, 0), group] for n, (c, group) in state.people.items()}
        total = sum(sum(counts.values()) for counts, _ in state.people.values())
        if people != wanted:
            return f"people {people}, expected {wanted}"
        if (found.templates, found.erasures) != (total, state.erased):
            return f"{found}, expected {total} templates, {state.erased} erasures"
        if found.encrypted != (state.key >= 0) or found.traces:
            return f"{found}, expected key {state.key}, no traces"
    return ""


def _other(model: str) -> str:
    return next(other for other in MODELS if other != model)


def main(words: list[str]) -> None:
    """Live in a process of its own: the gallery's path, the seed, how many steps."""
    path, seed, steps = words
    live(Path(path), State(), int(seed), lambda data: os.write(1, data), int(steps))


if __name__ == "__main__":
    main(sys.argv[1:])
