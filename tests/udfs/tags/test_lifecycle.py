from __future__ import annotations

from random import Random

import pytest

from schemas.events import Billing, Call, DataUsage, Event, Registration
from tests.udfs.tags.person_story import DAY_MS, Person, at
from udfs.tags import base, lifecycle
from udfs.tags.lifecycle import churn_warning, trend


def used(day: int, megabytes: float = 500.0) -> DataUsage:
    return DataUsage("u", day, at(day, 12), 0, round(megabytes * 1e6))


def registered(day: int, tenure_days: int) -> Registration:
    return Registration("u", day, at(day), "u", activation_time_ms=at(day) - tenure_days * DAY_MS)


def stages(*events: Event) -> list[str]:
    return [tag for group, tag, _ in Person(base, lifecycle).lives(*events) if group == "stage"]


STEADY = [used(day) for day in range(120)]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([registered(0, 0)], ["new"]),
        ([registered(0, 0), *STEADY], ["new", "mature"]),
        ([registered(0, 400), *STEADY], ["mature"]),
        (STEADY, ["mature"]),
        ([*STEADY, *(used(120 + day, 100) for day in range(20))], ["mature", "declining"]),
        ([*STEADY, *(used(120 + day, 1_500) for day in range(20))], ["mature", "growing"]),
        ([*STEADY, Billing("u", 1, at(150), "bill", 50.0)], ["mature", "declining"]),
        ([Call("u", day, at(day), "voice", True, "p", 60.0, 2) for day in range(60)], ["mature"]),
        ([Billing("u", day, at(day), "bill", 50.0) for day in range(0, 120, 30)], []),
    ],
    ids=["new", "grows up", "old", "unknown tenure", "falls", "rises", "silent", "only calls", "no use at all"],
)
def test_stages(events: list[Event], expected: list[str]) -> None:
    assert stages(*events) == expected


def test_churn_is_looked_at_once_a_day_and_rises_with_falling_use() -> None:
    person = Person(lifecycle)
    steady = [value for group, _, value in person.lives(*STEADY, used(119)) if group == "churn"]
    assert len(steady) == 120 - 14
    assert max(steady) == 0
    falling = [value for group, _, value in person.lives(*(used(120 + d, 25) for d in range(30))) if group == "churn"]
    assert falling[:2] == [0, 0]
    assert falling == sorted(falling)
    assert falling[-1] > 0.9


@pytest.mark.parametrize(("of_use", "warning"), [(5, 0), (0.8, 0), (0.5, 0.5), (0.2, 1), (0, 1)])
def test_warnings(of_use: float, warning: float) -> None:
    assert churn_warning(of_use) == pytest.approx(warning)


def test_constant_use_has_no_trend_from_the_start_and_no_order() -> None:
    events = [DataUsage("u", hour, at(0, hour), 0, 10**8) for hour in range(24 * 40)]
    Random(1).shuffle(events)
    person = Person(lifecycle)
    person.lives(*events)
    known = person.memory.lifecycle
    assert known is not None
    assert trend(known, at(40)) == pytest.approx(1, abs=0.01)
    assert known.first_ms == at()
