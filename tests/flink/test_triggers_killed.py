"""A live job is killed three times and goes on from its last checkpoint: the same triggers as without, each once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import redis
from google.protobuf.message import Message
from google.protobuf.proto import serialize_length_prefixed
from harness import fresh_settings

from livetags import ledger
from livetags.embedded import topics
from livetags.in_process import replay
from livetags.inputs import resolve
from livetags.job_process import JobProcess
from livetags.key_file import ensure_keys
from livetags.rule_updates import publish, rules_folder
from livetags.runner import prepare_stores
from schemas.dictionaries import NO_DICTIONARIES
from schemas.outputs import Trigger
from schemas.pb.livetags.v1.consent_pb2 import CONSENT_DECISION_GRANTED, CONSENT_LIST_OPTIONAL, ConsentRecord
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.pb.livetags.v1.link_pb2 import LinkRecord
from schemas.redis_keys import trigger_stream_key
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from sinks.trigger_message import from_json
from sources import FEEDS
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS
from udfs.triggers.rule_set import RuleSet

pytestmark = [pytest.mark.flink, pytest.mark.stores, pytest.mark.kafka, pytest.mark.timeout(900)]

PEOPLE, FLOWS = 40, 24_000
KILLS = 3
LAST_MS = 1_800_000
CATEGORIES = ("video", "games", "news", "maps")


def rule(id_: str, shape: str, **fields: object) -> TriggerRule:
    given = {"id": id_, "version": 1, "owner": "t", "purpose": "marketing", "scene": id_, "shape": shape}
    return TriggerRule.model_validate(given | {"on": "app_use"} | fields)


NO_MAPS = 'category == "maps"'
RULES = [
    rule("news", "pulse", match={"category": ["news"]}, cooldown="30m"),
    rule("regular", "level", on="tags", tags={"uses": "app:app 3"}, when="uses >= 5.0", until="uses < 4.9"),
    rule("not-at-maps", "level", match={"category": ["games", "video"]}, until='category == "maps"', fire="exit"),
    rule("five-games", "count", match={"category": ["games"]}, times=5, within="20m"),
    rule("no-maps", "absence", match={"category": ["games"]}, unless={"on": "app_use", "when": NO_MAPS}, within="6m"),
    rule("long-games", "level", match={"category": ["games", "video"]}, hold="4m"),
    rule("games-left", "level", match={"category": ["games"]}, hold_exit="4m", fire="exit"),
    rule("faded", "fade", on="tags", tags={"uses": "app:app 3"}, above=4.0, below=3.0),
]
BY_TIME = {"no-maps", "long-games", "games-left", "faded"}
GRACE_MS = 90_000
"""More than any record is late by."""


def people(time_ms: int) -> dict[str, list[Message]]:
    """Everybody's link and consents, by feed."""
    names = [f"8610{number:05}" for number in range(PEOPLE)]
    return {
        "link": [LinkRecord(identifier=n, record_id=n, event_time_ms=time_ms, person_ref=f"r{n}") for n in names],
        "consent": [
            ConsentRecord(
                msisdn=name,
                record_id=f"{name}{purpose}",
                event_time_ms=time_ms,
                list=CONSENT_LIST_OPTIONAL,
                purpose=purpose,
                decision=CONSENT_DECISION_GRANTED,
                list_version=1,
            )
            for name in names
            for purpose in ("profiling", "marketing")
        ],
    }


def flows(begin_ms: int) -> list[Message]:
    """A flow a second, every fiftieth twice, every hundredth late by a minute; hours ago, so the job is behind."""
    random = Random(4)
    found: list[Message] = []
    for number in range(FLOWS):
        found.append(
            DpiRecord(
                subscriber_id=f"8610{random.randrange(PEOPLE):05}",
                record_id=f"f{number}",
                event_time_ms=begin_ms + number * 1_000 - (60_000 if number % 100 == 0 else 0),
                app=f"app {random.randrange(8)}",
                category=random.choice(CATEGORIES),
                bytes_down=1_000,
            )
        )
        if number % 50 == 0:
            found.append(found[-1])
    # the last one of everybody, long after: everything that was due by itself has happened before it
    return found + [
        DpiRecord(
            subscriber_id=f"8610{person:05}",
            record_id=f"last{person}",
            event_time_ms=begin_ms + FLOWS * 1_000 + LAST_MS,
            app="app 9",
            category="maps",
            bytes_down=1_000,
        )
        for person in range(PEOPLE)
    ]


def sent(settings: Settings) -> list[Trigger]:
    client = redis.Redis.from_url(settings.redis_url.get_secret_value())
    entries = client.xrange(trigger_stream_key(settings.redis_key_prefix))
    return [from_json(fields[b"json"]) for _, fields in entries]  # type: ignore[union-attr]


def newest_checkpoint(folder: Path) -> tuple[float, str]:
    """When the newest complete checkpoint was written, and where it is."""
    complete = [(file.stat().st_mtime, file.parent.as_uri()) for file in folder.glob("*/chk-*/_metadata")]
    return max(complete, default=(0.0, ""))


def test_a_job_killed_three_times_fires_what_one_left_alone_fires(
    bootstrap: str, tmp_path: Path, valkey: str, clickhouse: str
) -> None:
    begin_ms = round(time.time() * 1_000) - (FLOWS + 3_600) * 1_000
    records: dict[str, list[Message]] = {**people(begin_ms - 3_600_000), "dpi": flows(begin_ms)}
    for feed, messages in records.items():
        with (tmp_path / f"{feed}.pb").open("wb") as stream:
            for message in messages:
                serialize_length_prefixed(message, stream)
    folder = tmp_path / "checkpoints"
    settings = fresh_settings(
        tmp_path / "data",
        valkey,
        clickhouse,
        window_ms=50,
        checkpoint_interval_s=2.0,
        checkpoint_dir=folder.as_uri(),
        trigger_grace_ms=GRACE_MS,
        half_life_days={"app": 0.01},  # a quarter of an hour: tags fade between two uses
    )
    ensure_keys(settings)
    rule_set = RuleSet(settings.rules(GROUPS).groups)
    assert rule_set.replace(RULES) == []
    alone = replay(
        resolve("all", str(tmp_path)),
        settings,
        KeyedPseudonyms(settings.keys()),
        NO_DICTIONARIES,
        round(time.time() * 1_000),
        rule_set=rule_set,
    )
    expected = {trigger.id: trigger for trigger in alone.triggers}
    by_rule = Counter(trigger.rule for trigger in alone.triggers)
    assert len(expected) == len(alone.triggers)
    assert set(by_rule) == {each.id for each in RULES}
    assert min(by_rule.values()) >= 20
    assert len({trigger.id for trigger in alone.triggers if trigger.rule in BY_TIME and not trigger.event_id}) >= 200

    publish(settings, RULES)
    client = prepare_stores(settings)
    for feed in records:
        topics.create_topic(bootstrap, f"killed.{feed}", 1)
    inputs = tuple(FeedInput(feed, "kafka", (f"killed.{feed}",), bootstrap=bootstrap) for feed in records)
    live = Run("killed", inputs, bounded=False, rule_updates=rules_folder(settings))
    restore, published, seen = "", 0, 0

    def until(what: str, at_least: int) -> None:
        deadline = time.monotonic() + 280
        while (count := ledger.totals(client, settings.clickhouse_database, "killed").events_in) < at_least:
            assert job.running()
            assert time.monotonic() < deadline, f"{count} events: {what}, at least {at_least}, expected"
            time.sleep(0.02)

    def send(feed: str, messages: list[Message]) -> int:
        values = [message.SerializeToString() for message in messages]
        topics.publish(bootstrap, f"killed.{feed}", [(FEEDS[feed].subscriber(value), value) for value in values])
        return len(values)

    waiting = records["dpi"]
    half = len(waiting) // (2 * KILLS + 1)
    for _ in range(KILLS):
        job = JobProcess(settings, live, restore)
        try:
            if not published:
                published = sum(send(feed, records[feed]) for feed in ("link", "consent"))
                until("everybody", published)
            published += send("dpi", waiting[:half])
            until("what was sent before", published)
            began, deadline = time.time(), time.monotonic() + 60
            while newest_checkpoint(folder)[0] < began:
                assert time.monotonic() < deadline, "no checkpoint"
                time.sleep(0.02)
            published += send("dpi", waiting[half : 2 * half])
            waiting = waiting[2 * half :]
            until("some that no checkpoint has", published - half + 1)
        finally:
            job.kill()
        _, restore = newest_checkpoint(folder)
        assert len(sent(settings)) > seen, "nothing had fired since the last kill"
        seen = len(sent(settings))
    published += send("dpi", waiting)
    job = JobProcess(settings, live, restore)
    try:
        until("all of them", published)
        deadline = time.monotonic() + 60
        while len(fired := sent(settings)) < len(expected) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1.0)
        fired = sent(settings)
    finally:
        job.kill()
    assert ledger.totals(client, settings.clickhouse_database, "killed").balanced
    found = {message.id: message for message in fired}
    assert len(fired) == len(found), "a trigger was sent twice"
    too_many = [(each.rule, each.at_ms - begin_ms) for each in fired if each.id not in expected]
    missing = [(each.rule, each.at_ms - begin_ms) for each in alone.triggers if each.id not in found]
    assert (too_many, missing) == ([], [])
