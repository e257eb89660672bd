"""When the decision engine opens for a face, and when it does not: scenarios in words."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edgeface.door.engine import Engine
from edgeface.door.event import (
    Card,
    Observation,
    PeopleChanged,
    Reason,
)
from tests.door.door_world import (
    ADA,
    BOB,
    MATCHING,
    World,
    challenges,
    decision,
    decisions,
    opened,
    rules,
)


def test_third_good_frame_opens_and_says_for_whom():
    world = World(replace(ADA, card=Card(7, 4711)), BOB)
    assert world.frames(2) == []
    found = decision(world.frame(score=0.9))
    assert (found.opens, found.reason, found.person) == (True, Reason.RECOGNISED, "Ada")
    assert (found.card, found.score, found.pulse_s, found.frames) == (Card(7, 4711), 0.9, 5.0, 3)
    assert found.track == 1 and found.moment == world.moment()


def test_somebody_known_who_stays_is_let_in_once_and_logged_once():
    world = World()
    assert len(decisions(world.frames(100))) == 1


def test_three_of_five_frames_suffice_and_two_do_not():
    world = World()
    for good in (True, False, True, False, True):
        found = world.frame(broken=() if good else ("blurred",))
    assert decision(found).opens
    world = World()
    for good in (True, False, False, True, False, False) * 3:
        assert not decisions(world.frame(broken=() if good else ("blurred",)))


def test_frames_too_far_apart_do_not_add_up():
    world = World(rules=rules(window_s=2.0, give_up_s=60.0, gone_after_s=60.0))
    for _ in range(8):
        assert world.frame() == []
        world.at += 1.1
    world = World(rules=rules(window_s=3.0))
    for _ in range(3):
        found = world.frame()
        world.at += 0.8  # one frame a second opens
    assert decision(found).opens


def test_two_people_in_one_track_do_not_add_up():
    world = World()
    for person in ("Ada", "Bob") * 10:
        assert not opened(world.frame(person))


def test_face_is_watched_for_a_second_in_which_a_still_picture_shows():
    world = World(rules=rules(watch_s=1.0))
    assert world.frames(5) == []
    assert decision(world.frame()).opens  # the sixth, a second after the first
    world = World(rules=rules(watch_s=1.0))
    world.frames(4)
    assert decision(world.frames(3, feed="static")).reason is Reason.STATIC_FEED
    world = World(rules=rules(watch_s=1.0))
    world.frames(5, broken=("small",))  # who walks up is watched already
    assert opened(world.frames(3))


def test_another_track_starts_at_nought():
    world = World()
    assert world.frames(2, track=1) == []
    found = decisions(world.frames(2, track=2))
    assert [f.reason for f in found] == [Reason.TIMED_OUT] and found[0].track == 1
    assert decision(world.frame(track=2)).opens


def test_track_that_comes_back_after_another_counts_for_nothing():
    world = World()
    world.frames(2, track=1)
    world.frame(track=2)
    assert not opened(world.frames(20, track=1))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"person": None, "score": None, "lead": None}, Reason.UNKNOWN),
        ({"score": 0.39}, Reason.UNKNOWN),
        ({"person": "Mallory"}, Reason.UNKNOWN),
        ({"lead": 0.04}, Reason.AMBIGUOUS),
        ({"live": None}, Reason.TIMED_OUT),
        ({"broken": ("small", "dark")}, Reason.QUALITY),
        ({"broken": ("small", "several_faces")}, Reason.SEVERAL_FACES),
        ({"challenge": "asked"}, Reason.TIMED_OUT),
        ({"challenge": "???"}, Reason.TIMED_OUT),
        ({"age": 0.6}, Reason.STALE_FRAME),
        ({"score": math.nan}, Reason.FAULT),
        ({"score": math.inf}, Reason.FAULT),
        ({"lead": math.nan}, Reason.FAULT),
        ({"live": math.nan}, Reason.FAULT),
        ({"live": 7.0}, Reason.FAULT),
    ],
)
def test_visit_that_never_suffices_is_denied_in_time_and_says_why(fields, reason):
    world = World()
    found = decision(world.frames(27, **fields))
    assert (found.opens, found.reason) == (False, reason)
    assert found.card is None and found.pulse_s == 0.0
    assert not (found.score is not None and math.isnan(found.score))


@pytest.mark.parametrize(
    ("fields", "reason", "frames"),
    [
        ({"live": 0.59}, Reason.NOT_LIVE, 3),
        ({"feed": "static"}, Reason.STATIC_FEED, 3),
        ({"feed": "???"}, Reason.STATIC_FEED, 3),
        ({"challenge": "failed"}, Reason.CHALLENGE_FAILED, 1),
        ({"challenge": "failed", "broken": ("side_pose",)}, Reason.CHALLENGE_FAILED, 1),
    ],
)
def test_attack_is_denied_at_once_and_its_track_never_opens(fields, reason, frames):
    world = World()
    found = decision(world.frames(frames, **fields))
    assert (found.opens, found.reason, found.person) == (False, reason, None)
    assert not decisions(world.frames(200))


def test_live_frames_do_not_outvote_frames_that_are_not():
    world = World()
    for live in (0.1, 0.61, 0.1, 0.61, 0.61):  # three of five, and a mean of 0.41
        assert not opened(world.frame(live=live))


def test_denial_names_nobody_who_was_not_recognised():
    world = World()
    assert decision(world.frames(40, score=0.3)).person is None


def test_person_who_leaves_early_gets_a_decision_when_gone():
    world = World()
    world.frames(2, score=0.1)
    found = decision(world.wait(3))
    assert (found.opens, found.reason) == (False, Reason.TIMED_OUT)
    assert found.detail == "frames: unknown 2"


def test_blurred_visit_is_looked_at_again_and_opens():
    world = World()
    assert decision(world.frames(27, broken=("blurred",))).reason is Reason.QUALITY
    assert decision(world.frames(20)).opens


def test_stranger_has_five_attempts_a_track():
    world = World(rules=rules(lock_out_visits=100))
    assert len(decisions(world.frames(1000, person=None))) == 5
    assert not decisions(world.frames(50))


def test_old_frame_never_counts_and_repeated_frame_counts_once():
    world = World()
    world.frames(2)
    assert world.frame(age=0.55) == []
    frame = Observation(world.moment(), track=1, faces=1, person="Ada", score=0.8, lead=1, live=1)
    world = World()
    world.at += 0.2
    frame = replace(frame, moment=world.moment())
    for _ in range(20):
        assert world.send(frame) == ()


def test_time_that_jumps_ahead_leaves_no_old_frames():
    world = World()
    world.frames(2)
    world.at += 3600
    assert not opened(world.frame())


def test_bigger_gallery_asks_for_more():
    few, many = World(), World(ADA, *(replace(BOB, name=f"B{i}") for i in range(99)))
    assert few.engine.threshold < many.engine.threshold
    fifty = (replace(ADA, templates=50), replace(BOB, templates=50))  # as many comparisons
    assert World(*fifty).engine.threshold == pytest.approx(many.engine.threshold, abs=0.01)
    assert opened(few.frames(3, score=0.55))
    assert not opened(many.frames(30, score=0.55))
    many.send(PeopleChanged(many.moment(), (ADA, BOB)))
    assert opened(many.frames(30, score=0.55))


def test_person_erased_between_frames_is_not_let_in():
    world = World()
    world.frames(2)
    world.send(PeopleChanged(world.moment(), (BOB,)))
    assert not opened(world.frames(30))


def test_challenge_is_asked_once_and_only_of_somebody_who_could_come_in():
    world = World(rules=rules(policy="passive+challenge"))
    assert challenges(world.frames(3)) == [1]
    assert world.frames(5, challenge="asked", broken=("side_pose",)) == []
    assert world.frames(2, challenge="passed") == []
    assert opened(world.frame(challenge="passed"))
    assert challenges(world.outputs) == [1]
    world = World(replace(ADA, blocked=True), rules=rules(policy="passive+challenge"))
    found = world.frames(3)
    assert decision(found).reason is Reason.BLOCKED and not challenges(found)


def test_challenge_passed_by_another_or_not_at_all_does_not_open():
    world = World(rules=rules(policy="passive+challenge"))
    world.frames(3)
    found = decision(world.frames(90, person="Bob", challenge="passed"))
    assert (found.opens, found.reason) == (False, Reason.AMBIGUOUS)
    world = World(rules=rules(policy="passive+challenge"))
    assert challenges(world.frames(3)) == [1]
    found = decision(world.frames(80, challenge="asked"))
    assert (found.opens, found.reason) == (False, Reason.TIMED_OUT)
    assert not opened(world.frames(80, challenge="none"))


def test_policy_none_opens_without_liveness():
    matching = replace(MATCHING, live=None)
    world = World(rules=rules(policy="none", matching=matching))
    assert opened(world.frames(3, live=None))


def test_engine_ignores_what_is_no_event():
    engine = Engine(rules(), [ADA])
    state = engine.state
    for thing in (None, 3, "open", object()):
        assert engine.step(thing) == ()
    assert engine.state is state


def test_same_events_give_the_same_outputs():
    def run():
        world = World()
        world.frames(9, broken=("dark",))
        world.wait(2)
        world.frames(3, track=2)
        return world.outputs

    assert run() == run()


def test_another_face_after_the_challenge_is_a_reason_to_wait():
    world = World(rules=rules(policy="passive+challenge"))
    world.frames(3)
    for state in ("none", "passed"):
        world.frames(2, challenge="passed")
        assert world.frame("Bob", challenge=state) == []
        assert not opened(world.frame(challenge="passed"))
        assert not opened(world.frames(5, broken=("dark",)))
    assert opened(world.frames(3, challenge="passed"))
