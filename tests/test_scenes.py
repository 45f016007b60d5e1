"""The shipped scenes: every one can be published, and together they use all that rules offer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from livetags.scenes import scenes_folder
from schemas.settings import Settings
from schemas.trigger_rule import EventKind, Shape, TriggerRule
from sources.trigger_rules import read_rules
from udfs.tags import GROUPS
from udfs.triggers.compiled import compile_rule

FILES = sorted(scenes_folder().glob("*.yaml"))


def written(file: Path) -> dict[str, Any]:
    # YAML 1.1 takes `on` for true; as text everything means what it says.
    return yaml.load(file.read_text("utf-8"), Loader=yaml.BaseLoader)  # type: ignore[no-any-return]


def rule_of(file: Path) -> TriggerRule:
    [found] = read_rules([file]).rules
    return found.rule


RULES = [rule_of(file) for file in FILES]


def test_there_are_26_and_nothing_else_in_the_folder() -> None:
    assert len(FILES) == 26
    assert sorted(scenes_folder().iterdir()) == FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scene_compiles_and_is_named_by_its_file(file: Path) -> None:
    rule = rule_of(file)
    assert compile_rule(rule, Settings().rules(GROUPS).groups).rule == rule
    assert rule.id == file.stem


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scene_says_what_to_do_and_who_answers_for_it(file: Path) -> None:
    assert {"owner", "purpose", "priority", "scene", "payload"} <= written(file).keys()
    assert rule_of(file).payload["template"]


def test_scenes_are_told_apart() -> None:
    assert len({rule.scene for rule in RULES}) == len(RULES)


def test_every_shape_and_kind_of_event_is_used() -> None:
    assert {rule.shape for rule in RULES} == set(get_args(Shape))
    kinds = {rule.on for rule in RULES} | {rule.unless.on for rule in RULES if rule.unless}
    assert kinds == set(get_args(EventKind))


def test_every_policy_of_episodes_is_used() -> None:
    assert any(rule.cooldown for rule in RULES)
    assert {rule.once_per for rule in RULES} == {None, "day", "week", "month"}
    assert {rule.fire for rule in RULES if rule.shape == "level"} == {"enter", "exit"}
    assert any(rule.hold and rule.hold_exit for rule in RULES)
