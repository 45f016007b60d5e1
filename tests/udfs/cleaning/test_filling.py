"""Missing attributes and names from the dictionaries."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cleaning_world import DICTIONARIES, NO_RULES, NOON, RULES

from schemas.cleaning_memory import CleaningMemory
from schemas.dictionaries import Dictionaries
from schemas.events import AppUse, Registration
from schemas.rules import Rules
from udfs.cleaning import Correction, clean


def used(app: str, category: str = "", host: str = "") -> AppUse:
    return AppUse("i", 1, NOON, app, category, 1, 1, host)


APP, FILLED, UNKNOWN = Correction.APP_NORMALISED, Correction.CATEGORY_FILLED, Correction.CATEGORY_UNKNOWN


@pytest.mark.parametrize(
    ("event", "app", "category", "corrections"),
    [
        (used("Video", "video"), "Video", "video", []),
        (used("COM.VIDEO.app", "video"), "Video", "video", [APP]),
        (used("com.video.app"), "Video", "video", [APP, FILLED]),
        (used("video", "news"), "Video", "news", [APP]),
        (used("", "", "shop.example"), "Shop", "shopping", [APP, FILLED]),
        (used("raw", "", "IMG.m.Shop.Example"), "Shop", "shopping", [APP, FILLED]),
        (used("video", "", "shop.example"), "Video", "video", [APP, FILLED]),
        (used("raw", "", "a.b.c.d.shop.example"), "raw", "unknown", [UNKNOWN]),
        (used("raw", "", "other.example"), "raw", "unknown", [UNKNOWN]),
        (used("raw", "", "video"), "Video", "video", [APP, FILLED]),
        (used("raw", "", "evil.video"), "raw", "unknown", [UNKNOWN]),
        (used("raw", "", "..."), "raw", "unknown", [UNKNOWN]),
        (used("raw", "games"), "raw", "games", []),
        (used("Plain"), "Plain", "unknown", [UNKNOWN]),
        (used(""), "", "unknown", [UNKNOWN]),
    ],
)
def test_apps(event: AppUse, app: str, category: str, corrections: list[str]) -> None:
    found: list[str] = []
    clean(event, CleaningMemory(), RULES, found)
    assert (event.app, event.category, found) == (app, category, corrections)


def registered(**said: Any) -> Registration:
    return Registration("i", 1, NOON, "person", **said)


def test_a_registration_that_says_nothing_is_filled_with_the_population() -> None:
    event = registered()
    found: list[str] = []
    clean(event, CleaningMemory(), RULES, found)
    assert event == registered(
        age=41,
        gender="female",
        region="北京-朝阳",
        plan_tier="basic",
        filled=("age", "gender", "region", "plan_tier"),
    )
    assert found == [
        Correction.AGE_FILLED,
        Correction.GENDER_FILLED,
        Correction.REGION_FILLED,
        Correction.PLAN_TIER_FILLED,
    ]


def test_what_the_device_dictionary_knows_is_not_guessed() -> None:
    guesses = {"device_brand": "Y", "device_os": "ios", "device_price_band": "mid", "device_launch_year": "2020"}
    rules = Rules({}, dictionaries=msgspec.structs.replace(DICTIONARIES, attributes=guesses))
    known, unknown = registered(device_model="phone-x 12 pro"), registered(device_model="unheard of")
    for event in (known, unknown):
        clean(event, CleaningMemory(), rules, [])
    assert (known.device_brand, known.device_launch_year, known.filled) == ("X", 2023, ())
    assert (unknown.device_brand, unknown.device_os, unknown.device_launch_year) == ("Y", "ios", 2020)
    assert set(unknown.filled) == set(guesses)


def test_what_is_said_stays() -> None:
    said = registered(
        age=30, gender="male", region="成都", device_model="other", occupation="teacher", plan_tier="premium"
    )
    event = msgspec.structs.replace(said)
    found: list[str] = []
    clean(event, CleaningMemory(), RULES, found)
    assert event == said
    assert found == []


def test_without_dictionaries_nothing_is_filled() -> None:
    event = registered(region="somewhere", device_model="Phone")
    found: list[str] = []
    clean(event, CleaningMemory(), NO_RULES, found)
    assert event == registered(region="somewhere", device_model="Phone")
    assert found == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"region": " Beijing Chaoyang "}, {"region": "北京-朝阳"}),
        ({"region": "北京-朝阳"}, {"region": "北京-朝阳"}),
        (
            {"device_model": "phone-X 12 PRO "},
            {"device_model": "X 12 Pro", "device_os": "android", "device_brand": "X"},
        ),
        ({"device_model": "PHONE-X 12 Pro", "device_os": "Android 14"}, {"device_os": "android"}),
        ({"device_model": "unheard of", "device_os": "os"}, {"device_model": "unheard of", "device_os": "os"}),
    ],
)
def test_names(said: dict[str, str], expected: dict[str, str]) -> None:
    event = registered(**said)
    clean(event, CleaningMemory(), RULES, [])
    assert {name: getattr(event, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("median", "age"), [("41", 41), ("41.5", 41), ("", 0), ("old", 0), ("-3", 0), ("1e3", 0), ("²", 0)]
)
def test_the_median_age_is_text(median: str, age: int) -> None:
    rules = Rules({}, dictionaries=Dictionaries(attributes={"age": median}))
    event = registered()
    clean(event, CleaningMemory(), rules, [])
    assert event.age == age
    assert event.filled == (("age",) if age else ())


def test_the_dictionaries_themselves_are_not_changed() -> None:
    before = msgspec.json.encode(DICTIONARIES, order="sorted")
    for event in (used("video"), registered()):
        clean(event, CleaningMemory(), RULES, [])
    assert msgspec.json.encode(DICTIONARIES, order="sorted") == before
