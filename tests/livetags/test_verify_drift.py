"""Verification of stores whose people were rebuilt by hand."""

from __future__ import annotations

import pytest
import redis
from clickhouse_connect.driver.client import Client
from fold_into_stores import fold
from staged_stores import DAY_MS, T0_MS, WIDE, consent, link, log_of, rebuilt, use

from livetags.oracle import recompute
from livetags.verify import Verdict, verify
from schemas.settings import Settings
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.redis_hot import RedisHotSink
from udfs.privacy.pseudonym import GivenPseudonyms
from udfs.tags import GROUPS

pytestmark = pytest.mark.stores

NOW_MS = T0_MS + 20 * DAY_MS


def verdict_of(asked_hour: float, valkey: str, prefix: str, clickhouse: str, client: Client, database: str) -> Verdict:
    """Somebody with evidence of hours 0 to 60, and a rebuild asked for after all of it."""
    chosen = Settings(
        **WIDE,
        redis_key_prefix=prefix,
        clickhouse_database=database,
        hot_retention_days=36_500.0,
        dedup_horizon_hours=24 * 20,
    )
    said = [link("one", 99, 0), *(consent("one", 90 + n, 0, each) for n, each in enumerate(["profiling", "necessary"]))]
    said += [use("one", n, hour, "video" if hour < 30 else "games") for n, hour in enumerate(range(0, 61, 6))]
    said.append(rebuilt("one", 80, asked_hour, 30))
    hot = RedisHotSink(valkey, prefix, 5.0, 10.0)
    hot.open({name: group.half_life_ms for name, group in GROUPS.items()}, GROUPS.values())
    history = ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)
    log = log_of(said)
    fold(log, chosen, NOW_MS, hot=hot, history=history)
    expected = recompute(log, chosen, NOW_MS, pseudonyms=GivenPseudonyms())
    assert [alarm.kind for alarm in expected.alarms.values()] == ["by_hand"]
    return verify(expected, redis.Redis.from_url(valkey), client, chosen)


def test_a_rebuild_asked_for_at_the_newest_evidence(
    valkey: str, prefix: str, clickhouse: str, clickhouse_client: Client, database: str
) -> None:
    verdict = verdict_of(60, valkey, prefix, clickhouse, clickhouse_client, database)
    assert verdict.ok, verdict.differences
    assert verdict.alarms == 1


def test_a_rebuild_asked_for_later_than_the_newest_evidence(
    valkey: str, prefix: str, clickhouse: str, clickhouse_client: Client, database: str
) -> None:
    verdict = verdict_of(62, valkey, prefix, clickhouse, clickhouse_client, database)
    assert verdict.ok, verdict.differences
