"""The threshold follows the false-accept target and the size of the gallery."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.bundle import Bundle
from edgeface.door.threshold import threshold_for
from edgeface.errors import DoorError

TABLE = [
    {"far": 0.001, "cosine": 0.4},
    {"far": 0.1, "cosine": 0.2},
    {"far": 0.01, "cosine": 0.3},
    {"far": 0.0001, "cosine": 0.48},
]


def threshold(number, *, target=0.001, least=0.0, table=TABLE):
    return threshold_for(table, false_accept_target=target, comparisons=number, least_cosine=least)


@pytest.mark.parametrize(
    ("comparisons", "cosine", "extrapolated"),
    [(0, 0.4, False), (1, 0.4, False), (10, 0.48, False), (100, 0.56, True), (1000, 0.64, True)],
)
def test_ten_times_the_comparisons_ask_for_a_rate_ten_times_lower(
    comparisons, cosine, extrapolated
):
    found = threshold(comparisons)
    assert found.cosine == pytest.approx(cosine)
    assert found.far == pytest.approx(0.001 / max(comparisons, 1))
    assert found.extrapolated is extrapolated
    assert ("extrapolated" in found.text) is extrapolated


def test_between_two_rates_the_cosine_is_linear_in_the_logarithm():
    assert threshold(1, target=10**-2.5).cosine == pytest.approx(0.35)


def test_never_below_the_bundle_s_own_and_never_above_one():
    assert threshold(1, target=0.09, least=0.4).cosine == 0.4
    assert threshold(10**12).cosine == 1.0


def test_rate_above_the_table_takes_its_first_cosine():
    assert threshold(1, target=0.5).cosine == 0.2


def test_flat_end_of_the_table_is_not_taken_for_the_slope():
    table = [*TABLE[:3], {"far": 0.0001, "cosine": 0.4}]
    assert threshold(100, table=table).cosine == pytest.approx(0.5)


@pytest.mark.parametrize("target", [0, 1, -1, 2, math.nan])
def test_target_that_is_no_probability_is_refused(target):
    with pytest.raises(DoorError, match="expected more than 0 and less than 1"):
        threshold(1, target=target)


def test_table_of_one_rate_is_refused():
    with pytest.raises(DoorError, match="expected two or more"):
        threshold(1, table=TABLE[:1])


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(1e-6, 0.1))
def test_more_comparisons_never_ask_for_less(comparisons, more, target):
    few, many = threshold(comparisons, target=target), threshold(comparisons + more, target=target)
    assert few.cosine <= many.cosine <= 1.0


def test_default_bundle_gives_a_threshold_for_a_house_and_for_a_factory():
    bundle = Bundle.open()
    thresholds, own = bundle.manifest["thresholds"], bundle.threshold()
    house, factory = (
        threshold(comparisons, least=own, table=thresholds["by_far"]) for comparisons in (5, 500)
    )
    assert own <= house.cosine < factory.cosine < 0.75


def test_extrapolation_is_cautious_for_impostors_with_a_normal_tail():
    impostors = NormalDist(0.05, 0.1)
    table = [{"far": far, "cosine": impostors.inv_cdf(1 - far)} for far in (0.1, 0.01, 0.001)]
    for comparisons in (10, 100, 10_000):
        found = threshold(comparisons, table=table)
        assert found.extrapolated
        assert 1 - impostors.cdf(found.cosine) <= found.far
