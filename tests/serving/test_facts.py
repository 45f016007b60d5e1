"""Groups of facts as of different times: only the newest tag of each counts."""

from __future__ import annotations

import random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.outputs import FoldedEvent, HistoryBatch
from schemas.tag_group import FOREVER_DAYS, TagGroup
from serving.history import profile_as_of, query_text, timeline
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.clickhouse_schema import publish_groups

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
DAY_MS = 86_400_000
GROUPS = {
    "plan": TagGroup("plan", "fact", "present", FOREVER_DAYS, "what the person pays for"),
    "age": TagGroup("age", "fact", "present", FOREVER_DAYS, "age band"),
    "visits": TagGroup("visits", "weight", "visits", 7.0, "visits"),
    "bill": TagGroup("bill", "numeric", "euro", 30.0, "bills"),
}


@pytest.fixture
def facts(clickhouse: str, clickhouse_client: Client, database: str) -> ClickHouseHistorySink:
    publish_groups(clickhouse_client, database, GROUPS, {name: group.half_life_ms for name, group in GROUPS.items()})
    return ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)


def event(number: int, time_ms: int, *evidence: tuple[str, str, float], user: str = "u") -> FoldedEvent:
    return ("feed", user, time_ms, number, evidence, number)


def at_last_event(client: Client, database: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    parameters = {"database": database, "from_user": "", "before_user": ""}
    rows = client.query(query_text("profiles_at_last_event"), parameters=parameters).result_rows
    return {(row[0], row[1]): tuple(row[2:]) for row in rows}


def test_a_newer_fact_replaces_an_older_one(
    facts: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    days = [T0_MS + day * DAY_MS for day in range(6)]
    events = [
        event(1, days[0], ("plan", "basic", 1.0), ("age", "30-39", 1.0), ("visits", "shop", 1.0)),
        event(2, days[2], ("plan", "gold", 1.0), ("visits", "café", 1.0)),
        event(3, days[4], ("plan", "basic", 1.0), ("bill", "all", 10.0)),
    ]
    facts.write_batch([HistoryBatch(events[::-1])])
    expected = {
        days[0] - 1: set(),
        days[0]: {"plan:basic", "age:30-39", "visits:shop"},
        days[1]: {"plan:basic", "age:30-39", "visits:shop"},
        days[2]: {"plan:gold", "age:30-39", "visits:shop", "visits:café"},
        days[5]: {"plan:basic", "age:30-39", "visits:shop", "visits:café", "bill:all"},
    }
    for at_ms, tags in expected.items():
        found = profile_as_of(clickhouse_client, database, "u", at_ms)
        assert set(found) == tags
        for tag in tags & {"plan:basic", "plan:gold", "age:30-39"}:
            assert found[tag].weight == pytest.approx(1.0, rel=1e-5)
            assert (found[tag].mean, found[tag].std) == (None, None)
    assert profile_as_of(clickhouse_client, database, "u", days[5])["plan:basic"].last_evidence_ms == days[4]


def test_of_two_at_the_same_instant_the_later_name_counts(
    facts: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    facts.write_batch([HistoryBatch([event(1, T0_MS, ("plan", "z", 2.0)), event(2, T0_MS, ("plan", "a", 1.0))])])
    assert set(profile_as_of(clickhouse_client, database, "u", T0_MS)) == {"plan:z"}
    assert [p.weight for p in timeline(clickhouse_client, database, "u", "plan:a")] == [0.0]
    assert [p.weight for p in timeline(clickhouse_client, database, "u", "plan:z")] == [2.0]


def test_a_fact_weighs_its_newest_value_not_their_sum(
    facts: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    values = [(T0_MS, 3.0), (T0_MS + DAY_MS, 1.0), (T0_MS + 2 * DAY_MS, 2.0)]
    facts.write_batch([HistoryBatch([event(n, at, ("plan", "a", value)) for n, (at, value) in enumerate(values)])])
    for at_ms, value in values:
        assert profile_as_of(clickhouse_client, database, "u", at_ms)["plan:a"].weight == value
    points = timeline(clickhouse_client, database, "u", "plan:a")
    assert [(p.event_time_ms, p.weight, p.mean) for p in points] == [(at, value, None) for at, value in values]


def test_superseded_facts_are_told_apart_and_their_rows_counted(
    facts: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    """Against the obvious loop over the rows."""
    rng = random.Random(5)
    users, numbers = ["a", "b", "c"], iter(range(10**6))
    events = [
        event(
            next(numbers),
            T0_MS + rng.randrange(40) * DAY_MS,
            (group, rng.choice("xyz"), float(rng.randrange(1, 5))),
            user=rng.choice(users),
        )
        for group in ("plan", "age", "visits", "bill")
        for _ in range(30)
    ]
    facts.write_batch([HistoryBatch(events), HistoryBatch(events[:50])])
    newest: dict[tuple[str, str], tuple[int, str, int, float]] = {}
    rows: dict[tuple[str, str], list[float]] = {}
    for _, user, time_ms, number, ((group, tag, value),), _ in events:
        rows.setdefault((user, f"{group}:{tag}"), []).append(value)
        known = newest.get((user, group))
        if known is None or known < (time_ms, tag, number, value):
            newest[user, group] = (time_ms, tag, number, value)
    found = at_last_event(clickhouse_client, database)
    assert set(found) == set(rows)
    for (user, name), (as_of_ms, weight, mean, _, last_ms, count, value_sum, superseded) in found.items():
        group, _, tag = name.partition(":")
        assert (count, value_sum) == (len(rows[user, name]), sum(rows[user, name]))
        assert (mean is not None) == (group == "bill")
        in_force = GROUPS[group].kind != "fact" or newest[user, group][1] == tag
        assert superseded == (not in_force)
        if not in_force:
            assert weight == 0.0
        elif GROUPS[group].kind == "fact":
            time_ms, _, _, value = newest[user, group]
            assert last_ms == time_ms
            assert weight == pytest.approx(value * 2.0 ** (-(as_of_ms - time_ms) / GROUPS[group].half_life_ms))
        else:
            assert weight > 0.0
