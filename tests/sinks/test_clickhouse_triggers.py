"""Receipts of triggers and the rules they came from, in the history, against the embedded ClickHouse."""

from __future__ import annotations

import json
from struct import pack
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_triggers import T0_MS, trigger
from msgspec.structs import replace

from schemas.outputs import HistoryBatch, Receipt, Removal, RuleDocument
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.clickhouse_schema import publish_rules

pytestmark = pytest.mark.stores


@pytest.fixture
def sink(clickhouse: str, database: str) -> ClickHouseHistorySink:
    return ClickHouseHistorySink(clickhouse, database, "run-1", timeout_s=5.0, give_up_s=20.0)


class Stored:
    """What a reader sees, or with `final` false what is there."""

    def __init__(self, client: Client, database: str) -> None:
        self._client = client
        self._database = database

    def rows(self, columns: str, table: str = "triggers", final: bool = True) -> list[tuple[Any, ...]]:
        text = f"SELECT {columns} FROM {{database:Identifier}}.{table} {'FINAL' if final else ''} ORDER BY ALL"
        return [tuple(row) for row in self._client.query(text, parameters={"database": self._database}).result_rows]

    def whose(self, final: bool = True) -> list[tuple[str, str]]:
        return self.rows("id, user", final=final)


@pytest.fixture
def stored(clickhouse_client: Client, database: str) -> Stored:
    return Stored(clickhouse_client, database)


def receipt(number: int, user: str = "a", **changed: object) -> Receipt:
    """Of a trigger that could be read 25 ms after it was decided."""
    made = trigger(number, user, **changed)
    return Receipt(made, made.decided_ms + 25)


def test_a_receipt_arrives_with_all_it_says(sink: ClickHouseHistorySink, stored: Stored) -> None:
    sink.write_batch([HistoryBatch(receipts=[receipt(1)])])
    columns = "id, user, rule, version, scene, purpose, priority, cause, episode, shadow, feed, log, partition, offset"
    assert stored.rows(f"{columns}, event_id, payload") == [
        (
            "id-1",
            "a",
            "traffic-surge",
            2,
            "uses much more data than usual",
            "marketing",
            60,
            "pulse",
            str(T0_MS + 1),
            False,
            "dpi",
            "livetags.dpi",
            3,
            7_001,
            2**64 - 1,
            {"offer": "pack 10g"},
        )
    ]
    times = ", ".join(f"toUnixTimestamp64Milli({name})" for name in ("arose_at", "decided_at", "sent_at"))
    assert stored.rows(f"{times}, decided_to_sent_ms, arose_to_sent_ms") == [
        (T0_MS + 1, T0_MS + 41, T0_MS + 66, 25, 65)
    ]


def test_what_was_not_sent_has_no_latency(sink: ClickHouseHistorySink, stored: Stored) -> None:
    sink.write_batch([HistoryBatch(receipts=[Receipt(trigger(1, shadow=True), 0)])])
    assert stored.rows("shadow, toUnixTimestamp64Milli(sent_at), decided_to_sent_ms, arose_to_sent_ms") == [
        (True, 0, None, None)
    ]


_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
_values = _words | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(_words, _values, max_size=4), min_size=1, max_size=20))
def test_values_are_exact(
    sink: ClickHouseHistorySink, clickhouse_client: Client, database: str, values: list[dict[str, Any]]
) -> None:
    clickhouse_client.command(f"TRUNCATE TABLE {database}.triggers")
    sink.write_batch([HistoryBatch(receipts=[receipt(n, values=each) for n, each in enumerate(values)])])
    rows = clickhouse_client.query(f"SELECT values FROM {database}.triggers FINAL ORDER BY offset").result_rows

    def exact(value: Any) -> Any:
        return pack(">d", value) if isinstance(value, float) else value

    for (found,), written in zip(rows, values, strict=True):
        read = {name: json.loads(text) for name, text in found.items()}
        assert {name: exact(value) for name, value in read.items()} == {k: exact(v) for k, v in written.items()}
        assert [type(read[name]) for name in written] == [type(value) for value in written.values()]


def test_repeats_cut_differently_are_absorbed(sink: ClickHouseHistorySink, stored: Stored) -> None:
    receipts = [receipt(n, f"u{n % 5}") for n in range(60)]
    sink.write_batch([HistoryBatch(receipts=receipts)])
    once = stored.rows("* EXCEPT written_at")
    assert len(once) == 60
    for size in (7, 60, 1):
        sink.write_batch([HistoryBatch(receipts=receipts[at : at + size]) for at in range(0, 60, size)])
    assert stored.rows("* EXCEPT written_at") == once


def test_receipts_come_after_evidence_and_after_their_rules(
    sink: ClickHouseHistorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sees a receipt finds the evidence that made it fire, and the rule."""
    order: list[str] = []
    insert = sink._insert

    def noting(name: str, *arguments: Any) -> None:
        order.append(name)
        insert(name, *arguments)

    monkeypatch.setattr(sink, "_insert", noting)
    events = [("dpi", "a", T0_MS, 1, (("app", "a", 1.0),), 1)]
    sink.write_batch(
        [HistoryBatch(receipts=[receipt(1)]), HistoryBatch(events, rules=[RuleDocument("traffic-surge", 2, "{}")])]  # type: ignore[list-item]
    )
    assert order == ["tag_evidence", "trigger_rules", "triggers"]


def test_every_version_of_a_rule_stays(
    sink: ClickHouseHistorySink, stored: Stored, clickhouse_client: Client, database: str
) -> None:
    first, second = RuleDocument("r", 1, '{"id":"r"}'), RuleDocument("r", 2, '{"id":"r","scene":"é"}')
    sink.write_batch([HistoryBatch(rules=[first]), HistoryBatch(rules=[first, RuleDocument("other", 1, "{}")])])
    for _ in range(2):
        publish_rules(clickhouse_client, database, [first, second])
    publish_rules(clickhouse_client, database, [])
    rules = [RuleDocument("other", 1, "{}"), first, second]
    assert stored.rows("rule, version, document", "trigger_rules") == rules


def test_erase_takes_the_receipts_before_it(sink: ClickHouseHistorySink, stored: Stored) -> None:
    sink.write_batch([HistoryBatch(receipts=[receipt(1), receipt(2, "b")])])
    erase = Removal("erase", "a", time_ms=T0_MS + 5)
    held = HistoryBatch(receipts=[receipt(3), receipt(4, "b")])
    sink.write_batch([held, HistoryBatch(removals=[erase], receipts=[receipt(9)])])
    assert stored.whose() == [("id-2", "b"), ("id-4", "b"), ("id-9", "a")]
    sink.write_batch([HistoryBatch(removals=[erase])])
    assert stored.whose(final=False) == [("id-2", "b"), ("id-4", "b")]


def test_a_receipt_that_comes_after_the_erasure_goes_too(sink: ClickHouseHistorySink, stored: Stored) -> None:
    """Receipts come by way of the hot sink, so they may be behind."""
    erase = Removal("erase", "a", time_ms=T0_MS + 5)
    sink.write_batch([HistoryBatch(removals=[erase])])
    many = [receipt(n, f"u{n}") for n in range(900)]
    sink.write_batch([HistoryBatch(receipts=[receipt(4), receipt(5), receipt(6), *many])])
    assert [row for row in stored.whose(final=False) if row[1] == "a"] == [("id-6", "a")]
    assert len(stored.whose()) == 901


def test_a_receipt_that_comes_after_a_withdrawal_has_no_values(sink: ClickHouseHistorySink, stored: Stored) -> None:
    forget = Removal("forget", "a", groups=("app",), time_ms=T0_MS + 5)
    sink.write_batch([HistoryBatch(removals=[forget])])
    sink.write_batch([HistoryBatch(receipts=[receipt(5), receipt(6), receipt(4, "b")])])
    assert stored.rows("id, length(values)") == [("id-4", 4), ("id-5", 0), ("id-6", 4)]


def test_a_move_gives_the_receipts_to_the_other(sink: ClickHouseHistorySink, stored: Stored) -> None:
    sink.write_batch([HistoryBatch(receipts=[receipt(1), receipt(2, "b")])])
    before = stored.rows("* EXCEPT user", final=False)
    batches = [HistoryBatch(receipts=[receipt(3)]), HistoryBatch(removals=[Removal("move", "a", "b")])]
    for _ in range(2):
        sink.write_batch(batches)
        assert stored.whose() == [("id-1", "b"), ("id-2", "b"), ("id-3", "b")]
    assert set(map(repr, before)) < set(map(repr, stored.rows("* EXCEPT user", final=False)))
    sink.write_batch([HistoryBatch(removals=[Removal("erase", "c", time_ms=T0_MS)])])
    sink.write_batch([HistoryBatch(receipts=[receipt(5, "b")]), HistoryBatch(removals=[Removal("move", "b", "c")])])
    assert stored.whose(final=False) == [], "to somebody erased: nothing tells whether it is from before"


def test_forget_takes_the_values_and_leaves_the_receipts(sink: ClickHouseHistorySink, stored: Stored) -> None:
    sink.write_batch([HistoryBatch(receipts=[receipt(1), receipt(2, "b"), receipt(3, values={})])])
    before = stored.rows("* EXCEPT values")
    forget = Removal("forget", "a", groups=("app", "no such group"))
    held, later = HistoryBatch(receipts=[receipt(4)]), HistoryBatch(removals=[forget], receipts=[receipt(5)])
    names = list(trigger().values)
    for _ in range(2):
        sink.write_batch([held, later])
        assert stored.rows("id, mapKeys(values)") == [
            ("id-1", []),
            ("id-2", names),
            ("id-3", []),
            ("id-4", []),
            ("id-5", names),
        ]
        assert set(map(repr, before)) <= set(map(repr, stored.rows("* EXCEPT values"))), "nothing else has changed"
    sink.write_batch([HistoryBatch(removals=[forget])])
    assert stored.rows("user", final=False).count(("b",)) == 1
    assert stored.rows("DISTINCT user, notEmpty(values)", final=False) == [("a", False), ("b", True)]


@pytest.mark.parametrize("together", [True, False])
def test_what_was_forgotten_does_not_come_back_by_a_move(
    sink: ClickHouseHistorySink, stored: Stored, together: bool
) -> None:
    receipts = [receipt(1, "a"), receipt(2, "b"), receipt(3, "c")]
    removals = [
        Removal("forget", "a", groups=("app",)),
        Removal("move", "a", "d"),
        Removal("move", "b", "c"),
        Removal("forget", "c", groups=("app",)),
    ]
    steps = [HistoryBatch(receipts=receipts), HistoryBatch(removals=removals)]
    for part in [steps] if together else [[step] for step in steps]:
        sink.write_batch(part)
    assert stored.rows("id, user, length(values)", final=False) == [
        ("id-1", "d", 0),
        ("id-2", "c", 0),
        ("id-3", "c", 0),
    ]


def test_forget_and_erase_in_one_batch_leave_no_receipt(sink: ClickHouseHistorySink, stored: Stored) -> None:
    sink.write_batch([HistoryBatch(receipts=[receipt(1)])])
    removals = [Removal("forget", "a", groups=("app",)), Removal("erase", "a", time_ms=T0_MS)]
    sink.write_batch([HistoryBatch(removals=removals)])
    assert stored.whose(final=False) == []


def test_a_receipt_of_an_odd_name(sink: ClickHouseHistorySink, stored: Stored) -> None:
    odd = replace(trigger(1), user="a'b\\", episode="\t'", values={"it's": "\\'"}, payload={"'": '"'})
    sink.write_batch([HistoryBatch(receipts=[Receipt(odd, 0)])])
    sink.write_batch([HistoryBatch(removals=[Removal("move", odd.user, "{user:String}")])])
    assert stored.rows("user, episode, values, payload") == [("{user:String}", "\t'", {"it's": '"\\\\\'"'}, {"'": '"'})]
