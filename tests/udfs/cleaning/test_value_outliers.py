"""Outliers by business rule and by the user's own spread; ordinary life is none."""

from __future__ import annotations

import math
import random

import pytest
from cleaning_world import DAY, HOUR, MINUTE, NOON, outcome, reading

from schemas.cleaning_memory import CleaningMemory, Spread
from schemas.events import Billing, Call
from schemas.reasons import Reason
from udfs.cleaning.spread import MIN_VALUES, observe

OUTLIER = Reason.VALUE_OUTLIER
GB = 10**9
HUGE = 1e12


def call(seconds: float) -> Call:
    return Call("i", 1, NOON, "voice", True, "p", seconds, 2)


def billed(yuan: float, kind: str = "bill") -> Billing:
    return Billing("i", 1, NOON, kind, yuan)


@pytest.mark.parametrize(
    ("elapsed_ms", "used", "expected"),
    [
        (MINUTE, 100 * GB, None),
        (MINUTE, 100 * GB + 1, OUTLIER),
        (DAY, 100 * GB + 1, OUTLIER),
        (3 * DAY, 300 * GB, None),
        (3 * DAY, 300 * GB + 1, OUTLIER),
    ],
)
def test_a_hundred_gigabytes_a_day(elapsed_ms: int, used: int, expected: Reason | None) -> None:
    memory = CleaningMemory()
    assert outcome(reading(7, NOON), memory) is None
    assert outcome(reading(7 + used, NOON + elapsed_ms), memory) is expected


@pytest.mark.parametrize(("seconds", "expected"), [(86_400, None), (86_401, OUTLIER), (math.inf, OUTLIER), (0, None)])
def test_a_call_of_a_day(seconds: float, expected: Reason | None) -> None:
    assert outcome(call(seconds), CleaningMemory()) is expected


@pytest.mark.parametrize(
    ("usual", "yuan", "expected"),
    [
        ([60, 60, 60], 3_200, OUTLIER),
        ([60, 60, 60], 3_000, None),
        ([6], 499, None),
        ([60], 3_200, OUTLIER),
        ([], 2_600, OUTLIER),
        ([], 2_500, None),
        ([2_400], 6_000, None),
        ([6, 6, 6], 499, None),
        ([0, 0, 0, 0], 2_500, None),
    ],
    ids=[
        "beyond 50 times",
        "within",
        "anybody may have a bill of 500, the second",
        "beyond, the second",
        "beyond what is usual, the first",
        "within what is usual, the first",
        "within, the second",
        "anybody may have a bill of 500",
        "free months say nothing",
    ],
)
def test_bills(usual: list[float], yuan: float, expected: Reason | None) -> None:
    memory = CleaningMemory()
    assert [outcome(billed(each), memory) for each in usual] == [None] * len(usual)
    assert outcome(billed(yuan), memory) is expected


def test_a_large_account_is_believed_the_third_time() -> None:
    memory = CleaningMemory()
    assert [outcome(billed(9_000), memory) for _ in range(5)] == [OUTLIER, OUTLIER, None, None, None]


def test_bills_recharges_and_balances_are_kept_apart() -> None:
    memory = CleaningMemory()
    for _ in range(MIN_VALUES):
        outcome(billed(50), memory)
    assert outcome(billed(2_000, "recharge"), memory) is None
    assert outcome(billed(9_000, "balance"), memory) is None
    assert outcome(billed(5_000), memory) is OUTLIER


def test_an_outlier_bill_is_one_again_the_next_time() -> None:
    memory = CleaningMemory()
    bills = [60, 60, 60, 6_000, 60, 6_000, 60, 60, 60, 60, 6_000]
    assert [outcome(billed(each), memory) for each in bills].count(OUTLIER) == 3


def test_usage_far_outside_the_users_own_spread() -> None:
    memory = CleaningMemory()
    total = 0
    for hour in range(20):
        total += (40 + hour % 5) * 10**6
        assert outcome(reading(total, NOON + hour * HOUR), memory) is None
    total += 6 * GB
    assert outcome(reading(total, NOON + 20 * HOUR), memory) is OUTLIER
    total += 41 * 10**6
    assert outcome(reading(total, NOON + 21 * HOUR), memory) is None
    total += 4 * GB  # a film
    assert outcome(reading(total, NOON + 22 * HOUR), memory) is None
    total += 6 * GB  # a week of a dead feed
    assert outcome(reading(total, NOON + 190 * HOUR), memory) is None


def test_a_long_call_of_a_short_talker() -> None:
    memory = CleaningMemory()
    for _ in range(MIN_VALUES):
        outcome(call(60), memory)
    assert outcome(call(7_200), memory) is None
    assert outcome(call(30_000), memory) is OUTLIER


def test_no_verdict_before_eight_values() -> None:
    spread = Spread()
    for _ in range(MIN_VALUES - 1):
        assert not observe(spread, 10.0, 1.0, 0.0)
    assert not observe(spread, HUGE, 1.0, 0.0)
    assert spread.n == MIN_VALUES


def test_one_outlier_does_not_poison_the_spread() -> None:
    spread = Spread()
    values = random.Random(5)
    for _ in range(100):
        observe(spread, values.lognormvariate(4, 0.5), 1.0, 0.0)
    before = (spread.mean, math.sqrt(spread.variance))
    assert observe(spread, HUGE, 1.0, 0.0)
    assert spread.mean - before[0] < 0.1
    assert math.sqrt(spread.variance) / before[1] < 1.2
    assert observe(spread, HUGE, 1.0, 0.0)


def test_the_third_outlier_in_a_row_is_a_new_way_of_life() -> None:
    spread = Spread()
    for _ in range(20):
        observe(spread, 50.0, 1.0, 0.0)
    assert [observe(spread, 5_000.0, 1.0, 0.0) for _ in range(5)] == [True, True, False, False, False]


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_what_says_nothing_is_not_observed(value: float) -> None:
    spread = Spread()
    assert not observe(spread, value, 1.0, 0.0)
    assert spread == Spread()


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 1.5, 2.0])
def test_ordinary_life_is_rarely_an_outlier_and_a_planted_one_nearly_always(sigma: float) -> None:
    values = random.Random(1)
    good = rejected = planted = found = 0
    for _ in range(100):
        spread = Spread()
        for k in range(200):
            if k >= 12 and k % 50 == 20:
                planted += 1
                found += observe(spread, 50.0 * math.exp(3 * sigma) * 100.0, 1.0, 0.0)
            else:
                good += 1
                rejected += observe(spread, values.lognormvariate(math.log(50.0), sigma), 1.0, 0.0)
    assert rejected / good < 0.004
    assert found / planted > 0.99
