"""Publishing rules of scene triggers through a compacted topic: key the rule's id, value its JSON document.

The topic has one partition and the broker's times, so that the order of the times is that of the messages.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from livetags.embedded import topics
from livetags.rule_updates import news
from schemas.rule_log import RuleLog
from schemas.rule_update import RuleUpdate
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule

_CONFIG = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}


def published(settings: Settings) -> RuleLog:
    """All that the topic still holds: compaction keeps the newest version of each rule.

    Raises
    ------
    ValueError
        When the settings name no topic.
    TopicError
        When the broker is away, or there is no such topic.
    """
    log = RuleLog()
    # the offset stands for the time: it says the same of what came first
    for _, offset, key, value in topics.read_all(*_address(settings)):
        log.take_message(_text(key), _text(value), offset)
    return log


def publish(settings: Settings, rules: Sequence[TriggerRule], retired: Sequence[str] = ()) -> RuleUpdate:
    """Hand rules, and ids of those to be withdrawn, to the running jobs; returns what of it was news.

    A topic that is not there is made.

    Raises
    ------
    NotPublishable
        As `livetags.rule_updates.news`; then nothing is published.
    ValueError, TopicError
        As `published`; part may be published when the broker goes away meanwhile.
    """
    bootstrap, topic = _address(settings)
    topics.create_topic(bootstrap, topic, 1, _CONFIG)
    update = news(published(settings), rules, retired, int(time.time() * 1000))
    records: list[topics.Record] = [(json.loads(each)["id"].encode(), each.encode()) for each in update.rules]
    topics.publish(bootstrap, topic, records + [(id_.encode(), None) for id_ in update.retired])
    return update


def _address(settings: Settings) -> tuple[str, str]:
    if not settings.rule_topic:
        msg = "no topic of rules is set: expected --set rule_topic=kafka://host:port/topic"
        raise ValueError(msg)
    return settings.rule_topic_address()


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")
