"""A live job is killed three times and goes on from its last checkpoint: the same triggers as without, each once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
import redis
from harness import fresh_settings, household_lines

from livetags import ledger
from livetags.embedded import topics
from livetags.in_process import replay
from livetags.inputs import resolve
from livetags.job_process import JobProcess
from livetags.rule_updates import publish, rules_folder
from livetags.runner import prepare_stores
from schemas.dictionaries import NO_DICTIONARIES
from schemas.redis_keys import trigger_stream_key
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from sinks.trigger_message import from_json
from sources import FEEDS
from udfs.privacy.pseudonym import GivenPseudonyms
from udfs.tags import GROUPS
from udfs.triggers.rule_set import RuleSet

pytestmark = [pytest.mark.flink, pytest.mark.stores, pytest.mark.kafka]

EVENTS = 24_000
KILLS = 3
TAGS = {"all": "line_spend:all", "mean": "line_spend:all.mean", "milk": "quantity:FLUID MILK PRODUCTS"}


def rule(id_: str, shape: str, tag: str, **fields: object) -> TriggerRule:
    given = {"id": id_, "version": 1, "owner": "t", "purpose": "panel", "scene": id_, "shape": shape, "on": "tags"}
    return TriggerRule.model_validate(given | {"tags": {"it": TAGS[tag]}} | fields)


RULES = [
    rule("busy", "level", "all", when="it >= 10.0", until="it < 9.0"),
    rule("dear-basket", "level", "mean", when="it >= 4.0", until="it < 3.0", fire="exit"),
    rule("much-milk", "pulse", "milk", when="it >= 3.0", cooldown="1d"),
    rule("five-lines", "count", "all", when="it > 0.0", times=5, within="1h"),
]


def sent(settings: Settings) -> list[str]:
    client = redis.Redis.from_url(settings.redis_url.get_secret_value())
    entries = client.xrange(trigger_stream_key(settings.redis_key_prefix))
    return [from_json(fields[b"json"]).id for _, fields in entries]  # type: ignore[union-attr]


def newest_checkpoint(folder: Path) -> tuple[float, str]:
    """When the newest complete checkpoint was written, and where it is."""
    complete = [(file.stat().st_mtime, file.parent.as_uri()) for file in folder.glob("*/chk-*/_metadata")]
    return max(complete, default=(0.0, ""))


def test_a_job_killed_three_times_fires_what_one_left_alone_fires(
    bootstrap: str, tmp_path: Path, valkey: str, clickhouse: str
) -> None:
    lines = household_lines(EVENTS)
    (tmp_path / "household.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    folder = tmp_path / "checkpoints"
    settings = fresh_settings(
        tmp_path / "data", valkey, clickhouse, window_ms=50, checkpoint_interval_s=2.0, checkpoint_dir=folder.as_uri()
    )
    rule_set = RuleSet(settings.rules(GROUPS).groups)
    assert rule_set.replace(RULES) == []
    alone = replay(
        resolve("household", str(tmp_path / "household.jsonl")),
        settings,
        GivenPseudonyms(),
        NO_DICTIONARIES,
        round(time.time() * 1_000),
        rule_set=rule_set,
    )
    expected = {trigger.id for trigger in alone.triggers}
    by_rule = Counter(trigger.rule for trigger in alone.triggers)
    assert len(expected) == len(alone.triggers)
    assert set(by_rule) == {each.id for each in RULES}
    assert min(by_rule.values()) >= 20

    publish(settings, RULES)
    topics.create_topic(bootstrap, "killed", 1)
    client = prepare_stores(settings)
    source = FeedInput("household", "kafka", ("killed",), bootstrap=bootstrap)
    live = Run("killed", (source,), bounded=False, rule_updates=rules_folder(settings))
    restore, published, seen = "", 0, 0

    def until(what: str, at_least: int) -> None:
        deadline = time.monotonic() + 120
        while (count := ledger.totals(client, settings.clickhouse_database, "killed").events_in) < at_least:
            assert job.running()
            assert time.monotonic() < deadline, f"{count} events: {what}, at least {at_least}, expected"
            time.sleep(0.02)

    def send(more: int) -> int:
        part = lines[published : published + more]
        topics.publish(bootstrap, "killed", [(FEEDS["household"].subscriber(line), line) for line in part])
        return published + len(part)

    half = len(lines) // (2 * KILLS + 1)
    for _ in range(KILLS):
        job = JobProcess(settings, live, restore)
        try:
            published = send(half)
            until("what was sent before", published)
            began, deadline = time.time(), time.monotonic() + 60
            while newest_checkpoint(folder)[0] < began:
                assert time.monotonic() < deadline, "no checkpoint"
                time.sleep(0.02)
            published = send(half)
            until("some that no checkpoint has", published - half + 1)
        finally:
            job.kill()
        _, restore = newest_checkpoint(folder)
        assert len(sent(settings)) > seen, "nothing had fired since the last kill"
        seen = len(sent(settings))
    published = send(len(lines))
    job = JobProcess(settings, live, restore)
    try:
        until("all of them", len(lines))
        deadline = time.monotonic() + 60
        while len(fired := sent(settings)) < len(expected) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1.0)
        fired = sent(settings)
    finally:
        job.kill()
    assert ledger.totals(client, settings.clickhouse_database, "killed").balanced
    assert len(fired) == len(set(fired)), "a trigger was sent twice"
    assert set(fired) == expected
