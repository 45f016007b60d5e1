"""The JSON Schema of rule files, for editors."""

from __future__ import annotations

import json
from typing import Any

from schemas.purposes import PURPOSES
from schemas.trigger_rule import TriggerRule


def rule_schema() -> dict[str, Any]:
    """Schema of a document, a rule or a list of rules; `livetags rules check` says what depends on several fields."""
    rule = TriggerRule.model_json_schema(ref_template="#/$defs/{model}")
    definitions = rule.pop("$defs")
    rule["properties"]["purpose"]["enum"] = list(PURPOSES)
    one = {"$ref": "#/$defs/TriggerRule"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of scene triggers",
        "description": "A document of a rule file: a rule, or a list of rules.",
        "if": {"type": "array"},
        "then": {"items": one},
        "else": one,
        "$defs": {**definitions, "TriggerRule": rule},
    }


def rule_schema_text() -> str:
    """The schema as it lies in docs/trigger-rule.schema.json."""
    return json.dumps(rule_schema(), indent=2, ensure_ascii=False) + "\n"
