"""Figures of a running door: of the last two minutes, from any thread."""

from __future__ import annotations

from edgeface.door.health import SPAN_S, Health, memory_mb


def health_of(latencies_s: list[float], *, per_s: float = 10.0) -> Health:
    health = Health()
    for number, latency_s in enumerate(latencies_s):
        health.add_frame(number / per_s, latency_s=latency_s)
    return health


def test_figures_are_of_the_frames_that_were_decided_on():
    health = health_of([0.001 * number for number in range(101)])
    assert health.frames_per_s(10.0) == 10.1
    assert health.latency_ms(10.0) == (50.0, 95.0)
    assert health.frame_age_s(12.0) == 2.1


def test_door_that_sees_nothing_any_more_says_so():
    health = health_of([0.1] * 50)
    assert health.frames_per_s(10 + SPAN_S) == 0.0
    assert health.latency_ms(10 + SPAN_S) is None
    assert health.frame_age_s(10 + SPAN_S) > SPAN_S


def test_door_that_saw_nothing_yet_has_no_figures():
    health = Health()
    assert health.frames_per_s(1.0) == 0.0
    assert health.latency_ms(1.0) is None and health.frame_age_s(1.0) is None


def test_memory_does_not_grow_with_frames():
    health = health_of([0.1] * 100_000, per_s=30.0)
    assert len(health._frames) < 5000
    assert 1 < memory_mb() < 100_000
