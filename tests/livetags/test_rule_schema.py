"""The JSON Schema says of rule files what reading them says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from livetags.rule_schema import rule_schema
from schemas.trigger_rule import EventKind, Shape
from sources.core_yaml import written
from sources.trigger_rules import read_rules

RULE = {
    "id": "video-fan",
    "version": 1,
    "owner": "growth",
    "purpose": "marketing",
    "scene": "watches video",
    "shape": "pulse",
    "on": "app_use",
}


def valid(document: Any) -> bool:
    schema = rule_schema()
    Draft202012Validator.check_schema(schema)
    return bool(Draft202012Validator(schema).is_valid(document))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"match": {"app": ["x"]}, "when": "flow_mb > 1.0", "cooldown": "3h", "once_per": "day"},
        {"shape": "absence", "unless": {"on": "order", "match": {"product": ["x"]}}, "within": "30m"},
        {"shape": "fade", "on": "tags", "tags": {"video": "content:video"}, "above": 3, "below": 0.5},
        {"valid_from": "2026-01-01T00:00:00", "payload": {"offer": "x"}},
    ],
)
def test_rules_and_lists_of_them_are_valid(fields: dict[str, Any]) -> None:
    assert valid({**RULE, **fields})
    assert valid([{**RULE, **fields}, RULE])


@pytest.mark.parametrize(
    "fields",
    [
        {"colour": "red"},
        {"purpose": "fun"},
        {"version": 0},
        {"cooldown": "3 hours"},
        {"unless": {"match": {}}},
        {"on": "weather"},
        {"match": {"app": []}},
    ],
)
def test_what_reading_refuses_is_invalid(fields: dict[str, Any]) -> None:
    assert not valid({**RULE, **fields})
    assert not valid([RULE, {**RULE, **fields}])


@pytest.mark.parametrize("field", RULE)
def test_what_a_rule_needs_is_required(field: str) -> None:
    assert not valid({name: value for name, value in RULE.items() if name != field})


# The schema and the check say the same of any document

TEXT = st.text(alphabet="aA0-_: 房\"'", max_size=6)
ODD = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2_000_000)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | TEXT
    | st.lists(TEXT, max_size=2)
    | st.dictionaries(TEXT, TEXT, max_size=2)
)
DURATIONS = st.sampled_from(["0s", "90s", "15m", "2h", "7d", "1w", "3 hours", "-1s", "", "1.5h"])
NAMES = st.sampled_from(["video", "A", "a b", "x" * 48, "x" * 49, ""])
MATCHES = st.dictionaries(NAMES, st.lists(st.sampled_from(["video", "", "x" * 201]), max_size=2), max_size=2)
CONDITIONS = st.sampled_from(["", "flow_mb > 1.0", " " * 1_001, "x" * 1_000])
# in rising order, so that what no schema can say does not differ: valid_from before valid_to, below less than above
TIMES = {
    "valid_from": st.sampled_from(["2026-01-01", "2026-01-01T00:00Z", "2026-01-01T08:00:00.5+08:00", "1.1.2026", 1]),
    "valid_to": st.sampled_from(["2027-01-01", "2027-01-01t00:00:00z", "2027-01-01 00:00", "20270101", None]),
}
GOOD = {
    "id": st.sampled_from(["a", "video-fan", "Video", "a" * 65, "1a", "a_b"]),
    "version": st.sampled_from([1, 1.0, 1.5, 0, 1_000_000, 1_000_001, "1", True]),
    "owner": st.sampled_from(["o", "", "o" * 201]),
    "purpose": st.sampled_from(["marketing", "service", "fun"]),
    "scene": st.sampled_from(["s", "", "s" * 201]),
    "priority": st.sampled_from([0, 100, 101, -1, "50", 50.0]),
    "shadow": st.sampled_from([True, False, "yes", 1]),
    "on": st.sampled_from([*get_args(EventKind), "tags", "tags", "weather"]),
    "match": MATCHES,
    "tags": st.dictionaries(NAMES, st.sampled_from(["content:video", ""]), max_size=2),
    "payload": st.dictionaries(NAMES, TEXT, max_size=1),
    "when": CONDITIONS,
    "until": CONDITIONS,
    "fire": st.sampled_from(["enter", "exit", "both"]),
    "hold": DURATIONS,
    "hold_exit": DURATIONS,
    "above": st.sampled_from([10, 10.5, "10", 0, None]),
    "below": st.sampled_from([1, 0.5, True, -1, None]),
    "unless": st.none()
    | st.fixed_dictionaries(
        {}, optional={"on": st.sampled_from(["order", "tags", "x"]), "match": MATCHES, "when": CONDITIONS, "x": ODD}
    ),
    "within": DURATIONS,
    "times": st.sampled_from([1, 100, 101, 0, "3"]),
    "cooldown": DURATIONS,
    "once_per": st.sampled_from(["day", "hour", None]),
    **TIMES,
}
SHAPES = st.sampled_from([*get_args(Shape), "circle"])
VALIDATOR = jsonschema_rs.Draft202012Validator(rule_schema())


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A right rule of a shape with up to three fields changed, left out or put in: so both verdicts are common."""
    shape = draw(SHAPES)
    document: dict[str, Any] = dict(RULE) | {"shape": shape}
    document |= {"fade": {"on": "tags", "tags": {"video": "content:video"}, "above": 10, "below": 1}}.get(shape, {})
    document |= {"absence": {"unless": {"on": "order"}, "within": "2h"}, "count": {"within": "7d"}}.get(shape, {})
    for field in draw(st.lists(st.sampled_from([*GOOD, "colour"]), max_size=3)):
        what = draw(st.integers(0, 9))
        if what == 0:
            document.pop(field, None)
        else:
            document[field] = draw(ODD if what == 1 else GOOD.get(field, ODD))
    return document


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents())
def test_the_schema_says_of_any_document_what_check_says(tmp_path: Path, document: dict[str, Any]) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(written(document))
    read = read_rules([file])
    assert VALIDATOR.is_valid(document) == (read.faults == []), (document, read.faults)


@pytest.mark.parametrize(
    "fields",
    [
        {"shape": "fade", "on": "tags", "tags": {"v": "content:video"}, "above": 1, "below": 2},
        {"valid_from": "2026-02-01", "valid_to": "2026-01-01"},
        {"valid_from": "2026-02-31"},
        {"cooldown": "401d"},
    ],
)
def test_what_only_check_can_say(tmp_path: Path, fields: dict[str, Any]) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(written(RULE | fields))
    assert VALIDATOR.is_valid(RULE | fields)
    assert len(read_rules([file]).faults) == 1
