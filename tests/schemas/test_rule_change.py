"""Which new versions of a rule would wrong people who are in an episode of an old one."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.rule_change import contradiction
from tests.udfs.triggers.rule_story import rule

TAGS = {"a": "content:video", "b": "content:music"}
ON_TAGS = {"shape": "level", "on": "tags", "tags": TAGS}
ABSENCE = {"shape": "absence", "within": "1h", "unless": {"on": "order"}}


def why(before: dict[str, Any], after: dict[str, Any]) -> str:
    made = [
        rule(**{"shape": "pulse", "on": "app_use", "version": version, **fields})
        for version, fields in ((1, before), (2, after))
    ]
    found = contradiction(made[:1], made[1])
    return found.reason if found is not None else ""


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({}, {"shape": "level"}, "got shape: level, expected shape: pulse as in version 1"),
        ({"on": "order"}, {}, "got on: app_use, expected on: order as in version 1"),
        (ON_TAGS, ON_TAGS | {"on": "app_use"}, "got on: app_use, expected on: tags as in version 1"),
        (ON_TAGS, ON_TAGS | {"tags": {"a": "content:video"}}, "expected content:music among its tags as in version 1"),
    ],
)
def test_what_would_strand_an_episode_takes_a_new_id(before: Any, after: Any, reason: str) -> None:
    said = why(before, after)
    assert reason in said
    assert said.endswith("give it a new id, and retire this one")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"match": {"app": ["x"]}, "when": "flow_mb > 1.0", "cooldown": "1d"}),
        ({"shape": "level"}, {"shape": "level", "until": "flow_mb < 1.0", "hold": "1h", "fire": "exit"}),
        (ABSENCE, ABSENCE | {"unless": {"on": "contact"}, "within": "2h"}),
        (ON_TAGS, ON_TAGS | {"tags": TAGS | {"c": "content:news"}}),
        (ON_TAGS, ON_TAGS | {"tags": {"other": "content:music", "name": "content:video"}}),
        ({"on": "tags", "tags": TAGS}, {"on": "tags", "tags": {"a": "content:video"}}),
    ],
)
def test_what_strands_nobody_may_change(before: Any, after: Any) -> None:
    assert why(before, after) == ""
