"""The history sink and the migrations against the embedded ClickHouse."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from fold_into_stores import history_of
from msgspec.structs import asdict
from store_servers import ClickHouseServer

from schemas.events import identity_of
from schemas.outputs import Alarm, AlarmKind, AlarmStatus, DeadLetter, FleetAlarm, HistoryBatch, ShardCounts
from sinks.clickhouse_client import connect
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.clickhouse_schema import MigrationError, migrate
from sinks.retry import SinkGaveUp

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
DAY_MS = 86_400_000
Row = tuple[str, str, str, int, int, float]


def sink_to(url: str, database: str, give_up_s: float = 20.0) -> ClickHouseHistorySink:
    return ClickHouseHistorySink(url, database, "run-1", timeout_s=2.0, give_up_s=give_up_s)


def rows_of(count: int, seed: int = 0) -> list[Row]:
    """Rows as an operator makes them: distinct keys, over some months, ids of 64 bits."""
    rng = random.Random(seed)
    return [
        (
            "dpi",
            f"user {rng.randrange(20)} é",
            f"app:{rng.randrange(5)}",
            T0_MS + rng.randrange(100 * DAY_MS),
            rng.getrandbits(64),
            rng.uniform(-1e9, 1e9),
        )
        for _ in range(count)
    ]


def evidence(client: Client, database: str) -> list[tuple[Any, ...]]:
    return sorted(
        tuple(row)
        for row in client.query(
            "SELECT feed, user, tag, toUnixTimestamp64Milli(event_time), event_id, value "
            "FROM {database:Identifier}.tag_evidence FINAL",
            parameters={"database": database},
        ).result_rows
    )


def table(client: Client, database: str, name: str, columns: str) -> list[tuple[Any, ...]]:
    text = f"SELECT {columns} FROM {{database:Identifier}}.{name} FINAL ORDER BY ALL"
    return [tuple(row) for row in client.query(text, parameters={"database": database}).result_rows]


def test_migrating_again_changes_nothing(clickhouse_client: Client, database: str) -> None:
    before = table(clickhouse_client, database, "schema_migrations", "name, checksum, applied_at")
    assert before
    assert migrate(clickhouse_client, database) == []
    assert table(clickhouse_client, database, "schema_migrations", "name, checksum, applied_at") == before


def test_an_edited_migration_is_refused(clickhouse_client: Client, database: str) -> None:
    name = table(clickhouse_client, database, "schema_migrations", "name")[0][0]
    clickhouse_client.insert(f"{database}.schema_migrations", [[name, "other"]], column_names=["name", "checksum"])
    with pytest.raises(MigrationError, match=f"{name} was edited .* put changes into a new file"):
        migrate(clickhouse_client, database)


def test_a_database_of_a_newer_build_is_refused(clickhouse_client: Client, database: str) -> None:
    clickhouse_client.insert(
        f"{database}.schema_migrations", [["9999_from_the_future.sql", "x"]], column_names=["name", "checksum"]
    )
    with pytest.raises(MigrationError, match=r"9999_from_the_future\.sql.*run the newer build"):
        migrate(clickhouse_client, database)


def test_values_arrive_exactly(clickhouse: str, clickhouse_client: Client, database: str) -> None:
    rows = rows_of(500)
    sink_to(clickhouse, database).write_batch([history_of(rows)])
    assert evidence(clickhouse_client, database) == sorted(rows)


def test_repeats_cut_differently_are_absorbed(clickhouse: str, clickhouse_client: Client, database: str) -> None:
    rng = random.Random(1)
    rows = rows_of(600)
    letters = [DeadLetter("dpi", "log", 0, offset, "malformed") for offset in range(40)]
    sink = sink_to(clickhouse, database)
    sink.write_batch([history_of(rows, dead_letters=letters)])
    once = evidence(clickhouse_client, database)
    dead = table(clickhouse_client, database, "dead_letters", "feed, log, partition, offset, reason")
    assert len(once) == 600
    assert len(dead) == 40
    for _ in range(2):
        cuts = sorted(rng.sample(range(1, 600), 4))
        edges = list(zip([0, *cuts], [*cuts, 600], strict=True))
        rng.shuffle(edges)
        for first, last in edges:
            sink.write_batch([history_of(rows[first:last], dead_letters=rng.sample(letters, 5))])
        sink.write_batch([history_of(rows[i : i + 7]) for i in range(0, 600, 7)])
    assert evidence(clickhouse_client, database) == once
    assert table(clickhouse_client, database, "dead_letters", "feed, log, partition, offset, reason") == dead


def alarm(
    at_ms: int = T0_MS, status: AlarmStatus = "provisional", user: str = "u", kind: AlarmKind = "shares"
) -> Alarm:
    rose, fell = [("app:b", 0.125, 0.5), ("app:é", 0.0, 0.25)], [("app:a", 1.0, 0.125)]
    return Alarm(user, kind, at_ms, at_ms - DAY_MS, 3, 70, 12.5, 0.375, rose, fell, status, 0.125)


ALARM_COLUMNS = (
    "user, kind, toUnixTimestamp64Milli(alarm_at), toUnixTimestamp64Milli(since), generation, number, evidence, "
    "distance_bits, rose::Array(Tuple(String, Float64, Float64)), fell::Array(Tuple(String, Float64, Float64)), "
    "status, factor"
)


def test_numbers_of_events_arrive(clickhouse: str, clickhouse_client: Client, database: str) -> None:
    evidence = (("app", "a", 1.0), ("content", "video", 2.0))
    batch = HistoryBatch([("dpi", "u", T0_MS, 5, evidence, 41), ("dpi", "u", T0_MS, 6, evidence[:1], 2**64 - 1)])
    sink_to(clickhouse, database).write_batch([batch])
    assert table(clickhouse_client, database, "tag_evidence", "event_id, tag, number") == [
        (5, "app:a", 41),
        (5, "content:video", 41),
        (6, "app:a", 2**64 - 1),
    ]


def test_alarms_arrive_exactly_and_the_newest_state_of_each_stays(
    clickhouse: str, clickhouse_client: Client, database: str
) -> None:
    sink = sink_to(clickhouse, database)
    volume = Alarm("v", "volume", T0_MS, T0_MS - 5, 0, 7, 1.0, 0.0, [("", 3.0, 40.0)])
    written = [alarm(), alarm(T0_MS + 1, "timed_out"), alarm(kind="by_hand"), volume]
    for _ in range(2):
        sink.write_batch([HistoryBatch(alarms=written[:2]), HistoryBatch(alarms=written[2:])])
        found = table(clickhouse_client, database, "drift_alarms", ALARM_COLUMNS)
        expected = [tuple(asdict(each).values()) for each in written]
        assert found == sorted(expected)
    refined = alarm(status="refined")
    sink.write_batch([HistoryBatch(alarms=[refined])])
    # Both states of an alarm in one call: the insert is one block with one time of writing
    sink.write_batch([HistoryBatch(alarms=[alarm(T0_MS + 2)]), HistoryBatch(alarms=[alarm(T0_MS + 2, "refined")])])
    columns = "user, kind, toUnixTimestamp64Milli(alarm_at), status"
    assert table(clickhouse_client, database, "drift_alarms", columns) == [
        ("u", "by_hand", T0_MS, "provisional"),
        ("u", "shares", T0_MS, "refined"),
        ("u", "shares", T0_MS + 1, "timed_out"),
        ("u", "shares", T0_MS + 2, "refined"),
        ("v", "volume", T0_MS, "noted"),
    ]


def test_alarms_of_everybody_arrive(clickhouse: str, clickhouse_client: Client, database: str) -> None:
    alarms = [FleetAlarm(0, T0_MS, 40, 900, 0.003), FleetAlarm(3, T0_MS + DAY_MS, 1, 2, 0.5)]
    for _ in range(2):
        sink_to(clickhouse, database).write_batch([HistoryBatch(fleet_alarms=[each]) for each in alarms])
    columns = "shard, toUnixTimestamp64Milli(alarm_at), suspects, buckets, usual_share, run_id"
    assert table(clickhouse_client, database, "fleet_alarms", columns) == [(*each, "run-1") for each in alarms]


def test_evidence_comes_before_alarms_and_totals_come_last(
    clickhouse: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sees an alarm re-reads the evidence folded before it: all of it must be there."""
    order: list[str] = []
    sink = sink_to(clickhouse, database)
    insert = sink._insert

    def noting(name: str, *arguments: Any) -> None:
        order.append(name)
        insert(name, *arguments)

    monkeypatch.setattr(sink, "_insert", noting)
    batches = [
        HistoryBatch(alarms=[alarm()], fleet_alarms=[FleetAlarm(0, T0_MS, 1, 2, 0.5)], counts=ShardCounts(0, 9)),
        history_of(rows_of(9), dead_letters=[DeadLetter("dpi", "log", 0, 1, "malformed")]),
    ]
    sink.write_batch(batches)
    assert (order[0], order[-1]) == ("tag_evidence", "run_counts")
    assert sorted(order) == ["dead_letters", "drift_alarms", "fleet_alarms", "run_counts", "tag_evidence"]


def test_the_largest_totals_of_a_shard_win_whatever_the_order(
    clickhouse: str, clickhouse_client: Client, database: str
) -> None:
    sink = sink_to(clickhouse, database)
    totals = [ShardCounts(shard, n, n - 2, 1, {"dpi/malformed": 1}, 7, 70) for shard in (0, 1) for n in (10, 30, 20)]
    for counts in totals:
        sink.write_batch([HistoryBatch(counts=counts)])
    assert table(
        clickhouse_client, database, "run_counts", "run_id, shard, events_in, folded, duplicates, rejected"
    ) == [("run-1", shard, 30, 28, 1, {"dpi/malformed": 1}) for shard in (0, 1)]


def test_an_empty_batch_is_fine(clickhouse: str, clickhouse_client: Client, database: str) -> None:
    sink_to(clickhouse, database).write_batch([])
    sink_to(clickhouse, database).write_batch([HistoryBatch()])
    assert evidence(clickhouse_client, database) == []


def test_rows_that_the_server_refuses_are_isolated_and_named(
    clickhouse: str, clickhouse_client: Client, database: str
) -> None:
    # A table that takes only numbers as users stands for any refusal that a row's own content causes.
    scope = {"database": database}
    clickhouse_client.command("DROP TABLE {database:Identifier}.tag_evidence", parameters=scope)
    clickhouse_client.command(
        "CREATE TABLE {database:Identifier}.tag_evidence (user UInt32, tag String, event_time DateTime64(3, 'UTC'), "
        "event_id UInt64, value Float64, feed String, number UInt64) "
        "ENGINE = ReplacingMergeTree ORDER BY (user, tag, event_id)",
        parameters=scope,
    )
    rows: list[Row] = [("dpi", str(i), "app:a", T0_MS + i, i, 1.0) for i in range(50)]
    rows[17] = ("dpi", "seventeen", "app:a", T0_MS, 2**63 + 17, 1.0)
    rows[40] = ("household", "forty", "app:a", T0_MS, 40, 1.0)
    counts = ShardCounts(0, 50, 50)
    sink_to(clickhouse, database).write_batch([history_of(rows, counts=counts)])
    kept = table(clickhouse_client, database, "tag_evidence", "event_id")
    assert [i for (i,) in kept] == [i for i in range(50) if i not in (17, 40)]
    assert table(clickhouse_client, database, "dead_letters", "feed, log, partition, offset, reason") == [
        ("dpi", "tag_evidence", 0, identity_of(f"seventeen/app:a/{T0_MS}/{2**63 + 17}"), "history_refused"),
        ("household", "tag_evidence", 0, identity_of(f"forty/app:a/{T0_MS}/40"), "history_refused"),
    ]
    assert table(clickhouse_client, database, "run_counts", "events_in") == [(50,)]


def test_an_error_that_is_not_the_data_is_raised_at_once(clickhouse: str, database: str) -> None:
    sink = sink_to(clickhouse, "no_such_database")
    started = time.monotonic()
    with pytest.raises(DatabaseError):
        sink.write_batch([history_of(rows_of(3))])
    assert time.monotonic() - started < 3.0


def test_a_server_that_is_away_is_waited_for_then_given_up(tmp_path: Path) -> None:
    server = ClickHouseServer(tmp_path, "own")
    try:
        server.start()
        client = connect(server.url, 5.0)
        migrate(client, "lt")
        rows = rows_of(100)
        patient = sink_to(server.url, "lt", give_up_s=60.0)
        hasty = sink_to(server.url, "lt", give_up_s=0.5)
        patient.write_batch([history_of(rows[:50])])
        server.kill()

        started = time.monotonic()
        with pytest.raises(SinkGaveUp, match=r"ClickHouse unavailable .* sink_give_up_s=0\.5"):
            hasty.write_batch([history_of(rows[50:])])
        assert time.monotonic() - started < 6.0
        with pytest.raises(SinkGaveUp):
            sink_to(server.url, "lt", give_up_s=0.2)

        back = threading.Thread(target=server.start)
        back.start()
        patient.write_batch([history_of(rows[50:])])
        back.join()
        assert evidence(connect(server.url, 5.0), "lt") == sorted(rows)
    finally:
        server.stop()
