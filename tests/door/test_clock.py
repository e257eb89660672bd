"""Which wall clock is trusted: network time, or one that the owner vouches for, until it jumps."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeface.door.clock import SETTINGS, SETTLE_S, Clock, Network, network_time
from edgeface.door.event import Moment
from edgeface.schema import first_problem

START = datetime(2026, 11, 28, 9, 0, tzinfo=timezone.utc)


class World:
    """A monotonic clock, a wall clock and network time that a test turns."""

    def __init__(self, *, now: bool = False, ever: bool = False, **settings: object) -> None:
        self.monotonic, self.wall = 50.0, START.timestamp()
        self.network = Network(now, ever or now)
        self.clock = Clock(
            monotonic=lambda: self.monotonic,
            wall=lambda: self.wall,
            network=lambda: self.network,
            **settings,
        )

    def pass_time(self, seconds: float) -> None:
        """Both clocks go on."""
        self.monotonic += seconds
        self.wall += seconds


def test_network_time_is_trusted() -> None:
    world = World(now=True)
    assert world.clock.quality() == "synchronised"
    assert world.clock.moment() == Moment(50.0, START)


def test_network_time_of_earlier_is_trusted_still() -> None:
    assert World(ever=True).clock.quality() == "synchronised"


def test_without_network_time_there_is_no_utc() -> None:
    world = World()
    assert world.clock.quality() == "unsure"
    assert world.clock.moment() == Moment(50.0, None)


def test_a_clock_that_the_owner_trusts_has_utc() -> None:
    world = World(trust_clock=True)
    assert world.clock.quality() == "rtc"
    assert world.clock.moment().utc == START


def test_a_frames_moment_is_that_of_its_capture() -> None:
    world = World(now=True)
    world.pass_time(10)
    moment = world.clock.moment(at=50.0)
    assert moment == Moment(50.0, START)


@pytest.mark.parametrize("leap", [-86_400.0, -2.1, 2.1, 3600.0])
def test_a_jump_takes_the_trust_until_network_time_sets_the_clock(leap: float) -> None:
    world = World(now=True, trust_clock=True)
    world.clock.moment()
    world.wall += leap
    world.network = Network(now=False, ever=True)
    for _ in range(3):
        world.pass_time(SETTLE_S)
        assert world.clock.quality() == "jumped"
        assert world.clock.moment().utc is None
    world.network = Network(now=True, ever=True)
    assert world.clock.quality() == "synchronised"
    assert world.clock.moment().utc is not None


def test_right_after_a_jump_network_time_is_not_believed_yet() -> None:
    world = World(now=True)
    world.wall += 3600
    assert world.clock.quality() == "jumped"
    world.pass_time(SETTLE_S - 0.1)
    assert world.clock.quality() == "jumped"
    world.pass_time(0.2)
    assert world.clock.quality() == "synchronised"


def test_a_clock_that_is_slewed_does_not_jump() -> None:
    world = World(now=True)
    for _ in range(10_000):
        world.pass_time(1.0)
        world.wall += 0.0005  # as fast as the kernel slews
        assert world.clock.quality() == "synchronised"


def test_the_monotonic_time_does_not_feel_a_jump() -> None:
    world = World(now=True)
    world.wall -= 1e6
    assert world.clock.moment().monotonic == 50.0


def test_settings_make_a_clock(tmp_path: Path) -> None:
    table = {"trust_clock": True, "max_jump_s": 5.0}
    assert first_problem(table, SETTINGS) is None
    assert Clock.from_settings(table, base=tmp_path).quality() in ("rtc", "synchronised")
    assert first_problem({"max_jump_s": 0}, SETTINGS) is not None


def test_this_machines_kernel_answers() -> None:
    network = network_time()
    assert isinstance(network.now, bool) and (network.ever or not network.now)
    assert Clock().quality() in ("synchronised", "unsure")
