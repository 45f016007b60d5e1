"""The JSON Schema says of rule files what reading them says, as far as single fields go."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from livetags.rule_schema import rule_schema

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
