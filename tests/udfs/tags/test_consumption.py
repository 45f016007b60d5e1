from __future__ import annotations

from itertools import permutations

import pytest

from schemas.events import Billing, Order
from tests.udfs.tags.person_story import Person, at
from udfs.tags import consumption
from udfs.tags.consumption import segment_of


def billed(day: int, yuan: float, kind: str = "bill") -> Billing:
    return Billing("u", day, at(day), kind, yuan)


def test_a_bill_and_the_segment_of_the_mean_bill() -> None:
    person = Person(consumption)
    assert person.lives(billed(0, 40.0)) == [("bill", "all", 40.0), ("segment", "low", 1.0)]
    assert person.lives(billed(30, 300.0)) == [("bill", "all", 300.0), ("segment", "high", 1.0)]


def test_the_mean_bill_is_decayed_and_the_same_in_any_order() -> None:
    expected = (40 / 4 + 300 / 2 + 60) / (1 / 4 + 1 / 2 + 1)
    for bills in permutations([billed(0, 40.0), billed(90, 300.0), billed(180, 60.0)]):
        person = Person(consumption)
        person.lives(*bills)
        assert person.memory.consumption is not None
        assert person.memory.consumption.bill_mean == pytest.approx(expected)


def test_days_between_recharges_and_none_for_a_late_one() -> None:
    person = Person(consumption)
    assert person.lives(billed(0, 50.0, "recharge")) == [("recharge", "all", 50.0)]
    assert person.lives(billed(30, 50.0, "recharge")) == [("recharge", "all", 50.0), ("recharge_days", "all", 30.0)]
    assert person.lives(billed(10, 50.0, "recharge")) == [("recharge", "all", 50.0)]


def test_a_balance_is_no_payment() -> None:
    person = Person(consumption)
    assert person.lives(billed(0, 50.0, "balance")) == []
    assert person.memory.consumption is None


def test_an_absurd_bill_is_left_to_fold_to_refuse_and_not_remembered() -> None:
    person = Person(consumption)
    assert person.lives(billed(0, 1e300)) == [("bill", "all", 1e300)]
    assert person.lives(billed(1, 60.0)) == [("bill", "all", 60.0), ("segment", "mid", 1.0)]


def test_orders_count_per_product_and_giving_back_does_not() -> None:
    order, given_back = (Order("u", number, at(), "video_pass", number == 1, 12.0) for number in (1, 2))
    assert Person(consumption).lives(order, given_back) == [("product", "video_pass", 1.0)]


@pytest.mark.parametrize(
    ("yuan", "segment"), [(0, "low"), (49.9, "low"), (50, "mid"), (100, "high"), (199.9, "high"), (200, "premium")]
)
def test_segments(yuan: float, segment: str) -> None:
    assert segment_of(yuan) == segment
