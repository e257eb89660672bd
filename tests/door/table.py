"""The table of visits: python -m tests.door.table --data ../shared/data [--visits 20] [--out FILE]

Every visit meets the real detector, embedder, liveness network, tracker, gate and rules, and an
encrypted gallery of people who are in other photos too. Nobody's name or face is written.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

import numpy as np

from edgeface.door.assemble import open_models, perceive_and_decide
from edgeface.door.config import DoorConfig, read_config
from edgeface.door.event import ChallengeWanted, Decision, Moment, PeopleChanged, Tick
from edgeface.door.new import make_door
from edgeface.door.perceive import subjects
from edgeface.gallery import Gallery
from edgeface.gallery_key import GalleryKey
from edgeface.pipeline import Pipeline
from tests.door import clips, scenarios
from tests.door.identities import Identities
from tests.door.scenarios import Portrait, Scenario

BEGINS = datetime(2026, 11, 27, 9, 0, tzinfo=timezone.utc)
ENROLLED_PHOTOS = 3
FRONTAL = 0.2
SIDE = 0.45
PRINTS = ("print", "glossy print", "cut-out", "print crop", "newspaper")
SCREENS = ("screen", "glare screen", "screen crop", "oled")


@dataclass
class Row:
    """What came of the visits of one kind."""

    visits: int = 0
    opened: int = 0
    first_look: int = 0
    wrong: int = 0
    reasons: Counter = field(default_factory=Counter)


@dataclass(frozen=True, eq=False)
class Somebody:
    """A person's usable photos: portraits, their embeddings, and photos that show a profile."""

    name: str
    portraits: list[Portrait]
    embeddings: list[np.ndarray]
    profiles: list[Portrait]


class Site:
    """A door's folder, models and people."""

    def __init__(
        self, folder: Path, data: Path, *, policy: str, enrolled: int, strangers: int | None = None
    ) -> None:
        self.config = _settings(folder, policy)
        self.pipeline = open_models(self.config)
        self.frames = scenarios.LONG if policy == "passive+challenge" else scenarios.SHORT
        most = None if strangers is None else enrolled + strangers
        everybody = list(islice(_somebodies(Identities(data), self.pipeline), most))
        self.known, self.strangers = everybody[:enrolled], everybody[enrolled:]
        self.gallery = Gallery.open(
            folder / "gallery.db",
            model_id=self.pipeline.bundle.model_id,
            key=GalleryKey.from_file(folder / "gallery.key"),
        )
        for person in self.known:
            self.gallery.enroll(person.name, np.stack(person.embeddings[:ENROLLED_PHOTOS]))

    def visit(self, scenario: Scenario) -> Iterator[tuple[int, Decision]]:
        """Play one visit to a fresh door; yield (frame's number, decision)."""
        parts = perceive_and_decide(self.config, self.pipeline, self.gallery, draw=random.Random(1))
        perception, engine = parts["perception"], parts["engine"]
        engine.step(PeopleChanged(_moment(0), subjects(self.gallery.people())))
        number, asked = 0, None
        while True:
            try:
                frame = scenario.frames.send(asked)
            except StopIteration:
                break
            for output in engine.step(perception.look(frame, _moment(number))):
                if isinstance(output, ChallengeWanted):
                    perception.ask(output)
                if isinstance(output, Decision):
                    yield number, output
            asked = perception.step or ""
            number += 1
        for output in engine.step(Tick(_moment(number + 600))):
            if isinstance(output, Decision):
                yield number, output


def _moment(frame: int) -> Moment:
    seconds = frame / clips.FPS
    return Moment(seconds, BEGINS + timedelta(seconds=seconds))


def _settings(folder: Path, policy: str) -> DoorConfig:
    list(make_door(folder))
    file = folder / "door.toml"
    text = file.read_text().replace('"passive+challenge"', f'"{policy}"', 1)
    file.write_text(text)
    return read_config(file)


def _somebodies(people: Identities, pipeline: Pipeline) -> Iterator[Somebody]:
    for name in people.identities:
        found = Somebody(name, [], [], [])
        for photo in people.photos(name):
            scene = clips.placed(photo)
            faces = pipeline.analyze(scene)
            if len(faces) != 1:
                continue
            face, portrait = faces[0], Portrait(scene, faces[0].landmarks)
            if abs(face.quality.yaw) > SIDE:
                found.profiles.append(portrait)
            elif face.quality.ok and abs(face.quality.yaw) < FRONTAL:
                found.portraits.append(portrait)
                found.embeddings.append(face.embedding)
        if len(found.portraits) > ENROLLED_PHOTOS:
            yield found


def visits(
    site: Site, count: int, attacks: Callable[[str, Portrait, int], Portrait]
) -> Iterator[Scenario]:
    """Yield `count` visits of each kind, as far as there are people for them."""
    known = [(person.name, person.portraits[ENROLLED_PHOTOS]) for person in site.known]
    strangers = [person.portraits[0] for person in site.strangers]
    for i, (name, portrait) in enumerate(known[:count]):
        stranger = strangers[i % len(strangers)]
        yield scenarios.known(name, portrait, seed=i, frames=site.frames)
        yield scenarios.stranger(stranger, seed=i, frames=site.frames)
        yield scenarios.two_people(portrait.scene, stranger.scene, seed=i, frames=site.frames)
        yield scenarios.tailgating(name, portrait, stranger, seed=i, frames=site.frames)
        yield scenarios.frozen(portrait, seed=i, frames=site.frames, period=1)
        yield scenarios.frozen(portrait, seed=i, frames=site.frames, period=15)
        yield scenarios.dark(portrait, seed=i, frames=site.frames)
        for family, kinds in (("print", PRINTS), ("screen", SCREENS)):
            shown = attacks(kinds[i % len(kinds)], portrait, i)
            yield scenarios.attack(family, shown, seed=i, frames=site.frames)
    for i, portrait in enumerate(look_alikes(site, count)):
        yield scenarios.stranger(portrait, seed=i, frames=site.frames, kind="look-alike")
    profiles = [profile for person in site.known for profile in person.profiles[:1]]
    for i, portrait in enumerate(profiles[:count]):
        yield scenarios.stranger(portrait, seed=i, frames=site.frames, kind="side pose")


def look_alikes(site: Site, count: int) -> list[Portrait]:
    """Return the strangers' portraits that are nearest to anybody enrolled, nearest first."""
    enrolled = np.concatenate([person.embeddings[:ENROLLED_PHOTOS] for person in site.known])
    nearness = [
        (float(np.max(enrolled @ embedding)), i, portrait)
        for i, person in enumerate(site.strangers)
        for embedding, portrait in zip(person.embeddings, person.portraits)
    ]
    nearness.sort(key=lambda entry: -entry[0])
    return [portrait for _, _, portrait in nearness[:count]]


def measure(site: Site, played: Iterator[Scenario]) -> dict[str, Row]:
    """Play the visits and count what came of them."""
    rows: dict[str, Row] = defaultdict(Row)
    for scenario in played:
        row = rows[scenario.kind]
        row.visits += 1
        decisions = list(site.visit(scenario))
        opened = [(at, decision) for at, decision in decisions if decision.opens]
        row.opened += bool(opened)
        row.first_look += bool(decisions) and decisions[0][1].opens
        row.wrong += any(
            decision.person != scenario.person or at >= scenario.until for at, decision in opened
        )
        row.reasons.update({decision.reason.value for _, decision in decisions})
        print(f"{scenario.kind}: {row.visits}, {row.opened} opened", file=sys.stderr)
    return dict(rows)


def simulated_attacks(data: Path) -> Callable[[str, Portrait, int], Portrait]:
    """Return a function that shows a portrait on paper or glass, with photos of the test part."""
    from export.liveness_attacks import attack_on
    from export.liveness_data import load_part
    from export.liveness_sets import found_face, shown

    photos = load_part(data / "fairface224", "test")

    def attacked(kind: str, portrait: Portrait, seed: int) -> Portrait:
        content = shown(found_face(portrait.scene))
        frame = attack_on(content, photos, np.random.default_rng(seed), kind=kind)
        scene = clips.placed(frame.image, height=clips.HEIGHT)
        scale = clips.HEIGHT / frame.image.shape[0]
        left = (clips.WIDTH - frame.image.shape[1] * scale) / 2
        landmarks = frame.landmarks * scale + np.float32([left, 0])
        return Portrait(scene, landmarks)

    return attacked


def markdown(rows: dict[str, Row]) -> str:
    """Return the table."""
    lines = [
        "| visit | visits | opened | at the first look | wrongly opened | decisions |",
        "|---|---|---|---|---|---|",
    ]
    for kind, row in rows.items():
        reasons = ", ".join(f"{reason} {count}" for reason, count in row.reasons.most_common())
        lines.append(
            f"| {kind} | {row.visits} | {row.opened} | {row.first_look} | {row.wrong} | {reasons} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the table; 1 where a door opened wrongly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--policy", default="passive", choices=("passive", "passive+challenge"))
    parser.add_argument("--visits", type=int, default=20)
    parser.add_argument("--enrolled", type=int, default=60)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), args.data, policy=args.policy, enrolled=args.enrolled)
        played = visits(site, args.visits, simulated_attacks(args.data))
        rows = measure(site, played)
    print(markdown(rows))
    if args.out:
        args.out.write_text(markdown(rows))
    return int(any(row.wrong for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
