"""Receipts of triggers, as they are read back from ClickHouse."""

from __future__ import annotations

import math

import pytest
from clickhouse_connect.driver.client import Client
from made_triggers import T0_MS, trigger

from schemas.outputs import HistoryBatch, Receipt, Removal, RuleDocument
from serving.triggers import (
    Latency,
    RuleCount,
    RuleLatency,
    newest_receipts,
    receipt_of,
    rule_counts,
    rule_document,
    rule_documents,
    rule_latencies,
)
from sinks.clickhouse_history import ClickHouseHistorySink

pytestmark = pytest.mark.stores


@pytest.fixture
def history(clickhouse: str, database: str) -> ClickHouseHistorySink:
    return ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)


def test_a_receipt_comes_back_as_written(
    history: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    written = [
        Receipt(trigger(1), T0_MS + 99),
        Receipt(trigger(2, shadow=True, values={}, payload={}), 0),
        Receipt(trigger(3, feed="", log="", partition=0, offset=0, event_id=0, cause="fade", values={"w": 1e-300}), 7),
    ]
    for _ in range(2):
        history.write_batch([HistoryBatch(receipts=written)])
    for each in written:
        assert receipt_of(clickhouse_client, database, each.trigger.id) == each
    assert receipt_of(clickhouse_client, database, "unknown") is None
    history.write_batch([HistoryBatch(receipts=[Receipt(trigger(4, values={"x": math.inf}), 1)])])
    found = receipt_of(clickhouse_client, database, "id-4")
    assert found is not None
    assert math.isnan(float(found.trigger.values["x"]))


def test_the_newest_of_a_person(history: ClickHouseHistorySink, clickhouse_client: Client, database: str) -> None:
    written = [Receipt(trigger(n, user), 1) for n, user in ((5, "u"), (9, "u"), (7, "u"), (11, "v"))]
    history.write_batch([HistoryBatch(receipts=written)])
    assert newest_receipts(clickhouse_client, database, "u", 2) == [written[1], written[2]]
    assert newest_receipts(clickhouse_client, database, "u", 9) == [written[1], written[2], written[0]]
    assert newest_receipts(clickhouse_client, database, "nobody", 9) == []
    other = Receipt(trigger(8, "u", rule="other"), 1)
    history.write_batch([HistoryBatch(receipts=[other])])
    assert newest_receipts(clickhouse_client, database, "", 3) == [written[3], written[1], other]
    assert newest_receipts(clickhouse_client, database, "", 9, "other") == [other]
    assert newest_receipts(clickhouse_client, database, "u", 9, written[0].trigger.rule) == [
        written[1],
        written[2],
        written[0],
    ]
    history.write_batch([HistoryBatch(removals=[Removal("erase", "u", time_ms=T0_MS)])])
    assert newest_receipts(clickhouse_client, database, "u", 9) == []
    assert newest_receipts(clickhouse_client, database, "", 9) == [written[3]]


def test_counts_of_the_rules_between_two_times(
    history: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    def receipts() -> list[Receipt]:
        often = [Receipt(trigger(n, f"u{n % 3}", rule="often"), 1) for n in range(10)]
        shadow = [Receipt(trigger(n, "u", rule="shadow", shadow=True), 0) for n in (4, 5)]
        return [*often, *shadow, Receipt(trigger(3, "u", rule="shadow", version=7), 1)]

    for _ in range(2):
        history.write_batch([HistoryBatch(receipts=receipts())])
    assert rule_counts(clickhouse_client, database, 0, T0_MS + 100) == [
        RuleCount("often", 10, 3, 0),
        RuleCount("shadow", 3, 1, 2),
    ]
    assert rule_counts(clickhouse_client, database, T0_MS + 4, T0_MS + 6) == [
        RuleCount("often", 2, 2, 0),
        RuleCount("shadow", 2, 1, 2),
    ]
    assert rule_counts(clickhouse_client, database, T0_MS + 10, T0_MS + 100) == []


def test_latencies_are_of_what_was_sent(
    history: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    """The trigger of number n could be read n ms after it was decided, and that was 40 ms after its event."""
    receipts = [Receipt(made, made.decided_ms + n) for n in range(1, 101) for made in [trigger(n, rule="r")]]
    receipts += [Receipt(trigger(n, rule="r", shadow=True), 0) for n in range(200, 300)]
    receipts.append(Receipt(trigger(5, rule="only-shadow", shadow=True), 0))
    history.write_batch([HistoryBatch(receipts=receipts)])
    [found] = rule_latencies(clickhouse_client, database, T0_MS, T0_MS + 1_000)
    assert (found.rule, found.sent) == ("r", 100)
    for latency, offset_ms in ((found.decided_to_sent, 0), (found.arose_to_sent, 40)):
        assert abs(latency.p50_ms - offset_ms - 50) <= 1
        assert abs(latency.p95_ms - offset_ms - 95) <= 1
        assert abs(latency.p99_ms - offset_ms - 99) <= 1
    first = rule_latencies(clickhouse_client, database, T0_MS, T0_MS + 2)
    assert first == [RuleLatency("r", 1, Latency(1, 1, 1), Latency(41, 41, 41))]


def test_a_rule_can_be_read_as_it_was(history: ClickHouseHistorySink, clickhouse_client: Client, database: str) -> None:
    written = [RuleDocument("r", 1, '{"id":"r"}'), RuleDocument("r", 2, "{}")]
    for _ in range(2):
        history.write_batch([HistoryBatch(rules=written)])
    assert rule_documents(clickhouse_client, database) == written
    assert rule_document(clickhouse_client, database, "r", 1) == '{"id":"r"}'
    assert rule_document(clickhouse_client, database, "r", 3) is None
