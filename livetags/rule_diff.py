"""Comparing written rules with those in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from livetags.rule_updates import NotPublishable, news
from schemas.rule_log import RuleLog
from schemas.trigger_rule import TriggerRule
from sources.core_yaml import inline

_SHORT = 80


class RuleDiff(Struct):
    """What publishing the written rules would change.

    Attributes
    ----------
    new, same, missing
        Ids: not in force; in force as written; in force and not written.
    changed
        Id -> lines ``field: in force -> written``, of the fields that differ; of long ones a line each, with - and +.
    refused
        Id -> why it would not be published.
    """

    new: list[str]
    changed: dict[str, list[str]]
    same: list[str]
    missing: list[str]
    refused: dict[str, str]

    @property
    def differs(self) -> bool:
        """Whether anything would change."""
        return bool(self.new or self.changed or self.missing)


def rule_diff(log: RuleLog, rules: Sequence[TriggerRule]) -> RuleDiff:
    """Compare `rules`, as written, with what is in force."""
    current = log.current()
    ids = {rule.id for rule in rules}
    try:
        news(log, rules, (), 0)
        refused = {}
    except NotPublishable as error:
        refused = error.reasons
    return RuleDiff(
        new=[rule.id for rule in rules if rule.id not in current],
        changed={
            rule.id: _lines(current[rule.id], rule) for rule in rules if rule.id in current and current[rule.id] != rule
        },
        same=[rule.id for rule in rules if current.get(rule.id) == rule],
        missing=[id_ for id_ in current if id_ not in ids],
        refused=refused,
    )


def _lines(before: TriggerRule, after: TriggerRule) -> list[str]:
    """What differs, field by field, in the order in which rules are written."""
    old, new = before.document(), after.document()
    lines = []
    for field in TriggerRule.model_fields:
        was, now = (_text(each.get(field)) for each in (old, new))
        if was == now:
            continue
        if len(was) + len(now) <= _SHORT:
            lines.append(f"{field}: {was} -> {now}")
        else:
            lines += [f"- {field}: {was}", f"+ {field}: {now}"]
    return lines


def _text(value: Any) -> str:
    """A field's value on one line, as YAML; of one that is not written a dash."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else inline(value)
