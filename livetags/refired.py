"""The trigger of a receipt fired again: the inputs replayed in this process under the rules as published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from livetags.in_process import replay
from livetags.inputs import Input
from schemas.dictionaries import Dictionaries
from schemas.outputs import RuleDocument, Trigger
from schemas.pseudonyms import Pseudonyms
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from udfs.tags import GROUPS
from udfs.triggers.rule_set import RuleSet


def refired(
    recorded: Trigger,
    documents: Iterable[RuleDocument],
    inputs: Sequence[Input],
    settings: Settings,
    pseudonyms: Pseudonyms,
    dictionaries: Dictionaries,
    now_ms: int,
    on_progress: Callable[[int], None] | None = None,
) -> Trigger | None:
    """The trigger of the same id that a replay of the inputs fires; None if it fires none.

    Every rule is in force from the first record on, its newest version; that of the receipt in the receipt's version. A
    rule that was published while the job ran has seen less of the use of data than it does here.
    """
    rule_set = RuleSet(settings.rules(GROUPS).groups)
    rule_set.replace(_in_force(recorded, documents))
    replayed = replay(
        list(inputs),
        settings,
        pseudonyms,
        dictionaries,
        now_ms,
        on_progress,
        rule_set=rule_set,
        settle=True,
    )
    return next((each for each in replayed.triggers if each.id == recorded.id), None)


def _in_force(recorded: Trigger, documents: Iterable[RuleDocument]) -> list[TriggerRule]:
    chosen: dict[str, RuleDocument] = {}
    for each in documents:
        if each.rule == recorded.rule:
            if each.version == recorded.version:
                chosen[each.rule] = each
        elif each.rule not in chosen or each.version > chosen[each.rule].version:
            chosen[each.rule] = each
    return [TriggerRule.model_validate_json(each.document) for each in chosen.values()]
