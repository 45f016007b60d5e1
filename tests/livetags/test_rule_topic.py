"""Rules through a real compacted topic."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from livetags import rule_topic
from livetags.embedded import topics
from livetags.rule_updates import NotPublishable
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule

pytestmark = pytest.mark.kafka


def rule(id_: str = "a", version: int = 1, **fields: object) -> TriggerRule:
    given = {"owner": "growth", "purpose": "marketing", "scene": "看视频", "shape": "pulse", "on": "app_use"}
    return TriggerRule.model_validate({**given, "id": id_, "version": version, **fields})


def test_the_topic_holds_what_is_in_force_and_what_was_withdrawn(bootstrap: str) -> None:
    settings = Settings(rule_topic=f"kafka://{bootstrap}/rules")
    rule_topic.publish(settings, [rule("a"), rule("b", cooldown="3h")])
    rule_topic.publish(settings, [rule("a", 2)], ["b"])
    assert rule_topic.publish(settings, [rule("a", 2)]).rules == ()
    log = rule_topic.published(settings)
    assert log.current() == {"a": rule("a", 2)}
    assert log.retired == ("b",)
    records = [(key, value) for _, _, key, value in topics.read_all(bootstrap, "rules")]
    assert [key for key, _ in records] == [b"a", b"b", b"a", b"b"]
    assert records[3][1] is None
    assert json.loads(records[2][1] or b"") == rule("a", 2).document()
    with pytest.raises(NotPublishable, match="raise version to 3"):
        rule_topic.publish(settings, [rule("a", 2, scene="t")])


def test_what_others_have_put_there_stops_nobody(bootstrap: str) -> None:
    settings = Settings(rule_topic=f"kafka://{bootstrap}/mixed")
    rule_topic.publish(settings, [rule("a")])
    topics.publish(bootstrap, "mixed", [(b"a", b"rubbish"), (b"\xff", b"\xfe"), (b"b", b'{"id": "a"}')])
    log = rule_topic.published(settings)
    assert log.current() == {"a": rule("a")}
    assert len(log.refused) == 3
    rule_topic.publish(settings, [rule("a", 2)])
    assert rule_topic.published(settings).current()["a"].version == 2


def test_what_contradicts_a_version_is_left_out(bootstrap: str) -> None:
    settings = Settings(rule_topic=f"kafka://{bootstrap}/contradicting")
    rule_topic.publish(settings, [rule("a")])
    others = [rule("a", scene="edited"), rule("a", 2, on="order")]
    messages = [(b"a", json.dumps(each.document()).encode()) for each in others]
    topics.publish(bootstrap, "contradicting", messages)
    log = rule_topic.published(settings)
    assert log.current() == {"a": rule("a")}
    assert [reason.split(":")[0] for reason in log.refused] == [
        "rule a version 1 is refused",
        "rule a version 2 is refused",
    ]
    with pytest.raises(NotPublishable, match="give it a new id"):
        rule_topic.publish(settings, [rule("a", 2, on="order")])


def test_a_topic_that_is_not_there_is_said_to_be(bootstrap: str) -> None:
    with pytest.raises(topics.TopicError, match="nothing-here"):
        rule_topic.published(Settings(rule_topic=f"kafka://{bootstrap}/nothing-here"))


def test_the_command_publishes_to_the_topic(
    bootstrap: str, livetags: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETAGS_RULE_TOPIC", f"kafka://{bootstrap}/by-command")
    file = tmp_path / "a.yaml"
    file.write_text("id: a\nversion: 1\nowner: o\npurpose: marketing\nscene: s\nshape: pulse\non: app_use\n")
    assert "published: a" in livetags("rules", "publish", str(file), "--topic")[1]
    assert [each["id"] for each in json.loads(livetags("rules", "list", "--topic", "--json")[1])] == ["a"]
    assert json.loads(livetags("rules", "list", "--json")[1]) == [], "the folder is another place"
    assert livetags("rules", "diff", str(file), "--topic")[0] == 0
    assert "withdrawn: a" in livetags("rules", "retire", "a", "--topic")[1]
    assert json.loads(livetags("rules", "list", "--topic", "--json")[1]) == []
