from __future__ import annotations

import pytest

from schemas.events import Registration
from tests.udfs.tags.person_story import Person, at
from udfs.tags import terminal

PHONE = {"device_model": "Find 7", "device_brand": "Oriq", "device_os": "android", "device_price_band": "high"}
OTHER = {"device_model": "N5", "device_brand": "Nuvoro", "device_os": "android", "device_price_band": "low"}


def registered(day: int, **attributes: object) -> Registration:
    return Registration("u", day, at(day), "u", **attributes)  # type: ignore[arg-type]


def test_brand_system_and_price_band() -> None:
    assert Person(terminal).lives(registered(0, **PHONE)) == [
        ("device_brand", "Oriq", 1.0),
        ("device_os", "android", 1.0),
        ("price_band", "high", 1.0),
    ]


def test_months_between_phones_are_counted_at_each_change() -> None:
    person = Person(terminal)
    found = person.lives(registered(0, **PHONE), registered(365, **PHONE), registered(730, **OTHER))
    assert [each for each in found if each[0] == "upgrade_cycle"] == [("upgrade_cycle", "all", pytest.approx(24, 0.01))]


@pytest.mark.parametrize(
    "event",
    [
        registered(-1, **OTHER),
        registered(5, **{**OTHER, "device_model": ""}),
        registered(5, **OTHER, filled=("device_model",)),
    ],
    ids=["late", "no model", "a guess"],
)
def test_no_change_of_phone(event: Registration) -> None:
    person = Person(terminal)
    person.lives(registered(0, **PHONE))
    assert not [each for each in person.lives(event) if each[0] == "upgrade_cycle"]


def test_a_guess_never_replaces_the_stated_brand() -> None:
    person = Person(terminal)
    person.lives(registered(0, **PHONE))
    assert person.lives(registered(1, device_brand="Huami", filled=("device_brand",))) == []
