from __future__ import annotations

import pytest

from schemas.events import AppUse, Presence
from tests.udfs.tags.person_story import DISTRICTS, ESTATE, FAR_AWAY, HOME, MALL, MONDAY, OFFICE, Person, at, summed
from udfs.tags import behaviour
from udfs.tags.behaviour import majority


def seen(day: int, hour: float, district: str) -> Presence:
    where = DISTRICTS.get(district)
    province, kind = (where.province, where.kind) if where else ("北京", "")
    return Presence("u", 1, at(day, hour), "location_update", "", province, district, kind)


def stay(day: int, begin: float, end: float, district: str) -> list[Presence]:
    """Seen every half-hour."""
    return [seen(day, begin + number / 2, district) for number in range(round((end - begin) * 2) + 1)]


def workday(day: int, home: str = HOME, office: str = OFFICE) -> list[Presence]:
    return [*stay(day, 0, 8, home), *stay(day, 9, 18, office), *stay(day, 19, 23.5, home)]


@pytest.mark.parametrize(
    ("presences", "found"),
    [
        ([seen(0, 0, HOME), seen(0, 2, HOME)], {f"home:{HOME}": 2.0}),
        ([seen(0, 0, HOME), seen(0, 2, OFFICE)], {f"home:{HOME}": 2.0}),
        ([seen(0, 0, HOME), seen(0, 6, HOME)], {f"home:{HOME}": 4.0}),
        ([seen(0, 6, HOME), seen(0, 8, HOME)], {f"home:{HOME}": 1.0}),
        ([seen(0, 21, HOME), seen(0, 24, HOME)], {f"home:{HOME}": 2.0}),
        ([seen(0, 23, HOME), seen(0, 26, HOME)], {f"home:{HOME}": 3.0}),
        ([seen(0, 8, OFFICE), seen(0, 10, OFFICE)], {f"work:{OFFICE}": 1.0}),
        ([seen(0, 17, OFFICE), seen(0, 20, OFFICE)], {f"work:{OFFICE}": 1.0}),
        ([seen(5, 10, OFFICE), seen(5, 12, OFFICE)], {}),
        ([seen(0, 19, HOME), seen(0, 21, HOME)], {}),
        ([seen(0, 2, HOME), seen(0, 0, HOME)], {}),
        ([seen(0, 2, HOME), seen(0, 2, HOME)], {}),
        ([seen(0, 1, ""), seen(0, 2, HOME)], {}),
    ],
    ids=[
        "at night",
        "until left",
        "of a long silence four hours",
        "night ends",
        "night begins",
        "over midnight",
        "work begins",
        "work ends",
        "a Saturday",
        "in the evening",
        "late",
        "at the same instant",
        "place unknown",
    ],
)
def test_hours(presences: list[Presence], found: dict[str, float]) -> None:
    assert summed(Person(behaviour).lives(*presences)) == pytest.approx(found)


def test_a_busy_phone_makes_the_hours_of_an_idle_one_in_few_pieces() -> None:
    every_second = [seen(0, 1 + second / 3_600, HOME) for second in range(7_201)]
    found = Person(behaviour).lives(*every_second)
    assert summed(found) == pytest.approx({f"home:{HOME}": 2.0})
    assert len(found) == 12


@pytest.mark.parametrize(
    ("presences", "visits"),
    [
        ([seen(0, 19, MALL), seen(0, 19.5, MALL)], 1),
        ([*stay(0, 19, 22, MALL), seen(0, 22, HOME)], 1),
        ([seen(0, 19, MALL), seen(0, 19.2, MALL), seen(0, 19.3, HOME)], 0),
        ([seen(0, 19, HOME), seen(0, 19.5, MALL)], 0),
        ([seen(0, 19, MALL), seen(0, 21, HOME)], 0),
        ([seen(0, 19, MALL), seen(0, 19.5, MALL), seen(0, 20, HOME), seen(0, 21, MALL), seen(0, 22, MALL)], 2),
    ],
    ids=["one", "a long one", "too short", "just arrived", "seen once", "twice"],
)
def test_visits(presences: list[Presence], visits: int) -> None:
    found = summed(Person(behaviour).lives(*presences))
    assert found.get("place:mall", 0) == visits


def test_a_commuter_commutes_on_workdays_only_and_a_homeworker_never() -> None:
    fortnight = [each for day in range(14) for each in workday(day)]
    assert summed(Person(behaviour).lives(*fortnight))["commuter:all"] == 10
    at_home = [each for day in range(14) for each in workday(day, office=HOME)]
    assert "commuter:all" not in summed(Person(behaviour).lives(*at_home))


def test_days_in_another_province_are_travel() -> None:
    person = Person(behaviour)
    person.lives(*(each for day in range(7) for each in workday(day)))
    found = summed(person.lives(*stay(7, 9, 20, FAR_AWAY), *stay(8, 9, 20, FAR_AWAY), *workday(9)))
    assert found["travel:广东"] == 2
    assert "travel:北京" not in found


def test_who_moves_to_another_province_stops_travelling_when_its_days_have_outvoted_the_old_ones() -> None:
    person = Person(behaviour)
    person.lives(*(each for day in range(30) for each in workday(day)))
    moved = person.lives(*(seen(30 + day, 12, FAR_AWAY) for day in range(100)))
    assert summed(moved)["travel:广东"] == 30


def test_a_new_home_in_a_new_estate_counts_for_ninety_days() -> None:
    person = Person(behaviour)
    person.lives(*(each for day in range(60) for each in workday(day)))
    found = summed(person.lives(*(each for day in range(60, 300) for each in workday(day, home=ESTATE))))
    nights_until_noticed, hours_a_night = 10, 9
    assert found["new_estate:all"] == pytest.approx(90 * hours_a_night, abs=2 * hours_a_night)
    assert person.memory.behaviour is not None
    assert person.memory.behaviour.home == ESTATE
    moved = person.memory.behaviour.home_day - MONDAY - 60
    assert moved == pytest.approx(nights_until_noticed, abs=3)


@pytest.mark.parametrize(
    ("hour", "part"),
    [(0, "night"), (5.9, "night"), (6, "morning"), (12, "afternoon"), (18, "evening"), (23.9, "evening")],
)
def test_parts_of_the_day(hour: float, part: str) -> None:
    event = AppUse("u", 1, at(0, hour), "a", "video", 1, 1)
    assert Person(behaviour).lives(event) == [("rhythm", part, 1.0)]


@pytest.mark.parametrize(
    ("usual", "lead", "seen_now", "after"),
    [
        ("", 0, "a", ("a", 2)),
        ("a", 2, "a", ("a", 4)),
        ("a", 9, "a", ("a", 10)),
        ("a", 2, "b", ("a", 0)),
        ("a", 1, "b", ("b", 1)),
    ],
)
def test_majority(usual: str, lead: int, seen_now: str, after: tuple[str, int]) -> None:
    assert majority(usual, lead, seen_now, 2, 10) == after
