"""Everything held of one pseudonym is found, and nothing of another."""

from __future__ import annotations

import json

import pytest
import redis
from clickhouse_connect.driver.client import Client
from made_triggers import trigger

from schemas.outputs import Alarm, DeadLetter, Export, HistoryBatch, HotProfile, LinkedIdentifier, Receipt, Removal
from serving.personal_data import collect, held
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.redis_hot import RedisHotSink
from sinks.trigger_message import as_json
from sinks.trigger_stream import TriggerStream

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
EXPIRES_MS = 4_102_444_800_000


@pytest.fixture
def filled(clickhouse: str, database: str, valkey: str, prefix: str) -> RedisHotSink:
    hot = RedisHotSink(valkey, prefix, 5.0, 10.0)
    hot.open({"app": 604_800_000})
    hot.write_batch(
        [HotProfile(user, "0-1", T0_MS, EXPIRES_MS, {f"app:{user}": 1.5}, {}, {f"app:{user}": T0_MS}) for user in "ab"]
    )
    stream = TriggerStream(valkey, prefix, 5.0, 10.0, 3_600_000)
    stream.write_batch([trigger(n, user) for n, user in enumerate("ab")])
    stream.close()
    hot.link([LinkedIdentifier("a", "b", T0_MS)])
    batch = HistoryBatch(
        [("dpi", user, T0_MS, 2**63 + n, (("app", user, 1.5),), 1) for n, user in enumerate("ab")],
        [DeadLetter("dpi", "log", 3, n, "malformed", user) for n, user in enumerate("ab")],
        links=[LinkedIdentifier("a", "b", T0_MS)],
        exports=[Export("r", user, "state", "{}") for user in "ab"],
        alarms=[Alarm(user, "shares", T0_MS, T0_MS - 5, 1, 1, 2.5, 0.5, [("app:x", 0.0, 0.75)]) for user in "ab"],
        receipts=[Receipt(trigger(n, user), T0_MS + 90) for n, user in enumerate("ab")],
    )
    history = ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)
    for _ in range(2):
        history.write_batch([batch])
    return hot


@pytest.mark.parametrize("decode_responses", [False, True])
def test_everything_is_found(
    filled: RedisHotSink, clickhouse_client: Client, database: str, valkey: str, prefix: str, decode_responses: bool
) -> None:
    client = redis.Redis.from_url(valkey, decode_responses=decode_responses)
    found = collect(clickhouse_client, database, client, prefix, "a")
    written = {
        place: [row.pop("written_at_ms") for row in found[place]]
        for place in ("exports", "identity_links", "drift_alarms", "triggers")
    }
    assert all(ms > T0_MS for times in written.values() for ms in times)
    assert found["tag_evidence"][0].pop("ingested_at_ms") > T0_MS
    assert found["dead_letters"][0].pop("rejected_at_ms") > T0_MS
    assert found == {
        "hot_profile": {"_version": "0-1", "_as_of_ms": str(T0_MS), "app:a": "1.5"},
        "hot_evidence": {"app:a": T0_MS},
        "hot_identifier": "b",
        "trigger_stream": [json.loads(as_json(trigger(0, "a")))],
        "tag_evidence": [{"feed": "dpi", "tag": "app:a", "event_time_ms": T0_MS, "event_id": 2**63, "value": 1.5}],
        "dead_letters": [{"feed": "dpi", "log": "log", "partition": 3, "offset": 0, "reason": "malformed"}],
        "exports": [{"request": "r", "part": "state"}],
        "drift_alarms": [
            {
                "kind": "shares",
                "alarm_at_ms": T0_MS,
                "since_ms": T0_MS - 5,
                "generation": 1,
                "number": 1,
                "evidence": 2.5,
                "distance_bits": 0.5,
                "rose": [{"tag": "app:x", "before": 0.0, "since": 0.75}],
                "fell": [],
                "status": "noted",
                "factor": 1.0,
            }
        ],
        "triggers": [
            {
                "id": "id-0",
                "rule": "traffic-surge",
                "version": 2,
                "scene": "uses much more data than usual",
                "purpose": "marketing",
                "priority": 60,
                "cause": "pulse",
                "episode": str(T0_MS),
                "arose_at_ms": T0_MS,
                "decided_at_ms": T0_MS + 40,
                "sent_at_ms": T0_MS + 90,
                "shadow": False,
                "feed": "dpi",
                "log": "livetags.dpi",
                "partition": 3,
                "offset": 7_000,
                "event_id": 2**64 - 1,
                "values": {"app": '"抖音"', "window_mb": "82.5", "surge": "0.30000000000000004", "roaming": "true"},
                "payload": {"offer": "pack 10g"},
            }
        ],
        "identity_links": [{"identifier": "a", "person": "b", "valid_from_ms": T0_MS}],
        "erasures": [],
        "erased_ms": None,
    }
    json.dumps(found)
    assert set(held(clickhouse_client, database, client, prefix, "a").values()) == {1}
    assert [
        row["identifier"] for row in collect(clickhouse_client, database, client, prefix, "b")["identity_links"]
    ] == ["a"], "as the person too"


def test_of_an_erased_person_only_the_erasure_is_found(
    filled: RedisHotSink, clickhouse: str, clickhouse_client: Client, database: str, valkey: str, prefix: str
) -> None:
    removals = [Removal("erase", "a", time_ms=T0_MS)]
    filled.remove(removals)
    ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0).write_batch([HistoryBatch(removals=removals)])
    client = redis.Redis.from_url(valkey)
    found = collect(clickhouse_client, database, client, prefix, "a")
    [erasure] = found.pop("erasures")
    assert (erasure["erased_at_ms"], erasure["request"]) == (T0_MS, "")
    assert found.pop("erased_ms") == T0_MS
    assert {place for place, what in found.items() if what} == {"hot_identifier", "identity_links"}
    assert set(held(clickhouse_client, database, client, prefix, "a").values()) == {0}
    unknown = collect(clickhouse_client, database, client, prefix, "nobody")
    assert not any(unknown.values())
