"""The same profile three ways: folded in Python, read from Redis, asked of ClickHouse."""

from __future__ import annotations

import random
from collections.abc import Iterable
from math import exp, fsum, isclose, sqrt

import pytest
import redis
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from fold_into_stores import append_evidence, history_of

from schemas.events import AppUse, Event, Purchase
from schemas.outputs import HistoryBatch, HotProfile
from schemas.purposes import NECESSARY, PURPOSES
from schemas.rules import Rules
from schemas.settings import Settings
from schemas.state import Profile
from serving.history import profile_as_of, timeline
from serving.hot_tags import HotTags
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.redis_hot import RedisHotSink
from udfs.profile.advance import advance
from udfs.profile.decay import decayed
from udfs.profile.output import Folded
from udfs.profile.snapshot import snapshot
from udfs.tags import GROUPS

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
RULES: Rules = Settings(dedup_horizon_hours=24 * 3_650).rules(GROUPS)
HALF_LIVES_MS = {name: rule.half_life_ms for name, rule in RULES.groups.items()}
FLOOR = RULES.weight_floor
CONSENTS = dict.fromkeys((NECESSARY, *PURPOSES), (0, 1, RULES.consent_list_version))


def log_of(seed: int, events: int, span_ms: int, user: str = "u") -> list[Event]:
    """Purchases and app use in random order of time: most events are late."""
    rng = random.Random(seed)
    log: list[Event] = []
    for number in range(events):
        time_ms = T0_MS + rng.randrange(span_ms)
        if rng.random() < 0.5:
            spend = rng.choice([0.0, 1.99, rng.lognormvariate(1, 2), 1e6 + rng.random()])
            log.append(Purchase(user, number, time_ms, f"cat {rng.randrange(6)}", rng.randrange(4) * 1.0, spend))
        else:
            up, down = int(rng.lognormvariate(8, 3)), int(rng.lognormvariate(12, 3))
            log.append(AppUse(user, number, time_ms, f"app{rng.randrange(6)}", "video", up, down))
    return log


def folded(log: Iterable[Event], user: str = "u") -> HotProfile:
    # as written just now: expires in the future
    profile = Profile(last_write_ms=T0_MS + 10_000 * DAY_MS, consents=CONSENTS)
    for event in log:
        _, output, _ = advance(profile, event, RULES, T0_MS + 10_000 * DAY_MS)
        assert isinstance(output, Folded)
    return snapshot(user, profile, RULES)


def write_history(clickhouse: str, database: str, log: Iterable[Event]) -> None:
    batch = HistoryBatch()
    for event in log:
        _, output, _ = advance(Profile(consents=CONSENTS), event, RULES, T0_MS + 10_000 * DAY_MS)
        assert isinstance(output, Folded)
        append_evidence(batch, "feed", event, output.evidence)
    ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0).write_batch([batch])


def close(a: float | None, b: float | None, size: float = 0.0) -> bool:
    return a is b or (a is not None and b is not None and isclose(a, b, rel_tol=1e-9, abs_tol=1e-9 * size))


@pytest.mark.parametrize(("seed", "span_days"), [(0, 1), (1, 60), (2, 60), (3, 2_000)])
def test_python_redis_and_clickhouse_agree_at_every_instant(
    clickhouse: str, clickhouse_client: Client, database: str, valkey: str, prefix: str, seed: int, span_days: int
) -> None:
    log = log_of(seed, 300, span_days * DAY_MS)
    write_history(clickhouse, database, log)
    times = sorted(event.event_time_ms for event in log)
    hot = RedisHotSink(valkey, prefix, 5.0, 10.0)
    hot.open(HALF_LIVES_MS)
    compared = 0
    for at_ms in (times[0], times[70], times[150] + 1, times[-2], times[-1], times[-1] + 5, times[-1] + 40 * DAY_MS):
        # What was known at that instant, folded in Python ...
        known = folded([event for event in log if event.event_time_ms <= at_ms], user=f"u at {at_ms}")
        # ... written to Redis and read back, decayed by the reader ...
        hot.write_batch([known])
        view = HotTags(redis.Redis.from_url(valkey), prefix).read(known.user, at_ms)
        assert view is not None
        from_redis = {t.tag: t for t in view.tags}
        # ... and asked of the history
        from_clickhouse = profile_as_of(clickhouse_client, database, "u", at_ms, FLOOR)
        assert set(from_redis) == set(known.last_evidence_ms)
        assert set(from_clickhouse) <= set(from_redis)
        for tag, hot_tag in from_redis.items():
            half_life_ms = HALF_LIVES_MS[tag.partition(":")[0]]
            weight = decayed(known.weights[tag], at_ms - known.as_of_ms, half_life_ms)
            assert close(hot_tag.weight, weight)
            row = from_clickhouse.get(tag)
            if row is None:
                assert weight < FLOOR * (1 + 1e-9), tag
                continue
            compared += 1
            assert close(row.weight, weight), tag
            size = abs(row.mean or 0.0) + (row.std or 0.0)
            assert close(row.mean, known.weights.get(tag + ".mean"), size), tag
            assert close(row.std, known.weights.get(tag + ".std"), size), tag
            assert (row.mean is not None) == (row.std is not None) == RULES.groups[tag.partition(":")[0]].numeric
            assert row.last_evidence_ms == hot_tag.last_evidence_ms == known.last_evidence_ms[tag]
            assert row.half_life_ms == hot_tag.half_life_ms == half_life_ms
    assert compared > 40


@pytest.mark.parametrize("span_days", [1, 30, 30_000])
def test_timeline_is_the_obvious_recomputation(
    clickhouse: str, clickhouse_client: Client, database: str, span_days: int
) -> None:
    """Also over 4,000 half-lives, where a running sum from one landmark overflows."""
    rng = random.Random(span_days)
    half_life_ms = HALF_LIVES_MS["flow_mb"]
    # In bursts, so that many weights hang together across the borders of the query's blocks
    starts = [T0_MS - 20_000 * DAY_MS + rng.randrange(span_days * DAY_MS) for _ in range(30)]
    block_ms = 512 * half_life_ms
    starts += [T0_MS // block_ms * block_ms - 3 * DAY_MS] * (span_days > 1_000)
    log = [
        AppUse("u", number, rng.choice(starts) + rng.randrange(7 * DAY_MS), "a", "c", rng.randrange(10**8), 0)
        for number in range(250)
    ]
    log += [AppUse("u", 1_000 + i, log[0].event_time_ms, "a", "c", i, 0) for i in range(3)]
    log.append(AppUse("other", 1, T0_MS, "a", "c", 5, 5))
    batch = HistoryBatch()
    for event in log:
        append_evidence(batch, "dpi", event, (("app", "a", 2.5), ("flow_mb", "all", event.bytes_up / 1e6)))
    sink = ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)
    sink.write_batch([batch])
    sink.write_batch([batch])

    ordered = sorted((e.event_time_ms, e.event_id, e.bytes_up / 1e6) for e in log if e.user == "u")
    for tag, numeric in (("app:a", False), ("flow_mb:all", True)):
        points = timeline(clickhouse_client, database, "u", tag)
        assert [(p.event_time_ms, p.event_id) for p in points] == [(t, i) for t, i, _ in ordered]
        for index, point in enumerate(points):
            now_ms = point.event_time_ms
            past = [(2.0 ** (-(now_ms - t) / half_life_ms), v) for t, _, v in ordered[: index + 1]]
            if numeric:
                weight = fsum(w for w, _ in past)
                assert point.mean is not None
                assert close(point.mean, fsum(w * v for w, v in past) / weight)
                assert point.value == ordered[index][2]
            else:
                weight = fsum(w * 2.5 for w, _ in past)
                assert point.mean is None
            assert close(point.weight, weight)
        assert timeline(clickhouse_client, database, "u", tag, limit=7) == points[-7:]
    assert timeline(clickhouse_client, database, "nobody", "app:a") == []


def test_parameters_are_bound_by_the_server(clickhouse: str, clickhouse_client: Client, database: str) -> None:
    user = "x' OR 1=1 -- \\ {user:String}\n\t日本"
    write_history(
        clickhouse, database, [AppUse(user, 1, T0_MS, "it's \\", "c", 1, 1), AppUse("v", 1, T0_MS, "b", "c", 1, 1)]
    )
    assert set(profile_as_of(clickhouse_client, database, user, T0_MS)) >= {"app:it's \\", "content:c", "flow_mb:all"}
    assert len(timeline(clickhouse_client, database, user, "app:it's \\")) == 1


def test_a_group_nobody_published_is_an_error_not_an_empty_profile(
    clickhouse: str, clickhouse_client: Client, database: str
) -> None:
    batch = history_of([("f", "u", "unheard:x", T0_MS, 1, 1.0)])
    ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0).write_batch([batch])
    with pytest.raises(DatabaseError, match="publish the tag groups first"):
        profile_as_of(clickhouse_client, database, "u", T0_MS)
    with pytest.raises(DatabaseError, match="publish the tag groups first"):
        timeline(clickhouse_client, database, "u", "unheard:x")


def test_clickhouse_decay_function_takes_an_e_folding_time_not_a_half_life(clickhouse_client: Client) -> None:
    """Why the queries are written with exp2: the documentation of this function says half-life."""
    rows = clickhouse_client.query(
        "SELECT exponentialTimeDecayedSum(10)(v, t) OVER (ORDER BY t) "
        "FROM values('v Float64, t Float64', (10, 0), (0, 10))"
    ).result_rows
    assert isclose(rows[1][0], 10 * exp(-1))


def test_deviation_does_not_cancel(clickhouse: str, clickhouse_client: Client, database: str) -> None:
    """Values far from zero and close together, which a difference of sums of squares gets wrong."""
    values = [1e9 + offset for offset in (0.0, 1.0, 2.0, 3.0)]
    batch = history_of([("f", "u", "line_spend:all", T0_MS, number, value) for number, value in enumerate(values)])
    ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0).write_batch([batch])
    tag = profile_as_of(clickhouse_client, database, "u", T0_MS)["line_spend:all"]
    assert tag.std is not None
    assert isclose(tag.std, sqrt(1.25), rel_tol=1e-9)
