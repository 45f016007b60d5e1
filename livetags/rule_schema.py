"""The JSON Schema of rule files, for editors: what `livetags rules check` says, as far as a schema can say it."""

from __future__ import annotations

import json
from typing import Any, get_args

from schemas.trigger_rule import NEEDED_BY, ONLY_OF, Shape, TriggerRule

Json = dict[str, Any]

_FADE: Json = {
    "properties": {
        "on": {"const": "tags"},
        "tags": {"minProperties": 1, "maxProperties": 1},
        "above": {"type": "number"},
        "below": {"type": "number"},
    },
    "required": ["tags"],
}
_NEEDED: dict[str, Json] = {"within": {"pattern": "[1-9]"}, "unless": {"type": "object"}}
"""What a field that a shape needs has to be beside being there."""


def rule_schema() -> Json:
    """Schema of a document: a rule, or a list of rules.

    Only `livetags rules check` says what no schema can: that `below` is less than `above`, `valid_to` later than
    `valid_from`, a date one of the calendar, a duration 400 days at most, that ids are unique, what conditions mean,
    and which tags there are.
    """
    rule = TriggerRule.model_json_schema(ref_template="#/$defs/{model}")
    definitions = rule.pop("$defs")
    for each in (rule, *definitions.values()):
        _close_names(each)
    one = {"$ref": "#/$defs/TriggerRule"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of scene triggers",
        "description": "A document of a rule file: a rule, or a list of rules.",
        "if": {"type": "array"},
        "then": {"items": one},
        "else": one,
        "$defs": {**definitions, "TriggerRule": rule | {"allOf": _together()}},
    }


def rule_schema_text() -> str:
    """The schema as it lies in docs/trigger-rule.schema.json."""
    return json.dumps(rule_schema(), indent=2, ensure_ascii=False) + "\n"


def _together() -> list[Json]:
    """Which fields go together."""
    found: list[Json] = []
    for shape in get_args(Shape):
        foreign = {field: False for field, shapes in ONLY_OF.items() if shape not in shapes}
        needed = NEEDED_BY.get(shape, {})
        properties = foreign | {field: _NEEDED[field] for field in needed if field in _NEEDED}
        then: Json = {"properties": properties} | ({"required": list(needed)} if needed else {})
        found.append(_if("shape", shape, {"allOf": [then, _FADE]} if shape == "fade" else then))
    return [*found, _if("on", "tags", {"properties": {"tags": {"minProperties": 1}}, "required": ["tags"]})]


def _if(field: str, value: str, then: Json) -> Json:
    return {"if": {"properties": {field: {"const": value}}, "required": [field]}, "then": then}


def _close_names(schema: Json) -> None:
    """Names that don't fit a pattern are refused, in `match`, `tags` and `payload`: pydantic lets them pass."""
    for each in schema["properties"].values():
        if "patternProperties" in each:
            each["additionalProperties"] = False
