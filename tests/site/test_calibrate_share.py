"""Shares and their intervals, against textbook values and on simulated sites of known people."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from edgeface.site.calibrate_scores import compare_rows
from edgeface.site.calibrate_share import (
    clustered,
    intervals,
    people_needed,
    refusal_shares,
    stranger_shares,
)

SITES, PEOPLE, LOOKS, DIMS = 200, 60, 3, 12
COSINES = np.array([0.6, 0.7, 0.8])


@pytest.mark.parametrize(("seen", "trials"), [(1, 10), (5, 10), (9, 10), (3, 400), (399, 400)])
def test_interval_is_clopper_and_pearson_s(seen, trials):
    low, high = intervals(np.array([seen / trials]), np.array([float(trials)]))
    expected = binomtest(seen, trials).proportion_ci(0.95, method="exact")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("trials", [1.0, 2.5, 30.0, 3000.0])
def test_none_seen_is_up_to_three_in_n_and_all_seen_the_reverse(trials):
    low, high = intervals(np.array([0.0, 1.0]), np.array([trials, trials]))
    assert (low[0], high[1]) == (0, 1)
    assert high[0] == pytest.approx(1 - 0.05 ** (1 / trials)) and high[0] < 3 / trials
    assert low[1] == pytest.approx(1 - high[0])


@pytest.mark.parametrize("target", [0.1, 0.01, 0.001])
def test_people_needed_are_enough_and_one_trial_less_is_not(target):
    needed = people_needed(target)
    trials = np.array([needed / 2, needed / 2 - 1])
    enough, too_few = intervals(np.zeros(2), trials)[1]
    assert enough <= target < too_few


def test_looks_of_one_person_that_are_all_alike_are_worth_one_trial():
    outcomes = np.repeat([[0.0], [1.0]], 50, axis=0)
    share, worth = clustered(outcomes)
    assert share[0] == 0.5 and worth[0] == pytest.approx(100, rel=0.02)


def test_people_who_are_all_alike_are_worth_a_trial_each():
    assert clustered(np.full((40, 1), 0.25))[1][0] == 40


class World:
    """People in `DIMS` dimensions, of whom every look is turned by noise of its own size: some are
    hard to recognise in all of their looks."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def looks(self, people: int, each: int) -> np.ndarray:
        """(people, each, dims) float32 unit rows."""
        who = self.random.standard_normal((people, 1, DIMS))
        noise = self.random.uniform(0.3, 1.2, (people, 1, 1))
        rows = who + noise * self.random.standard_normal((people, each, DIMS))
        return (rows / np.linalg.norm(rows, axis=2, keepdims=True)).astype(np.float32)

    def scores(self):
        """What a site of `PEOPLE` is to itself."""
        owners = np.repeat(np.arange(PEOPLE), LOOKS)
        rows = self.looks(PEOPLE, LOOKS).reshape(-1, DIMS)
        return compare_rows([f"{n:032x}" for n in range(PEOPLE)], owners, rows)


def truth() -> tuple[np.ndarray, np.ndarray]:
    """How often a stranger matches any of `PEOPLE` - 1, and how often somebody is refused."""
    world, strangers, refused = World(999), [], []
    for _ in range(400):
        gallery = world.looks(PEOPLE - 1, LOOKS).reshape(-1, DIMS)
        best = (world.looks(50, 1)[:, 0] @ gallery.T).max(axis=1)
        strangers.append((best[:, None] >= COSINES).mean(axis=0))
        own = world.looks(200, LOOKS)
        best = np.einsum("pd,pld->pl", own[:, 0], own[:, 1:]).max(axis=1)
        refused.append((best[:, None] < COSINES).mean(axis=0))
    return np.mean(strangers, axis=0), np.mean(refused, axis=0)


def test_interval_holds_the_truth_in_95_of_100_sites_or_more_and_is_not_needlessly_wide():
    rates = truth()
    kept, widths = np.zeros((2, len(COSINES))), np.zeros((2, len(COSINES)))
    for seed in range(SITES):
        scores = World(seed).scores()
        for kind, shares in enumerate(
            (stranger_shares(scores, COSINES), refusal_shares(scores, COSINES))
        ):
            for place, share in enumerate(shares):
                kept[kind, place] += share.low <= rates[kind][place] <= share.high
                widths[kind, place] += (share.high - share.low) / SITES
    coverage = kept / SITES
    # 200 sites show 95 % as 92 % to 98 %; Clopper and Pearson's are wider than they must be.
    assert coverage.min() >= 0.92
    assert widths.max() < 0.45


def test_one_person_is_no_site_and_people_of_one_template_are_never_refused():
    one = compare_rows(["a"], np.zeros(3, int), World(1).looks(1, 3)[0])
    assert stranger_shares(one, COSINES) == () == refusal_shares(one, COSINES)
    singles = compare_rows(["a", "b"], np.arange(2), World(1).looks(2, 1)[:, 0])
    assert len(stranger_shares(singles, COSINES)) == 3 and refusal_shares(singles, COSINES) == ()


def test_more_comparisons_than_were_made_count_as_many_times():
    scores = World(3).scores()
    plain, scaled = (stranger_shares(scores, COSINES, scale=scale) for scale in (1, 1.5))
    for one, more in zip(plain, scaled):
        assert (more.value, more.high) == pytest.approx(
            (min(1.5 * one.value, 1), min(1.5 * one.high, 1))
        )
