"""A few visits of real people to a whole door; docs/scenarios.md has the table of many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.door import clips, scenarios
from tests.door.scenarios import LONG, SHORT, Portrait, Scenario
from tests.door.table import ENROLLED_PHOTOS, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory, data_folder: Path) -> Site:
    folder = tmp_path_factory.mktemp("site") / "door"
    return Site(folder, data_folder, policy="passive", enrolled=4, strangers=2)


@pytest.fixture(scope="module")
def asking(tmp_path_factory, data_folder: Path) -> Site:
    folder = tmp_path_factory.mktemp("site") / "door"
    return Site(folder, data_folder, policy="passive+challenge", enrolled=4, strangers=1)


def _opened(site: Site, scenario: Scenario) -> list[str]:
    return [decision.person for _, decision in site.visit(scenario) if decision.opens]


def _known(site: Site) -> tuple[str, Portrait]:
    """The person enrolled whom this model recognises best in another photo."""
    likeness = [
        float(np.max(np.stack(one.embeddings[:ENROLLED_PHOTOS]) @ one.embeddings[ENROLLED_PHOTOS]))
        for one in site.known
    ]
    person = site.known[int(np.argmax(likeness))]
    return person.name, person.portraits[ENROLLED_PHOTOS]


def test_somebody_enrolled_gets_in_by_another_photo(site: Site) -> None:
    name, portrait = _known(site)
    assert _opened(site, scenarios.known(name, portrait, seed=1, frames=SHORT)) == [name]


def test_strangers_stay_outside(site: Site) -> None:
    for seed, stranger in enumerate(site.strangers):
        assert not _opened(site, scenarios.stranger(stranger.portraits[0], seed=seed, frames=SHORT))


def test_two_people_side_by_side_stay_outside(site: Site) -> None:
    _, portrait = _known(site)
    other = site.strangers[0].portraits[0]
    assert not _opened(
        site, scenarios.two_people(portrait.scene, other.scene, seed=1, frames=SHORT)
    )


def test_stranger_who_takes_the_place_of_somebody_known_stays_outside(site: Site) -> None:
    name, portrait = _known(site)
    visit = scenarios.tailgating(
        name, portrait, site.strangers[0].portraits[0], seed=1, frames=SHORT
    )
    opened = [(at, decision) for at, decision in site.visit(visit) if decision.opens]
    assert all(at < visit.until and decision.person == name for at, decision in opened)


def test_frozen_feed_and_darkness_open_nothing(site: Site) -> None:
    _, portrait = _known(site)
    assert not _opened(site, scenarios.frozen(portrait, seed=1, frames=SHORT, period=1))
    assert not _opened(site, scenarios.dark(portrait, seed=1, frames=SHORT))


def test_who_does_nothing_of_what_the_door_asks_stays_outside(asking: Site) -> None:
    """The passive policy lets the same clip in: what is missing is the movement."""
    name, portrait = _known(asking)
    still = clips.living(clips.unmoved(portrait.scene), frames=SHORT, seed=1)
    assert not _opened(asking, Scenario("known", still, name))


def test_who_turns_as_the_door_asks_gets_in(asking: Site) -> None:
    name, portrait = _known(asking)
    turning = clips.living(portrait.turned, frames=LONG, seed=1)
    assert _opened(asking, Scenario("known", turning, name)) == [name]
