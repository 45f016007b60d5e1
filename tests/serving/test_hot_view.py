"""Decoding and decaying what Redis holds of a person, with no server."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.hot_view import HotView, hot_view
from serving.read_errors import DamagedProfileError
from serving.tag_view import TagView
from sinks.plain_decimal import plain_decimals
from udfs.profile.decay import decayed

AS_OF_MS = 1_767_225_600_000
WEEK_MS = 604_800_000


class Group(NamedTuple):
    half_life_ms: int
    numeric: bool = True


GROUPS = {"app": Group(WEEK_MS), "flow_mb": Group(3_600_000)}


def view_at(at_ms: int | None, weight: float = 8.0, half_life_ms: int = WEEK_MS, floor: float = 0.0) -> HotView:
    fields = {
        "_version": "0000000002-0000000000000000017",
        "_as_of_ms": str(AS_OF_MS),
        "_drift": "more of app:a",
        "_drift_since_ms": "5",
        "_erased_ms": "7",
        "app:a": repr(weight),
        "app:a.mean": "2.5",
        "app:a.std": "0.5",
        "_other:app": repr(weight * 2),
    }
    evidence = json.dumps({"app:a": AS_OF_MS - 7})
    return hot_view("u", fields, evidence, {"app": Group(half_life_ms)}, at_ms=at_ms, weight_floor=floor)


@given(st.floats(-1e12, 1e12), st.integers(-(10**8), 10**13), st.integers(10**6, 10**11))
def test_the_decay_is_that_of_the_profile(weight: float, elapsed_ms: int, half_life_ms: int) -> None:
    view = view_at(AS_OF_MS + elapsed_ms, weight, half_life_ms)
    expected = decayed(weight, elapsed_ms, half_life_ms)
    assert view.tags == (TagView("app:a", expected, 2.5, 0.5, AS_OF_MS - 7, half_life_ms),)
    assert view.other == {"app": decayed(weight * 2, elapsed_ms, half_life_ms)}
    assert (view.version, view.as_of_ms, view.newest_event_ms) == ((2, 17), AS_OF_MS + elapsed_ms, AS_OF_MS)
    assert (view.reason, view.changed_ms, view.erased_ms, view.presence) == ("more of app:a", 5, 7, "present")
    assert view.weight("app:a") == expected
    assert view.weight("app:b") == 0.0


def test_without_an_instant_the_weights_are_as_stored() -> None:
    view = view_at(None, 0.1)
    assert (view.as_of_ms, view.tags[0].weight) == (AS_OF_MS, 0.1)
    assert view_at(AS_OF_MS + 10**15).tags[0].weight == 0.0


def test_a_tag_goes_when_its_weight_falls_below_the_floor() -> None:
    assert view_at(AS_OF_MS + 3 * WEEK_MS, floor=1.0).weight("app:a") == 1.0
    assert view_at(AS_OF_MS + 3 * WEEK_MS + 1, floor=1.0).tags == ()


def test_a_time_in_seconds_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"the instant is 1767225600, .* expected the time now in ms"):
        view_at(AS_OF_MS // 1_000)


def test_tags_of_other_groups_are_left_out_and_the_heaviest_comes_first() -> None:
    fields = {
        "_version": "0-1",
        "_as_of_ms": str(AS_OF_MS),
        "app:a": "1.0",
        "app:b": "2.0",
        "app:b.mean": "2.0",
        "flow_mb:all": "9.0",
        "home:A3": "4.0",
        "_other:home": "1.0",
    }
    evidence = json.dumps({tag: AS_OF_MS for tag in fields if tag[0] != "_"})
    view = hot_view("u", fields, evidence, GROUPS)
    # a tag may be called like the mean of another: the evidence tells them apart
    assert [(t.tag, t.weight, t.mean) for t in view.tags] == [
        ("flow_mb:all", 9.0, None),
        ("app:b", 2.0, None),
        ("app:b.mean", 2.0, None),
        ("app:a", 1.0, None),
    ]
    assert view.other == {}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_a_weight_is_read_as_the_very_double_that_was_written(weights: list[float]) -> None:
    fields = {"_version": "0-1", "_as_of_ms": "5"}
    tags = [f"app:{n}" for n in range(len(weights))]
    fields |= zip(tags, (text.decode() for text in plain_decimals(weights)))
    view = hot_view("u", fields, json.dumps(dict.fromkeys(tags, 1)), GROUPS)
    assert {t.tag: t.weight for t in view.tags} == dict(zip(tags, weights))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("_version", None),
        ("_as_of_ms", "soon"),
        ("app:secret", "much"),
        ("app:secret", "1.0,2.0"),
        ("app:secret", "nan"),
        ("app:secret", ""),
        ("app:secret", None),
    ],
)
def test_damage_is_an_error_that_tells_nothing_of_the_person(field: str, value: str | None) -> None:
    fields: dict[str, str] = {"_version": "0-1", "_as_of_ms": "5", "app:secret": "1.0"}
    if value is None:
        del fields[field]
    else:
        fields[field] = value
    with pytest.raises(DamagedProfileError, match="Check that the prefix is right") as refusal:
        hot_view("secret", fields, '{"app:secret": 5}', GROUPS)
    assert "secret" not in str(refusal.value)
    with pytest.raises(DamagedProfileError):
        hot_view("secret", {"_version": "0-1", "_as_of_ms": "5"}, "{secret", GROUPS)
