"""Rules tried out beside those in force, all in one replay: of a rule in two versions both fire."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from schemas.outputs import Trigger
from schemas.trigger_rule import TriggerRule

_IN_FORCE = " in force"
"""No id of a rule holds a blank."""


def beside(in_force: Mapping[str, TriggerRule], tried: Mapping[str, TriggerRule]) -> list[TriggerRule]:
    """Rules of both, by ids that differ: of a rule in both versions the one in force goes by another id."""
    kept = [rule.model_copy(update={"id": id_ + _IN_FORCE}) if id_ in tried else rule for id_, rule in in_force.items()]
    return [*kept, *tried.values()]


class Told(NamedTuple):
    """Triggers of the rules in force, and of those tried with the others in force."""

    before: list[Trigger]
    fired: list[Trigger]


def told_apart(triggers: Iterable[Trigger], in_force: Collection[str], tried: Collection[str]) -> Told:
    """The triggers of a replay of `beside`, each under its rule's own id."""
    told = Told([], [])
    for each in triggers:
        if each.rule.endswith(_IN_FORCE):
            told.before.append(replace(each, rule=each.rule.removesuffix(_IN_FORCE)))
            continue
        told.fired.append(each)
        if each.rule in in_force and each.rule not in tried:
            told.before.append(each)
    return told
