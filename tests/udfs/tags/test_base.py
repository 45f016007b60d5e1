from __future__ import annotations

import pytest

from schemas.events import Billing, Registration
from tests.udfs.tags.person_story import DAY_MS, Person, at
from udfs.tags import base
from udfs.tags.base import age_band, tenure_band

YEAR_MS = 365 * DAY_MS


def registered(day: int = 0, **attributes: object) -> Registration:
    return Registration("u", day, at(day), "u", **attributes)  # type: ignore[arg-type]


def test_a_full_registration() -> None:
    event = registered(
        age=33,
        gender="female",
        region="北京-朝阳",
        occupation="nurse",
        plan_tier="plus",
        activation_time_ms=at() - 2 * YEAR_MS,
    )
    assert Person(base).lives(event) == [
        ("age_band", "25-34", 1.0),
        ("gender", "female", 1.0),
        ("region", "北京-朝阳", 1.0),
        ("occupation", "nurse", 1.0),
        ("plan", "plus", 1.0),
        ("tenure", "1y-3y", 1.0),
    ]


def test_what_is_not_said_is_evidence_for_nothing() -> None:
    assert Person(base).lives(registered()) == []


def test_a_guess_counts_half_and_never_replaces_what_was_stated() -> None:
    guess = registered(gender="male", filled=("gender",))
    assert Person(base).lives(guess) == [("gender", "male", 0.5)]
    assert Person(base).lives(registered(gender="female"), registered(1, gender="male", filled=("gender",))) == [
        ("gender", "female", 1.0)
    ]
    billed = Billing("u", 2, at(1), "bill", 80.0, "plus")
    assert Person(base).lives(billed, registered(2, plan_tier="basic", filled=("plan_tier",))) == [
        ("plan", "plus", 1.0)
    ]


def test_a_bill_brings_plan_and_tenure_up_to_date_and_a_recharge_does_not() -> None:
    person = Person(base)
    assert person.lives(registered(activation_time_ms=at())) == [("tenure", "under_3m", 1.0)]
    assert person.lives(Billing("u", 2, at(100), "bill", 80.0, "basic")) == [
        ("plan", "basic", 1.0),
        ("tenure", "3m-1y", 1.0),
    ]
    assert person.lives(Billing("u", 3, at(101), "recharge", 80.0, "basic")) == []


def test_the_earliest_activation_counts() -> None:
    person = Person(base)
    person.lives(registered(activation_time_ms=at() - 4 * YEAR_MS))
    assert person.lives(registered(1, activation_time_ms=at())) == [("tenure", "3y-5y", 1.0)]


@pytest.mark.parametrize(
    ("years", "band"),
    [
        (-1, ""),
        (0, ""),
        (1, "under_18"),
        (17, "under_18"),
        (18, "18-24"),
        (25, "25-34"),
        (64, "55-64"),
        (65, "65+"),
        (10**9, "65+"),
    ],
)
def test_age_bands(years: int, band: str) -> None:
    assert age_band(years) == band


@pytest.mark.parametrize(
    ("days", "band"),
    [(-5, "under_3m"), (0, "under_3m"), (90, "3m-1y"), (365, "1y-3y"), (1_095, "3y-5y"), (1_825, "5y+")],
)
def test_tenure_bands(days: int, band: str) -> None:
    assert tenure_band(days * DAY_MS) == band
