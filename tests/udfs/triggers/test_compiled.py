from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.udfs.triggers.rule_story import RULES, rule
from udfs.triggers.compiled import RuleError, compile_rule
from udfs.triggers.situation import _CIRCUMSTANCES, _VALUES_OF
from udfs.triggers.vocabulary import CIRCUMSTANCES, KINDS

VIDEO = {"video": "content:video"}


def refused(**fields: Any) -> RuleError:
    with pytest.raises(RuleError) as caught:
        compile_rule(rule(**{"shape": "pulse", "on": "app_use", **fields}), RULES.groups)
    return caught.value


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"when": "app =="}, "when", "can't be read after 'app ==': expected a value: it ends too early"),
        ({"when": "apps == 'x'"}, "when", "unknown apps: did you mean app? a rule on app_use knows app, category"),
        ({"when": "app"}, "when", "expected true or false, got text"),
        ({"when": "flow_mb * 2 > 1.0"}, "when", "expected numbers with a point, such as 2.0 for 2"),
        ({"when": "flow_mb > 'x'"}, "when", "flow_mb is a number"),
        ({"when": "size(app) > 1 && __import__('os')"}, "when", ""),
        ({"when": "province == 'x'"}, "when", "unknown province"),
        ({"tags": {"video": "contents:video"}}, "tags.video", "unknown tag group 'contents'"),
        ({"tags": {"video": "content"}}, "tags.video", "expected <group>:<tag>"),
        ({"tags": {"app": "content:video"}}, "tags.app", "already"),
        ({"tags": {"left": "traffic_left:under10"}}, "tags.left", "did you mean traffic_left:under_10?"),
        ({"tags": {"usual": "bill:mean"}}, "tags.usual", "unknown tag 'mean' of bill: expected one of all"),
        (
            {"shape": "fade", "on": "tags", "tags": {"usual": "bill:all.mean"}, "above": 2.0, "below": 1.0},
            "tags.usual",
            "a mean does not fade: expected a weight, such as bill:all",
        ),
        ({"match": {"province": ["x"]}}, "match.province", "expected one of app, category, host, keyword for app_use"),
        ({"match": {"flow_mb": ["1"]}}, "match.flow_mb", "expected one of"),
        ({"shape": "level", "until": "bogus"}, "until", "unknown bogus"),
        (
            {"shape": "absence", "within": "1h", "unless": {"on": "order", "when": "app == ''"}},
            "unless.when",
            "unknown app",
        ),
        (
            {"shape": "absence", "within": "1h", "unless": {"on": "order", "match": {"app": ["x"]}}},
            "unless.match.app",
            "expected one of product for order",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_field(fields: dict[str, Any], field: str, reason: str) -> None:
    error = refused(**fields)
    assert error.field == field
    assert reason in error.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"purpose": "fun"}, "purpose\n.*expected one of service"),
        ({"version": 0}, "greater than or equal to 1"),
        ({"hold": "20m"}, "hold: only of shape level, got pulse"),
        ({"shape": "count"}, "within: shape count needs it"),
        ({"shape": "absence", "within": "5m"}, "unless: shape absence needs it"),
        ({"shape": "fade", "on": "tags", "tags": VIDEO, "above": 1.0, "below": 2.0}, "below: expected less than above"),
        ({"shape": "fade", "on": "app_use", "tags": VIDEO, "above": 2.0, "below": 1.0}, "a fade is on: tags"),
        ({"on": "tags"}, "a rule on tags names at least one"),
        ({"valid_from": "2026-02-01", "valid_to": "2026-01-01"}, "expected a time after valid_from"),
        ({"cooldown": "1w"}, "expected a duration such as 90s"),
        ({"cooldown": "500d"}, "expected at most 400d"),
        ({"cooldown": 5}, "expected a duration"),
        ({"when": "x" * 1_001}, "at most 1000 characters"),
        ({"id": "Rule"}, "pattern"),
        ({"surprise": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_rule_that_is_none_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        rule(**{"shape": "pulse", "on": "app_use", **fields})


def test_purposes_are_those_of_all_a_rule_looks_at() -> None:
    def purposes(**fields: Any) -> set[str]:
        made = rule(**{"shape": "pulse", "on": "traffic", "purpose": "service", **fields})
        return set(compile_rule(made, RULES.groups).purposes)

    assert purposes() == {"service"}
    assert purposes(tags=VIDEO, when="video > 1.0") == {"service", "profiling"}
    assert purposes(when="home_district != ''") == {"service", "location_services"}
    assert purposes(shape="absence", within="1h", unless={"on": "contact"}) == {"service", "marketing"}


def test_a_rule_is_written_as_it_was_read() -> None:
    made = rule("level", "presence", hold="90s", hold_exit="7d", cooldown="90m", valid_from="2026-01-01T00:00:00Z")
    document = made.document()
    assert document["hold"] == "90s"
    assert document["hold_exit"] == "7d"
    assert document["cooldown"] == "90m"
    assert type(made).model_validate(document) == made
    assert "until" not in document


def test_every_word_has_its_value() -> None:
    assert set(_VALUES_OF) == set(KINDS) - {"drift", "tags"}
    assert set(_CIRCUMSTANCES) == set(CIRCUMSTANCES)
