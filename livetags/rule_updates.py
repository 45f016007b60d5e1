"""Publishing rules of scene triggers to the jobs that run, through a folder they watch."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType

from livetags.watched_folder import drop, folder_uri, local_folder
from schemas.rule_change import contradiction
from schemas.rule_log import RuleLog
from schemas.rule_update import RuleUpdate, pack_rules
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from sources.rule_folder import read_rule_folder


class NotPublishable(ValueError):
    """Rules that contradict what is published; `reasons` by id say how, and what to do, `fields` which field it is."""

    def __init__(self, reasons: dict[str, str], fields: Mapping[str, str] = MappingProxyType({})) -> None:
        self.reasons = reasons
        self.fields = fields
        super().__init__("\n".join(f"{id_}: {reason}" for id_, reason in reasons.items()))


def rules_folder(settings: Settings) -> str:
    """Folder the running jobs watch, as a URI; the embedded default's is made if it is not there."""
    return folder_uri(settings, settings.rule_updates, "rule-updates")


def published(settings: Settings) -> RuleLog:
    """All that was published in the folder.

    Raises
    ------
    DamagedRules
        When a file in it is no update of the rules.
    ValueError
        When the jobs watch a folder that is not on this machine.
    """
    return read_rule_folder(local_folder(rules_folder(settings), "rule_updates"))


def publish(settings: Settings, rules: Sequence[TriggerRule], retired: Sequence[str] = ()) -> RuleUpdate:
    """Hand rules, and ids of those to be withdrawn, to the running jobs; returns what of it was news.

    Raises
    ------
    NotPublishable, DamagedRules, ValueError
        As `news` and `published`; then nothing is published.
    """
    update = news(published(settings), rules, retired, int(time.time() * 1000))
    if update.rules or update.retired:
        packed = pack_rules(update)
        name = f"{update.published_ms}-{blake2b(packed.encode(), digest_size=8).hexdigest()}.txt"
        drop(local_folder(rules_folder(settings), "rule_updates"), name, packed)
    return update


def news(log: RuleLog, rules: Sequence[TriggerRule], retired: Sequence[str], now_ms: int) -> RuleUpdate:
    """What of these isn't in force already, as an update that is newer than all before it, also if the clock is not.

    A version stands for one content, for ever, and versions only rise: whoever reads a receipt finds the rule it is of.

    Raises
    ------
    NotPublishable
        For a version that is published with another content, is lower than one that is, or is about something else
        than those before it (`schemas.rule_change`), and for withdrawing an id that was never published.
    """
    current = log.current()
    reasons: dict[str, str] = {}
    fields: dict[str, str] = {}
    documents = []
    for rule in rules:
        known = log.versions(rule.id)
        newest = max(known, default=0)
        if rule.version < newest:
            reasons[rule.id] = (
                f"version {newest} is published, got the older {rule.version}: raise version to {newest + 1}"
            )
        elif (why := contradiction(known.values(), rule)) is not None:
            reasons[rule.id], fields[rule.id] = why.reason, why.field
        elif current.get(rule.id) != rule:
            documents.append(json.dumps(rule.document(), ensure_ascii=False))
    for id_ in retired:
        if id_ not in current and id_ not in log.retired:
            reasons[id_] = f"never published: expected one of {', '.join(current) or 'none, for no rule is in force'}"
    if reasons:
        raise NotPublishable(reasons, fields)
    published_ms = max(now_ms, log.newest_ms + 1)
    return RuleUpdate(published_ms, tuple(documents), tuple(id_ for id_ in dict.fromkeys(retired) if id_ in current))
