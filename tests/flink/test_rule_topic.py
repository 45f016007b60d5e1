"""The source of rules from a topic gives what was published: rules, withdrawals, in order, with the broker's time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from livetags import rule_topic
from livetags.embedded import jars, topics
from livetags.job_process import job_environment
from schemas.rule_log import RuleLog
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.flink, pytest.mark.kafka]


def rule(id_: str, version: int) -> TriggerRule:
    given = {"owner": "growth", "purpose": "marketing", "scene": "看视频", "shape": "pulse", "on": "app_use"}
    return TriggerRule.model_validate({**given, "id": id_, "version": version})


def test_the_log_of_what_the_source_gives_is_what_was_published(bootstrap: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, rule_topic=f"kafka://{bootstrap}/rules", redis_url="redis://127.0.0.1:1")
    began_ms = int(time.time() * 1000)
    rule_topic.publish(settings, [rule("a", 1), rule("b", 1)])
    rule_topic.publish(settings, [rule("a", 2)], ["b"])
    topics.publish(bootstrap, "rules", [(b"c", b"rubbish")])
    ended_ms = int(time.time() * 1000)

    connector = [str(jar) for jar in jars.fetch("flink-kafka", settings.jars_dir)]
    program = Path(__file__).with_name("print_rule_messages.py")
    done = subprocess.run(
        [sys.executable, str(program), bootstrap, "rules", *connector],
        env={**job_environment(settings), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    lines = [line.removeprefix("MESSAGE ") for line in done.stdout.splitlines() if line.startswith("MESSAGE ")]
    assert done.returncode == 0, done.stderr[-3_000:]
    messages = [json.loads(line) for line in lines]
    assert [key for key, _, _ in messages] == ["a", "b", "a", "b", "c"]
    assert messages[3][1] is None
    times_ms = [published_ms for _, _, published_ms in messages]
    assert times_ms == sorted(times_ms)
    assert began_ms <= times_ms[0] <= times_ms[-1] <= ended_ms

    log = RuleLog()
    for key, value, published_ms in messages:
        log.take_message(key, value, published_ms)
    assert log.current() == {"a": rule("a", 2)}
    assert log.retired == ("b",)
    assert len(log.refused) == 1
