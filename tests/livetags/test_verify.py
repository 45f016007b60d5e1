"""The verification passes on sound stores, and sees every kind of damage."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import redis
from clickhouse_connect.driver.client import Client
from fold_into_stores import fold, history_of

from livetags import verify as verify_module
from livetags.oracle import OracleResult, Record, recompute
from livetags.verify import Verdict, verify
from schemas.outputs import DeadLetter, HistoryBatch, ShardCounts
from schemas.pb.livetags.v1.consent_pb2 import (
    CONSENT_DECISION_GRANTED,
    CONSENT_DECISION_WITHDRAWN,
    CONSENT_LIST_OPTIONAL,
    ConsentRecord,
)
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.pb.livetags.v1.link_pb2 import LinkRecord
from schemas.pb.livetags.v1.rights_pb2 import RIGHTS_ACTION_ERASE, RightsRecord
from schemas.redis_keys import catalogue_key, evidence_key, profile_key
from schemas.settings import Settings
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.redis_hot import RedisHotSink
from sources import FEEDS
from udfs.profile.snapshot import version_of
from udfs.tags import GROUPS

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
DAY_MS = 86_400_000
NOW_MS = T0_MS + 14 * DAY_MS
# The log is dated; profiles of it must not have expired by the real clock.
FOR_EVER_DAYS = 36_500.0
HALF_LIVES_MS = {group.name: group.half_life_ms for group in GROUPS.values()}


def log_of(events: int = 600, users: int = 12) -> list[Record]:
    """Everything that happens to a log: repeats, late, future, broken and ancient records; decisions, links, erasure.

    Of the subscribers of `dpi` all consent, two turn out to be one person half-way, one of whose numbers is erased in
    the end, and another takes the consent back.
    """
    rng = random.Random(7)
    flows = list(FEEDS["dpi"].sample(events, 3))
    names = sorted({DpiRecord.FromString(value).subscriber_id for value in flows})
    values = [("consent", decision(name, T0_MS)) for name in names]
    values += [("dpi", value) for value in flows[: events // 2]]
    values += [("link", link(name, T0_MS + 7 * DAY_MS)) for name in (LINKED_FIRST, LINKED_SECOND)]
    values += [("dpi", value) for value in flows[events // 2 :]]
    values += [("consent", decision(WITHDRAWN, T0_MS + 13 * DAY_MS, granted=False)), ("rights", erasure(ERASED))]
    for number in range(events):
        spoiled = rng.random()
        time_ms = T0_MS + number * 13 * DAY_MS // events
        if spoiled < 0.05:
            time_ms += rng.choice([-3 * DAY_MS, 20 * DAY_MS, -(10**12)])
        record: dict[str, Any] = {
            "household_id": f"h {rng.randrange(users)} {{é}}",
            "basket_id": number - (spoiled > 0.97),
            "product_id": 1,
            "category": f"cat {rng.randrange(9)}" if spoiled < 0.9 else None if spoiled < 0.93 else "rare",
            "quantity": rng.randrange(3),
            "sales_value": round(rng.lognormvariate(1, 2), 2),
            "event_time_ms": time_ms,
        }
        values.append(("household", b"{" if 0.05 < spoiled < 0.07 else msgspec.json.encode(record)))
    return [
        (feed, f"{feed}.log", 0, number, FEEDS[feed].subscriber(value), value)
        for number, (feed, value) in enumerate(values, 1)
    ]


ALONE, LINKED_FIRST, LINKED_SECOND, WITHDRAWN, ERASED = (f"s{number:09d}" for number in range(1, 6))
PERSON = "a person"


def decision(name: str, time_ms: int, granted: bool = True) -> bytes:
    return ConsentRecord(
        msisdn=name,
        record_id=f"{name}-{granted}",
        event_time_ms=time_ms,
        list=CONSENT_LIST_OPTIONAL,
        purpose="profiling",
        decision=CONSENT_DECISION_GRANTED if granted else CONSENT_DECISION_WITHDRAWN,
        list_version=1,
    ).SerializeToString()


def link(name: str, time_ms: int) -> bytes:
    return LinkRecord(identifier=name, record_id=name, event_time_ms=time_ms, person_ref=PERSON).SerializeToString()


def erasure(name: str) -> bytes:
    return RightsRecord(
        identifier=name, record_id="case", event_time_ms=NOW_MS - DAY_MS, action=RIGHTS_ACTION_ERASE
    ).SerializeToString()


@dataclass
class Stores:
    """The two stores, built from a log, and what the oracle says of it."""

    settings: Settings
    redis: redis.Redis
    redis_url: str
    clickhouse: Client
    clickhouse_url: str
    oracle: OracleResult

    def verify(self, **options: Any) -> Verdict:
        return verify(self.oracle, self.redis, self.clickhouse, self.settings, **options)

    def profile_key(self, user: str) -> str:
        return profile_key(self.settings.redis_key_prefix, user)

    def write_history(self, batch: HistoryBatch, run_id: str = "run") -> None:
        ClickHouseHistorySink(self.clickhouse_url, self.settings.clickhouse_database, run_id, 5.0, 10.0).write_batch(
            [batch]
        )

    def command(self, text: str, **parameters: Any) -> None:
        scope = {"database": self.settings.clickhouse_database, **parameters}
        self.clickhouse.command(text, parameters=scope, settings={"mutations_sync": 1})


def built(settings: Settings, log: list[Record], redis_url: str, client: Client, clickhouse_url: str) -> Stores:
    hot = RedisHotSink(redis_url, settings.redis_key_prefix, 5.0, 10.0)
    hot.open(HALF_LIVES_MS, GROUPS.values())
    history = ClickHouseHistorySink(clickhouse_url, settings.clickhouse_database, "run", 5.0, 10.0)
    fold(log, settings, NOW_MS, hot=hot, history=history, records_per_batch=500)
    oracle = recompute(log, settings, NOW_MS)
    return Stores(settings, redis.Redis.from_url(redis_url), redis_url, client, clickhouse_url, oracle)


@pytest.fixture
def stores(valkey: str, prefix: str, clickhouse: str, clickhouse_client: Client, database: str) -> Stores:
    settings = Settings(redis_key_prefix=prefix, clickhouse_database=database, hot_retention_days=FOR_EVER_DAYS)
    return built(settings, log_of(), valkey, clickhouse_client, clickhouse)


@pytest.fixture
def user(stores: Stores) -> str:
    return next(user for user in stores.oracle.profiles if user.startswith("h"))


def rows_of(oracle: OracleResult) -> int:
    """Pieces of evidence, each a row of history."""
    return sum(tag.evidence_rows for profile in oracle.profiles.values() for tag in profile.tags.values())


def test_sound_stores_pass(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = stores.oracle
    assert len(oracle.counts.rejected) >= 5
    assert oracle.counts.duplicates
    assert len(oracle.profiles) > 20
    assert {ALONE, PERSON, WITHDRAWN} <= oracle.profiles.keys()
    assert oracle.profiles.keys().isdisjoint({LINKED_FIRST, LINKED_SECOND, ERASED})
    assert oracle.profiles[WITHDRAWN].tags == {}
    assert len(oracle.profiles[PERSON].tags) > 8
    for per_chunk in (400_000, 400):
        monkeypatch.setattr(verify_module, "_EVIDENCE_PER_CHUNK", per_chunk)
        told: list[int] = []
        verdict = stores.verify(on_progress=told.append)
        assert verdict.ok, verdict.first
        assert told[-1] == verdict.users == len(oracle.profiles)
        assert verdict.tags == sum(len(profile.tags) for profile in oracle.profiles.values())
        assert verdict.rows == rows_of(oracle) > 3 * 600
        assert verdict.dead_letters == len(oracle.dead_letters) == sum(oracle.counts.rejected.values())
        assert verdict.capped_groups == 0
    assert json.loads(verdict.to_json())["ok"] is True


def test_capped_profiles_are_held_to_bounds(
    valkey: str, prefix: str, clickhouse: str, clickhouse_client: Client, database: str
) -> None:
    settings = Settings(
        redis_key_prefix=prefix, clickhouse_database=database, hot_retention_days=FOR_EVER_DAYS, max_tags_per_group=4
    )
    stores = built(settings, log_of(), valkey, clickhouse_client, clickhouse)
    verdict = stores.verify()
    assert verdict.ok, verdict.first
    assert verdict.capped_groups > 10
    user = next(u for u, p in stores.oracle.profiles.items() if sum(t.startswith("spend:") for t in p.tags) > 4)
    key = stores.profile_key(user)
    other = float(stores.redis.hget(key, "_other:spend") or 0)
    stores.redis.hset(key, "_other:spend", repr(other * 1.001 + 1.0))
    assert set(stores.verify().differences) == {"redis_capped_total"}
    stores.redis.hdel(key, "_other:spend")
    assert set(stores.verify().differences) == {"redis_other"}


def only(verdict: Verdict, **expected: int) -> None:
    assert not verdict.ok
    assert verdict.differences == expected, verdict.first
    assert len(verdict.first) == min(10, sum(expected.values()))


def test_a_corrupted_weight_in_redis(stores: Stores, user: str) -> None:
    name, tag = max(stores.oracle.profiles[user].tags.items(), key=lambda item: item[1].weight)
    for factor, differs in ((1 + 1e-10, False), (1 + 1e-7, True)):
        stores.redis.hset(stores.profile_key(user), name, repr(tag.weight * factor))
        verdict = stores.verify()
        if differs:
            only(verdict, redis_weight=1)
            assert verdict.first[0].startswith(f"redis_weight: user {user}: {name} weighs ")
            assert json.loads(verdict.to_json())["differences"] == {"redis_weight": 1}
        else:
            assert verdict.ok


def test_corrupted_mean_and_deviation_in_redis(stores: Stores, user: str) -> None:
    stores.redis.hset(stores.profile_key(user), "line_spend:all.mean", "3.14")
    stores.redis.hset(stores.profile_key(user), "line_spend:all.std", "0.5")
    only(stores.verify(), redis_mean=1, redis_std=1)


def test_a_tag_lost_and_a_tag_too_many_in_redis(stores: Stores, user: str) -> None:
    key, evidence = stores.profile_key(user), evidence_key(stores.settings.redis_key_prefix, user)
    last_ms = json.loads(stores.redis.get(evidence) or b"")
    name = next(n for n, tag in stores.oracle.profiles[user].tags.items() if tag.weight > 0.1 and tag.mean is None)
    del last_ms[name]
    last_ms["spend:never"] = 1
    stores.redis.hdel(key, name)
    stores.redis.hset(key, "spend:never", "1.0")
    stores.redis.set(evidence, json.dumps(last_ms))
    only(stores.verify(), redis_tag_missing=1, redis_tag_extra=1)


def test_a_wrong_time_of_evidence_in_redis(stores: Stores, user: str) -> None:
    key = evidence_key(stores.settings.redis_key_prefix, user)
    last_ms = json.loads(stores.redis.get(key) or b"")
    last_ms["line_spend:all"] += 1
    stores.redis.set(key, json.dumps(last_ms))
    only(stores.verify(), redis_last_evidence=1)


def test_a_wrong_version_and_a_wrong_instant_in_redis(stores: Stores, user: str) -> None:
    key = stores.profile_key(user)
    stores.redis.hset(key, "_version", version_of(0, stores.oracle.profiles[user].n + 1))
    only(stores.verify(), redis_version=1)
    stores.redis.hset(key, "_as_of_ms", "5")
    only(stores.verify(), redis_version=1, redis_as_of=1)


def test_users_lost_added_and_unreadable_in_redis(stores: Stores, user: str) -> None:
    users = list(stores.oracle.profiles)
    stores.redis.delete(stores.profile_key(user))
    stores.redis.hset(stores.profile_key("nobody"), "_version", "x")
    stores.redis.hset(stores.profile_key(users[-1]), "_version", "x")
    stores.redis.delete(stores.profile_key(users[-2]))
    stores.redis.set(stores.profile_key(users[-2]), "a string")
    only(stores.verify(), redis_user_missing=1, redis_user_extra=1, redis_user_unreadable=2)


def test_a_wrong_purpose_published(stores: Stores) -> None:
    key = catalogue_key(stores.settings.redis_key_prefix)
    text = stores.redis.hget(key, "content").decode()
    stores.redis.hset(key, "content", text.replace('"profiling"', '"marketing"'))
    stores.redis.hdel(key, "app")
    assert stores.verify().differences == {"redis_catalogue": 2}


def test_a_wrong_half_life_published(stores: Stores) -> None:
    stores.redis.hset(f"{stores.settings.redis_key_prefix}:groups", "content", "1")
    assert stores.verify().differences["redis_half_life"] == 1


def test_a_corrupted_and_an_inserted_value_in_clickhouse(stores: Stores, user: str) -> None:
    stores.command(
        "ALTER TABLE {database:Identifier}.tag_evidence UPDATE value = value + 0.0001 WHERE user = {user:String} AND "
        "tag = 'line_spend:all' AND event_time = (SELECT max(event_time) FROM {database:Identifier}.tag_evidence "
        "WHERE user = {user:String})",
        user=user,
    )
    assert set(stores.verify().differences) >= {"clickhouse_mean", "clickhouse_values"}


def test_old_and_worthless_rows_in_clickhouse_are_seen_too(stores: Stores, user: str) -> None:
    last = next(name for name in stores.oracle.profiles[user].tags if name.startswith("quantity:"))
    stores.write_history(history_of([("household", user, last, T0_MS - 5_000 * DAY_MS, 1, 1.0)]))
    stores.write_history(history_of([("household", user, last, T0_MS - 5_000 * DAY_MS, 2, 0.0)]))
    verdict = stores.verify()
    only(verdict, clickhouse_rows=1, clickhouse_values=1)
    assert verdict.rows == rows_of(stores.oracle) + 2


def test_users_and_tags_lost_and_added_in_clickhouse(stores: Stores, user: str) -> None:
    stores.command("DELETE FROM {database:Identifier}.tag_evidence WHERE user = {user:String}", user=user)
    rows = [("nobody", "spend:x"), ("", "spend:x"), ("~~~", "spend:x"), (ALONE, "spend:x")]
    batch = history_of([("dpi", user, tag, T0_MS, number, 1.0) for number, (user, tag) in enumerate(rows)])
    stores.write_history(batch)
    only(stores.verify(), clickhouse_user_missing=1, clickhouse_user_extra=3, clickhouse_tag_extra=1)


def test_dead_letters_lost_and_added(stores: Stores) -> None:
    feed, log, partition, offset, _ = min(stores.oracle.dead_letters)
    stores.command(
        "DELETE FROM {database:Identifier}.dead_letters WHERE feed = {feed:String} AND log = {log:String} AND "
        "offset = {offset:UInt64}",
        feed=feed,
        log=log,
        offset=offset,
    )
    only(stores.verify(), dead_letter_missing=1)
    stores.write_history(HistoryBatch(dead_letters=[DeadLetter(feed, log, partition, offset, "user_flood")]))
    only(stores.verify(), dead_letter_missing=1, dead_letter_extra=1)


def test_counts_that_do_not_add_up(stores: Stores) -> None:
    counts = stores.oracle.counts
    wrong = ShardCounts(0, counts.events_in + 1, counts.folded, counts.duplicates, counts.rejected)
    stores.write_history(HistoryBatch(counts=wrong))
    stores.write_history(
        HistoryBatch(counts=ShardCounts(1))
    )  # all is said by the door's shard, nothing by the people's
    only(stores.verify(), counts=2)


def test_counts_of_other_runs_only_where_asked_for(stores: Stores) -> None:
    stores.write_history(HistoryBatch(counts=ShardCounts(0, 1, 1)), run_id="another")
    only(stores.verify(), counts=2)
    assert stores.verify(run_ids=("run",)).ok
    only(stores.verify(run_ids=("none of them",)), counts=3 + len(stores.oracle.counts.rejected))
